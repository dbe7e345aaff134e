"""How our errors end an Airflow task: tried again where that may help, failed at once where it can't."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from airflow.sdk.exceptions import AirflowException, AirflowFailException

from s3copy_tasks.errors import CopyError, TransientError
from s3copy_tasks.verdict import verdict

if TYPE_CHECKING:
    from collections.abc import Iterator

    from s3copy_tasks.core.metrics import TransferMetrics


@contextmanager
def airflow_errors() -> Iterator[None]:
    """Turn our errors into Airflow's.

    Raises:
        TransientError: as it came; Airflow tries again.
        AirflowFailException: any other of ours.
    """
    try:
        yield
    except TransientError:
        raise
    except CopyError as error:
        raise AirflowFailException(str(error)) from None


def judge(metrics: TransferMetrics, max_failed_objects: int) -> None:
    """Return where at most so many objects failed and none is unknown.

    Raises:
        AirflowException: more failed, and some of them another try may mend.
        AirflowFailException: more failed, and trying again would not help.
    """
    reason = verdict(metrics, max_failed_objects)
    if reason is not None:
        raise (AirflowException if metrics.errors_encountered.transient else AirflowFailException)(reason)
