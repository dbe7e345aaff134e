"""The task `delete_batch`: deletes one batch of what the plan found extraneous."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from s3copy_tasks.core.deletions import DeleteBatch
from s3copy_tasks.core.job import EffectiveJob
from s3copy_tasks.dag.airflow_versions import AirflowException, AirflowFailException
from s3copy_tasks.dag.outcome import airflow_errors, is_retried, stop_on_sigterm
from s3copy_tasks.dag.pulled import withdraw_unapproved
from s3copy_tasks.dag.rate import share_rate
from s3copy_tasks.dag.storable import make_label
from s3copy_tasks.dag.xcom import METRICS, dump_batch_metrics, load, push
from s3copy_tasks.delete.counting import DeleteCollector
from s3copy_tasks.delete.runner import count_deletes
from s3copy_tasks.delete.runner import delete_batch as run_batch
from s3copy_tasks.engine.sender import make_sender
from s3copy_tasks.report.deletions import judge_delete_batch
from s3copy_tasks.s3.connections import Sides

if TYPE_CHECKING:
    from airflow.sdk import Context

    from s3copy_tasks.core.deletions import DeleteMetrics


def delete_batch(job: dict[str, Any], batch: dict[str, Any], context: Context) -> None:
    """Delete one batch; always push its metrics, then judge it.

    Raises:
        AirflowFailException: an object failed or is unknown, and a retry would not help.
        AirflowException: an object failed or is unknown, and a retry may help.
    """
    effective, loaded = load(EffectiveJob, job), load(DeleteBatch, batch)
    context["label"] = make_label(loaded.label)  # type: ignore[typeddict-unknown-key] # map_index_template
    counted = DeleteCollector(loaded)
    at_once = min(loaded.of, effective.transfer.max_active_batches)
    sender, reader = (make_sender(effective.transfer, batches_at_once=at_once) for _ in range(2))

    def push_metrics(metrics: DeleteMetrics) -> None:
        if is_retried(context):  # what earlier attempts deleted is gone, and what they sent is not counted
            metrics = replace(metrics, requests=replace(metrics.requests, at_least=True))
        push(context, METRICS, dump_batch_metrics(loaded, metrics))

    with (
        airflow_errors(),
        count_deletes(effective, loaded, counted, push_metrics),
        stop_on_sigterm(sender),
        stop_on_sigterm(reader),
        share_rate(effective, loaded, sender, context),
    ):
        stores = Sides.from_job(effective).stores
        allowed = withdraw_unapproved(context, loaded)
        run_batch(effective, allowed, stores, counted=counted, sender=sender, reader=reader)
    metrics = counted.metrics()
    reason = judge_delete_batch(metrics)
    if reason is not None:
        raise (AirflowException if metrics.errors.transient else AirflowFailException)(reason)
