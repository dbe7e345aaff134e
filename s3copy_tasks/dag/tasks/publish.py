"""The task `publish`: emits the events of the destination's assets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import Asset

from s3copy_tasks.core.job import EffectiveJob
from s3copy_tasks.dag.airflow_versions import AirflowSkipException, event_extra
from s3copy_tasks.dag.storable import escape
from s3copy_tasks.dag.xcom import METRICS, load, pull

if TYPE_CHECKING:
    from airflow.sdk import AssetAlias, Context


def publish(context: Context, copied: AssetAlias) -> None:
    """Emit events of the destination's assets, with what was copied.

    Raises:
        AirflowSkipException: nothing was copied, so the destination has not changed.
    """
    summary = pull(context, "summarize", METRICS)
    if not summary["files_copied_successfully"]:
        msg = "nothing was copied: no asset event"
        raise AirflowSkipException(msg)
    extra = escape(event_extra({name: value for name, value in summary.items() if name != "errors"}))
    for uri in load(EffectiveJob, pull(context, "preflight")).assets:
        context["outlet_events"][copied].add(Asset(name=uri, uri=uri), extra=extra)
