"""Where a run says what it came to: XCom and one log event, the same for a Dag and for the operator."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from s3copy_tasks.dag.telemetry.stats import send_stats
from s3copy_tasks.report import events

if TYPE_CHECKING:
    from airflow.sdk import Context

    from s3copy_tasks.interfaces import RunDetails, RunReport

METRICS, ENTRIES, BATCHES = "metrics", "entries", "batches"
"""Keys of XCom."""


def report_of(details: RunDetails) -> RunReport:
    """Return a run's metrics without those by entry and by batch."""
    return cast("RunReport", {key: value for key, value in details.items() if key not in {ENTRIES, BATCHES}})


def without_job(report: RunReport) -> RunDetails:
    """Return the metrics of a run that came to no entry and no batch."""
    return {**report, "entries": [], "batches": []}


def give_account(details: RunDetails, context: Context, *, failed: bool, final: bool = True) -> None:
    """Push a run's metrics, and those by entry and by batch; log the one event that says how it ended.

    Args:
        details: of the run.
        context: of the task.
        failed: whether the run has failed.
        final: whether no other try of it will come; statistics count the last one only.
    """
    report, ti = report_of(details), context["ti"]
    ti.xcom_push(key=METRICS, value=report)
    ti.xcom_push(key=ENTRIES, value=details["entries"])
    ti.xcom_push(key=BATCHES, value=details["batches"])
    say = events.operation_failed if failed else events.operation_completed
    say(report)
    if final:
        send_stats(report, failed=failed)
