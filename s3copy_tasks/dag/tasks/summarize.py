"""The task `summarize`: adds up the run, and judges it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from s3copy_tasks.core.batch import Batch
from s3copy_tasks.core.job import EffectiveJob
from s3copy_tasks.core.metrics import TransferMetrics
from s3copy_tasks.dag.airflow_versions import AirflowFailException
from s3copy_tasks.dag.outcome import report_run
from s3copy_tasks.dag.xcom import METRICS, OUTSIDE, load, load_batch_metrics, load_failed_step, pull
from s3copy_tasks.report.summary import details, report, run_metrics, verdict, without_job, without_plan

if TYPE_CHECKING:
    from airflow.sdk import Context

    from s3copy_tasks.interfaces import RunDetails

log = structlog.get_logger(__name__)


def summarize(context: Context) -> RunDetails:
    """Add up the run, push its metrics, then judge it. Runs however the earlier tasks ended.

    Raises:
        AirflowFailException: the run has failed, with exact counts.
    """
    metrics, ended, max_failed_objects = _add_up(context)
    reason = verdict(metrics, max_failed_objects)
    report_run(ended, context, failed=reason is not None)
    if reason is not None:
        raise AirflowFailException(reason)
    if not metrics.files_copied_successfully:
        log.info("nothing to copy")
    return ended


def _add_up(context: Context) -> tuple[TransferMetrics, RunDetails, int]:
    """Return the run's metrics, their report, and the limit of failed objects."""
    plain = pull(context, "preflight")
    batches = pull(context, "plan") if plain is not None else None
    outside = pull(context, "plan", OUTSIDE)
    if batches is None or outside is None:
        metrics, ended = _without_plan(context, "preflight" if plain is None else "plan")
        return metrics, ended, 0
    job = load(EffectiveJob, plain)
    planned = [load(Batch, batch) for batch in batches]
    by_batch = load_batch_metrics(pull(context, "copy_batch", METRICS), planned)
    metrics = run_metrics(job, load(TransferMetrics, outside), planned, by_batch)
    return metrics, details(job, metrics, planned, by_batch), job.max_failed_objects


def _without_plan(context: Context, step: str) -> tuple[TransferMetrics, RunDetails]:
    known, ran = load_failed_step(pull(context, step, METRICS))
    metrics = known or without_plan(context["run_id"], step)
    ran = ran or {"job": None, "config_digest": None, "dry_run": context["params"]["dry_run"]}
    return metrics, without_job(report(metrics, **ran))
