"""The task `summarize`: adds up the run, and judges it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from s3copy_tasks.dag.airflow_versions import AirflowFailException
from s3copy_tasks.dag.outcome import report_run
from s3copy_tasks.dag.pulled import pull_copies, pull_deletes
from s3copy_tasks.dag.xcom import METRICS, load_failed_step, pull
from s3copy_tasks.report.deletions import report_deletions
from s3copy_tasks.report.summary import details, report, verdict, without_job, without_plan

if TYPE_CHECKING:
    from airflow.sdk import Context

    from s3copy_tasks.core.metrics import TransferMetrics
    from s3copy_tasks.interfaces import RunDetails

log = structlog.get_logger(__name__)


def summarize(context: Context) -> RunDetails:
    """Add up the run, push its metrics, then judge it. Runs however the earlier tasks ended.

    Raises:
        AirflowFailException: the run has failed, with exact counts.
    """
    metrics, ended, max_failed_objects = _add_up(context)
    reason = verdict(metrics, max_failed_objects, ended["deletions"])
    report_run(ended, context, failed=reason is not None)
    if reason is not None:
        raise AirflowFailException(reason)
    if not metrics.files_copied_successfully:
        log.info("nothing to copy")
    return ended


def _add_up(context: Context) -> tuple[TransferMetrics, RunDetails, int]:
    """Return the run's metrics, their report, and the limit of failed objects."""
    copies = pull_copies(context)
    if copies is None:
        metrics, ended = _without_plan(context)
        return metrics, ended, 0
    job, metrics, deletions = copies.job, copies.metrics, None
    deletes = pull_deletes(context, job)
    if deletes is not None:
        metrics = replace(metrics, requests=metrics.requests + deletes.metrics.requests)
        deletions = report_deletions(job, deletes.plan, deletes.metrics, deletes.verdict.reason)
    ended = details(job, metrics, copies.batches, copies.by_batch, deletions)
    return metrics, ended, job.max_failed_objects


def _without_plan(context: Context) -> tuple[TransferMetrics, RunDetails]:
    step = "preflight" if pull(context, "preflight") is None else "plan"
    known, ran = load_failed_step(pull(context, step, METRICS))
    metrics = known or without_plan(context["run_id"], step)
    ran = ran or {"job": None, "config_digest": None, "dry_run": context["params"]["dry_run"]}
    return metrics, without_job(report(metrics, **ran))
