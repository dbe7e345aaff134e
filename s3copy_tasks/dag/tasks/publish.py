"""The task `publish`: emits the events of the destination's assets, and that of a queue that has more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset

from s3copy_tasks.core.job import EffectiveJob
from s3copy_tasks.core.queue import Queue
from s3copy_tasks.dag.airflow_versions import AirflowSkipException, event_extra
from s3copy_tasks.dag.storable import escape
from s3copy_tasks.dag.xcom import METRICS, load, pull

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import AssetAlias, Context


def publish(context: Context, copied: AssetAlias, waiting: AssetAlias | None = None) -> None:
    """Emit events of the destination's assets, with what was copied and deleted.

    Args:
        context: of the task.
        copied: takes the events of the destination.
        waiting: of a job whose queue starts its runs: takes the queue's event, which starts the next one, if
            this one has left messages that it had no time or room for.

    Raises:
        AirflowSkipException: nothing was copied or deleted, so the destination has not changed, and the run
            starts no other.
    """
    summary, job = pull(context, "summarize", METRICS), load(EffectiveJob, pull(context, "preflight"))
    starts_next = waiting is not None and _starts_next(summary)
    if waiting is not None and starts_next and isinstance(job.keys_from, Queue):
        uri = job.keys_from.asset
        context["outlet_events"][waiting].add(Asset(name=uri, uri=uri))
    deletions = summary.get("deletions")
    if not summary["files_copied_successfully"] and not (deletions and deletions["deleted"]):
        if starts_next:  # Airflow drops the events of a task that is skipped
            return
        msg = f"nothing was copied{' or deleted' if deletions else ''}: no asset event"
        raise AirflowSkipException(msg)
    extra = escape(event_extra(_drop_errors(summary | {"deletions": deletions and _drop_errors(deletions)})))
    for uri in job.assets:
        context["outlet_events"][copied].add(Asset(name=uri, uri=uri), extra=extra)


def _starts_next(summary: Mapping[str, Any]) -> bool:
    """Return whether more messages may wait; a run that deleted none starts no other, so that none loops."""
    queue = summary["queue"]
    return bool(queue and queue["may_wait"] and queue["deleted"])


def _drop_errors(report: dict[str, Any]) -> dict[str, Any]:
    """Return what an event has of a report: not its texts, which may be long."""
    return {name: value for name, value in report.items() if name != "errors"}
