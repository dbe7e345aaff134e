"""The task `copy_batch`: copies one batch of the plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from s3copy_tasks.copy.runner import copy_batch as run_batch
from s3copy_tasks.copy.runner import count_batch
from s3copy_tasks.copy.uploads import Attempt
from s3copy_tasks.core.batch import Batch
from s3copy_tasks.core.collector import MetricsCollector
from s3copy_tasks.core.job import EffectiveJob
from s3copy_tasks.dag.memory import recall_attempts
from s3copy_tasks.dag.outcome import (
    airflow_errors,
    is_retried,
    judge,
    no_retry_once_settled,
    stop_on_sigterm,
)
from s3copy_tasks.dag.rate import share_rate
from s3copy_tasks.dag.storable import make_label
from s3copy_tasks.dag.telemetry.lineage import find_entries, report_lineage
from s3copy_tasks.dag.telemetry.progress import report_progress
from s3copy_tasks.dag.xcom import METRICS, dump_batch_metrics, load, push
from s3copy_tasks.engine.sender import make_sender
from s3copy_tasks.s3.connections import Sides

if TYPE_CHECKING:
    from airflow.sdk import Context

    from s3copy_tasks.core.metrics import TransferMetrics


def copy_batch(job: dict[str, Any], batch: dict[str, Any], context: Context) -> None:
    """Copy one batch; always push its metrics, then judge it.

    Raises:
        AirflowFailException: more objects failed than the limit, and a retry would not help.
        AirflowException: more objects failed than the limit, and a retry may help.
    """
    effective, loaded = load(EffectiveJob, job), load(Batch, batch)
    context["label"] = make_label(loaded.label)  # type: ignore[typeddict-unknown-key] # map_index_template
    collector, earlier = MetricsCollector(), recall_attempts(context)
    sender = make_sender(
        effective.transfer, batches_at_once=min(loaded.of, effective.transfer.max_active_batches)
    )

    def push_metrics(metrics: TransferMetrics) -> None:
        push(context, METRICS, dump_batch_metrics(loaded, metrics))
        earlier.keep_requests(loaded.plan_id, metrics.requests)

    with (
        no_retry_once_settled(collector.metrics),
        airflow_errors(),
        count_batch(effective, loaded, collector, push_metrics),
        stop_on_sigterm(sender),
        report_progress(effective, loaded, collector, context),
        share_rate(effective, loaded, sender, context),
    ):
        report_lineage(effective, find_entries(effective, loaded.ranges))
        sides = Sides.from_job(effective)
        uploads = earlier.uploads(effective, sides, sender)
        sent = earlier.requests(loaded.plan_id)
        attempt = Attempt(retried=is_retried(context), uploads=uploads, requests=sent)
        run_batch(effective, loaded, sides.stores, metrics=collector, attempt=attempt, sender=sender)
    with no_retry_once_settled(collector.metrics):
        judge(collector.metrics(), effective.max_failed_objects)
