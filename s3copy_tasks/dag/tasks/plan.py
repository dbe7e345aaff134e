"""The task `plan`: lists both sides, and divides what is to be copied, and to be deleted, into batches."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from s3copy_tasks.core.collector import utc_now
from s3copy_tasks.core.job import EffectiveJob
from s3copy_tasks.core.planner import BATCHES_MAX
from s3copy_tasks.dag.airflow_versions import conf
from s3copy_tasks.dag.outcome import airflow_errors, is_retried, push_reason
from s3copy_tasks.dag.xcom import EXTRANEOUS, OUTSIDE, dump, load, push
from s3copy_tasks.engine.sender import make_sender
from s3copy_tasks.plan.delete_planning import plan_deletes
from s3copy_tasks.plan.planning import plan_job
from s3copy_tasks.report import events
from s3copy_tasks.report.summary import outside_metrics
from s3copy_tasks.s3.connections import Sides

if TYPE_CHECKING:
    from airflow.sdk import Context


def plan(job: dict[str, Any], context: Context) -> list[dict[str, Any]]:
    """Return the batches, and push the metrics of all objects that are in none."""
    effective, start = load(EffectiveJob, job), utc_now()
    sender = make_sender(effective.transfer)
    with airflow_errors(), push_reason("plan", effective, context):
        stores = Sides.from_job(effective).stores
        planned = plan_job(effective, stores, sender=sender, batches_max=_batches_max())
        deletes = plan_deletes(effective, stores, sender=sender)
    outside = outside_metrics(effective, planned, start, utc_now(), sender.counted())
    if is_retried(context):
        outside = replace(outside, requests=replace(outside.requests, at_least=True))
    events.objects_discovered(effective, planned)
    push(context, OUTSIDE, dump(outside, sparse=True))
    if effective.mirror is not None:
        events.objects_extraneous(effective, deletes)
        push(context, EXTRANEOUS, dump(deletes, sparse=True))
    return [] if effective.dry_run else [dump(batch) for batch in planned.batches]


def _batches_max() -> int:
    """Return how many batches a run may have: Airflow fails a plan with more than the site allows."""
    return max(1, conf.getint("core", "max_map_length", fallback=BATCHES_MAX))
