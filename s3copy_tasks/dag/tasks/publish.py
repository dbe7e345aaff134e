"""The task `publish`: emits the events of the destination's assets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import Asset

from s3copy_tasks.core.job import EffectiveJob
from s3copy_tasks.dag.airflow_versions import AirflowSkipException, event_extra
from s3copy_tasks.dag.storable import escape
from s3copy_tasks.dag.xcom import METRICS, load, pull

if TYPE_CHECKING:
    from airflow.sdk import AssetAlias, Context


def publish(context: Context, copied: AssetAlias) -> None:
    """Emit events of the destination's assets, with what was copied and deleted.

    Raises:
        AirflowSkipException: nothing was copied or deleted, so the destination has not changed.
    """
    summary = pull(context, "summarize", METRICS)
    deletions = summary.get("deletions")
    if not summary["files_copied_successfully"] and not (deletions and deletions["deleted"]):
        msg = f"nothing was copied{' or deleted' if deletions else ''}: no asset event"
        raise AirflowSkipException(msg)
    extra = escape(event_extra(_drop_errors(summary | {"deletions": deletions and _drop_errors(deletions)})))
    for uri in load(EffectiveJob, pull(context, "preflight")).assets:
        context["outlet_events"][copied].add(Asset(name=uri, uri=uri), extra=extra)


def _drop_errors(report: dict[str, Any]) -> dict[str, Any]:
    """Return what an event has of a report: not its texts, which may be long."""
    return {name: value for name, value in report.items() if name != "errors"}
