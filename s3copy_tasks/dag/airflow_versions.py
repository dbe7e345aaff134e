"""The differences between Airflow 3.0 and 3.4: names that moved, and features that some versions lack.

Names that moved are imported only here. Type checkers see the newest version.
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
HAS_APPROVALS = AIRFLOW >= (3, 1)
"""Whether a task can wait for the answer of a person."""
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

__all__ = [
    "AIRFLOW",
    "HAS_APPROVALS",
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
    "find_executors",
    "hook_lineage_collector",
    "queued_deadline",
    "statistics",
]


def queued_deadline(after: timedelta, callback: Callable[..., Any], arguments: dict[str, Any]) -> Any:
    """Return a `DeadlineAlert` that calls an async function if a run has not ended `after` it was queued.

    Only if Airflow `HAS_DEADLINES`.
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
        # A run that is started by hand may have no logical date; with cron it is a day earlier.
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=interval,
        callback=AsyncCallback(callback, arguments),
    )


def find_executors() -> frozenset[str] | None:
    """Return the names by which a task may choose an executor, those of all teams; None if Airflow fails.

    For the Dag processor: tasks may run where only the task SDK is installed.
    """
    try:
        from airflow.executors.executor_loader import ExecutorLoader  # noqa: PLC0415 - not in the task SDK

        # Since 3.2 a team may have executors of its own; the Dag processor can't look teams up.
        offline = {"validate_teams": False} if AIRFLOW >= (3, 2) else {}
        found = ExecutorLoader.get_executor_names(**offline)
    except Exception:  # noqa: BLE001 - internal to Airflow: without it, Airflow's own check remains
        return None
    names = ((each.alias, each.module_path, each.module_path.rpartition(".")[2]) for each in found)
    return frozenset(name for each in names for name in each if name)


def hook_lineage_collector() -> Any:
    """Return Airflow's collector of what tasks read and wrote; Airflow 3.0 imports it in over a second."""
    if TYPE_CHECKING or AIRFLOW >= (3, 2):
        from airflow.sdk.lineage import get_hook_lineage_collector  # noqa: PLC0415
    else:
        from airflow.lineage.hook import get_hook_lineage_collector  # noqa: PLC0415
    return get_hook_lineage_collector()


def statistics() -> Any:
    """Return Airflow's client of statistics; its import takes as long as that of all configs."""
    if TYPE_CHECKING or AIRFLOW >= (3, 3):
        from airflow.sdk.observability import stats  # noqa: PLC0415
    elif AIRFLOW >= (3, 2):
        from airflow.sdk.observability.stats import Stats as stats  # noqa: N813, PLC0415 - a module since 3.3
    else:
        from airflow.stats import Stats as stats  # noqa: N813, PLC0415
    return stats


def event_extra(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return those values that the extra of an asset event can hold.

    Airflow 3.0 fails a task whose event, through an alias, has lists or dicts: there they are left out.
    """
    if AIRFLOW >= (3, 1):
        return dict(values)
    return {name: value for name, value in values.items() if not isinstance(value, (dict, list))}


def _lock_supervisor_calls() -> None:
    """Let one thread at a time send requests to a task's supervisor, as Airflow itself does since 3.2.

    Earlier, two threads could get each other's answers, or wait forever. The Amazon provider, `Connection`
    and secret masking send requests of their own, so the lock must be in the function that all of them use.
    It is reentrant: a signal handler that sends a request while its own thread waits does not hang. It may
    get that thread's answer, as it could without the lock.
    """
    from airflow.sdk.execution_time.comms import CommsDecoder  # noqa: PLC0415 - private; used only here

    _lock_send(CommsDecoder)


def _lock_test_supervisor() -> None:
    """Let one thread at a time send requests to the supervisor of `dag.test()`, in all versions.

    The supervisor hides itself while it answers, so that its own lookups do not reach it. If two threads
    send at once, the second finds it hidden, and hides it for good.
    """
    with suppress(ImportError):  # private, and not needed in production
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
