"""Adds up a run and judges it: the same for a Dag and for the command line."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from s3copy_tasks.core.metrics import Errors, Failure, Requests, TransferMetrics, total
from s3copy_tasks.core.objects import SkipReason
from s3copy_tasks.errors import BATCH_LOST, PLAN_FAILED, CopyError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from s3copy_tasks.core.batch import Batch
    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.plan import Plan
    from s3copy_tasks.interfaces import RunReport


def outside_metrics(
    job: EffectiveJob, plan: Plan, start: datetime, end: datetime, requests: Requests | None = None
) -> TransferMetrics:
    """Return the plan's own account: what lies outside the batches.

    In a dry run that is everything, and what would be copied is skipped as `dry_run`.

    Args:
        job: the run.
        plan: of the run.
        start: when planning began; the run counts from then.
        end: when planning ended.
        requests: that planning sent.
    """
    skipped = Counter(plan.outside)
    if job.dry_run:
        skipped = Counter({SkipReason.DRY_RUN: sum(e.objects + e.compare + e.failing for e in plan.entries)})
        for entry in plan.entries:
            skipped.update(entry.skipped)
    return TransferMetrics(
        operation_id=job.run_id,
        start_time=start,
        end_time=end,
        total_files_found=skipped.total(),
        files_skipped=dict(sorted((+skipped).items())),
        requests=requests or Requests(),
    )


def run_metrics(
    job: EffectiveJob,
    outside: TransferMetrics,
    batches: Iterable[Batch],
    accounts: Mapping[int, TransferMetrics],
) -> TransferMetrics:
    """Add up a run: what lies outside the batches, the batches, and those that gave no account.

    Args:
        job: the run.
        outside: the plan's own account.
        batches: all that were planned.
        accounts: metrics by batch id; one that is missing makes its objects unknown, never copied.
    """
    parts = [accounts[batch.id] if batch.id in accounts else _lost(job, batch) for batch in batches]
    return total([outside, *parts])


def _lost(job: EffectiveJob, batch: Batch) -> TransferMetrics:
    failure = Failure.of(
        entry=batch.ranges[0].entry,
        key=f"(batch {batch.label})",
        code=BATCH_LOST,
        message="its task ended without an account; run again to copy what is missing",
        attempts=0,
    )
    return TransferMetrics(
        operation_id=job.run_id,
        total_files_found=batch.found,
        files_unknown=batch.found,
        errors_encountered=Errors(by_code={BATCH_LOST: batch.found}, first=(failure,)),
    )


def without_plan(run_id: str, step: str, error: CopyError | None = None) -> TransferMetrics:
    """Return the account of a run that has no plan, because `step` failed: nothing found, one error.

    Args:
        run_id: names the run.
        step: what failed, such as `preflight`.
        error: what it ended with, where that is known.
    """
    known = error or CopyError("nothing was copied; its log has the reason", code=PLAN_FAILED)
    failure = Failure.of_error(known, entry=None, key=f"({step})")
    return TransferMetrics(
        operation_id=run_id, errors_encountered=Errors(by_code={known.code: 1}, first=(failure,))
    )


def verdict(metrics: TransferMetrics, max_failed_objects: int) -> str | None:
    """Return why a run has failed, with exact counts; None where it has not."""
    if metrics.is_complete and metrics.files_failed <= max_failed_objects:
        return None
    codes = ", ".join(f"{code}: {count}" for code, count in metrics.errors_encountered.by_code.items())
    return (
        f"{metrics.files_failed} objects failed (at most {max_failed_objects} may), "
        f"{metrics.files_unknown} unknown, {metrics.files_copied_successfully} copied "
        f"of {metrics.total_files_found} found. {codes}"
    )


def report(job: EffectiveJob, metrics: TransferMetrics) -> RunReport:
    """Return a run's metrics with the name and the digest of the config that it ran."""
    return {
        **metrics.as_dict(),
        "job": job.name,
        "config_digest": job.digest,
        "dry_run": job.dry_run,
    }
