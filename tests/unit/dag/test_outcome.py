"""How errors end an Airflow task."""

from __future__ import annotations

from typing import cast

import pytest
from airflow.sdk import Context

from s3copy_tasks.core.metrics import TransferMetrics
from s3copy_tasks.core.queue import MessageCounts
from s3copy_tasks.dag.airflow_versions import AirflowException, AirflowFailException
from s3copy_tasks.dag.outcome import no_retry_once_settled, will_retry
from s3copy_tasks.errors import AccessError, TransientError
from tests.support.airflow.operators import Attempt

ENDINGS: dict[str, tuple[BaseException, int, bool]] = {
    "denied": (AccessError("no", code="AccessDenied"), 1, False),
    "failed-for-good": (AirflowFailException("no"), 1, False),
    "transient": (TransientError("reset", code="InternalError"), 1, True),
    "transient-at-the-last-attempt": (TransientError("reset", code="InternalError"), 3, False),
    "too-many-failed": (AirflowException("2 objects failed"), 2, True),
    "killed": (InterruptedError("stopped"), 1, True),
    "killed-at-the-last-attempt": (InterruptedError("stopped"), 3, False),
}


@pytest.mark.parametrize(("error", "try_number", "again"), ENDINGS.values(), ids=ENDINGS)
def test_will_retry(error: BaseException, try_number: int, again: bool) -> None:  # noqa: FBT001
    """With two retries, there is none after a final error, and none after the third attempt."""
    ti = Attempt(try_number=try_number, max_tries=2)
    assert will_retry(error, cast("Context", {"ti": ti})) is again


ENDS: dict[str, tuple[BaseException, int, type[BaseException]]] = {
    "nothing-settled": (TransientError("SQS is away", code="ServiceUnavailable"), 0, TransientError),
    "some-settled": (TransientError("SQS is away", code="ServiceUnavailable"), 1, AirflowFailException),
    "some-settled-some-failed": (AirflowException("2 objects failed"), 1, AirflowFailException),
    "stopped": (InterruptedError("stopped"), 1, AirflowFailException),
}


@pytest.mark.parametrize(("error", "deleted", "raised"), ENDS.values(), ids=ENDS)
def test_a_batch_that_has_deleted_messages_is_not_retried(
    error: BaseException, deleted: int, raised: type[BaseException]
) -> None:
    """No other attempt could count what its messages named; a batch that has deleted none is retried."""
    metrics = TransferMetrics(messages=MessageCounts(received=2, deleted=deleted))
    with pytest.raises(raised, match=str(error).split()[-1]), no_retry_once_settled(lambda: metrics):
        raise error


def test_a_batch_without_a_queue_is_retried() -> None:
    """Its keys are found again."""
    with pytest.raises(InterruptedError), no_retry_once_settled(TransferMetrics):
        raise InterruptedError
