"""What differs between Airflow 3.0 and 3.4: names that moved, and what a version can't do.

Every name that moved is imported here and nowhere else. Type checkers see the newest version.
"""

from __future__ import annotations

from contextlib import suppress
from threading import RLock
from typing import TYPE_CHECKING, Any

from airflow import __version__ as airflow_version
from packaging.version import Version

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import timedelta

AIRFLOW = Version(airflow_version).release[:2]
"""Major and minor version; a pre-release counts as its release."""

HAS_PAGES = AIRFLOW >= (3, 1)
"""Whether plugins can add pages to Airflow's UI."""
HAS_DEADLINES = AIRFLOW >= (3, 1)
"""Whether a Dag can have a deadline."""
HAS_TASK_STATE = AIRFLOW >= (3, 3)
"""Whether a task's context has `task_state_store`, which survives its retries."""
HAS_IMPORTERS = AIRFLOW >= (3, 4)
"""Whether a Dag bundle can have importers of files that are not Python."""

if TYPE_CHECKING or AIRFLOW >= (3, 2):
    from airflow.sdk import CronDataIntervalTimetable, conf
    from airflow.sdk.exceptions import AirflowException, AirflowFailException, AirflowSkipException
else:
    from airflow.configuration import conf
    from airflow.exceptions import AirflowException, AirflowFailException, AirflowSkipException
    from airflow.timetables.interval import CronDataIntervalTimetable

if TYPE_CHECKING or AIRFLOW >= (3, 3):
    from airflow.sdk.observability import stats
elif AIRFLOW >= (3, 2):
    from airflow.sdk.observability.stats import Stats as stats  # noqa: N813 - a module since 3.3
else:
    from airflow.stats import Stats as stats  # noqa: N813

__all__ = [
    "AIRFLOW",
    "HAS_DEADLINES",
    "HAS_IMPORTERS",
    "HAS_PAGES",
    "HAS_TASK_STATE",
    "AirflowException",
    "AirflowFailException",
    "AirflowSkipException",
    "CronDataIntervalTimetable",
    "airflow_version",
    "conf",
    "event_extra",
    "hook_lineage_collector",
    "queued_deadline",
    "stats",
]


def queued_deadline(after: timedelta, callback: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    """Return a `DeadlineAlert` that calls an async function `after` a run was queued, if it has not ended.

    Only where Airflow `HAS_DEADLINES`.
    """
    if TYPE_CHECKING or AIRFLOW >= (3, 2):
        from airflow.sdk import (  # type: ignore[attr-defined] # noqa: PLC0415 - its stub lacks them
            AsyncCallback,
            DeadlineAlert,
            DeadlineReference,
        )
    else:
        from airflow.sdk.definitions.deadline import (  # noqa: PLC0415 - 3.0 has no such module
            AsyncCallback,
            DeadlineAlert,
            DeadlineReference,
        )
    # With a timedelta Airflow 3.3 can't clear a run: https://github.com/apache/airflow/issues/70368
    interval = after.total_seconds() if AIRFLOW == (3, 3) else after
    return DeadlineAlert(
        # A logical date is missing where a run is started by hand, and is a day earlier where cron starts it.
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=interval,
        callback=AsyncCallback(callback, arguments),
    )


def hook_lineage_collector() -> Any:
    """Return Airflow's collector of what tasks read and wrote; Airflow 3.0 imports it for over a second."""
    if TYPE_CHECKING or AIRFLOW >= (3, 2):
        from airflow.sdk.lineage import get_hook_lineage_collector  # noqa: PLC0415
    else:
        from airflow.lineage.hook import get_hook_lineage_collector  # noqa: PLC0415
    return get_hook_lineage_collector()


def event_extra(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the extra of an asset event can hold of these values.

    Airflow 3.0 fails a task whose event, by an alias, holds lists or dicts: they are left out there.
    """
    if AIRFLOW >= (3, 1):
        return dict(values)
    return {name: value for name, value in values.items() if not isinstance(value, (dict, list))}


def _lock_supervisor_calls() -> None:
    """Let one thread at a time ask a task's supervisor, as Airflow does itself since 3.2.

    Before, two threads get each other's answers, or wait forever. The Amazon provider, `Connection` and
    secret masking ask by themselves, so the lock must be where they all pass. It is reentrant: a signal
    handler that asks while its own thread waits does not hang. It may get that thread's answer, as it did
    without the lock.
    """
    from airflow.sdk.execution_time.comms import CommsDecoder  # noqa: PLC0415 - private; this is its one use

    _lock_send(CommsDecoder)


def _lock_test_supervisor() -> None:
    """Let one thread at a time ask the supervisor of `dag.test()`, in all versions.

    It hides itself while it answers, so that its own lookups do not come back to it: of two threads at
    once, the second finds it hidden, and hides it for good.
    """
    with suppress(ImportError):  # private, and not needed where tasks run as they do in production
        from airflow.sdk.execution_time.supervisor import InProcessSupervisorComms  # noqa: PLC0415

        _lock_send(InProcessSupervisorComms)


def _lock_send(comms: Any) -> None:
    unlocked, lock = comms.send, RLock()

    def send(self: Any, msg: Any) -> Any:
        with lock:
            return unlocked(self, msg)

    comms.send = send


_lock_test_supervisor()
if AIRFLOW < (3, 2):
    _lock_supervisor_calls()
