"""The promised report of what a mirror deleted, and whether the run has failed for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s3copy_tasks.core.deletions import DeleteCounts, DeleteMetrics
from s3copy_tasks.core.request_counts import Requests
from s3copy_tasks.core.results_folder import find_results_folder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from s3copy_tasks.core.deletions import DeletePlan
    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.interfaces import DeletionCounts, DeletionsReport


def report_deletions(
    job: EffectiveJob, plan: DeletePlan, metrics: DeleteMetrics, refused: str | None
) -> DeletionsReport:
    """Return what became of a run's extraneous objects, in plain JSON types.

    Args:
        job: the run.
        plan: of the run's deletes.
        metrics: the account of all groups of the plan.
        refused: why nothing at all was deleted; None if that was not refused.
    """
    zero = DeleteCounts()
    errors = metrics.errors
    has_begun = metrics.requests != Requests()
    results = find_results_folder(job, plan.batches) if has_begun else None
    return {
        **_counts(plan.in_scope, metrics.total),
        "refused": refused,
        "delete_folder": job.mirror.delete_folder if job.mirror else None,
        "comes_back": plan.comes_back,
        "at_least": metrics.requests.at_least,
        "errors": [str(failure) for failure in errors.first],
        "errors_by_code": dict(errors.by_code),
        "groups": [
            {
                "destination": group.prefix,
                **_counts(group.in_scope, metrics.groups.get(group.prefix, zero)),
            }
            for group in plan.groups
        ],
        "results": None if results is None else str(results),
    }


def _counts(in_scope: int, counts: DeleteCounts) -> DeletionCounts:
    return {
        "in_scope": in_scope,
        "extraneous": counts.extraneous,
        "deleted": counts.deleted,
        "gone": counts.gone,
        "kept": {str(reason): number for reason, number in counts.kept.items()},
        "failed": counts.failed,
        "unknown": counts.unknown,
    }


def judge_deletions(deletions: DeletionsReport) -> str | None:
    """Return why a run has failed for its deletes, with exact counts; None if it has not."""
    return deletions["refused"] or _judge(deletions, deletions["errors_by_code"])


def judge_delete_batch(metrics: DeleteMetrics) -> str | None:
    """Return why a batch of deletes has failed, with exact counts; None if it has not."""
    return _judge(_counts(0, metrics.total), metrics.errors.by_code)


def _judge(counts: DeletionCounts, codes: Mapping[str, int]) -> str | None:
    if not (counts["failed"] or counts["unknown"] or codes):
        return None
    words = ", ".join(f"{code}: {count}" for code, count in codes.items())
    return (
        f"{counts['failed']} deletes failed, {counts['unknown']} unknown, {counts['deleted']} deleted "
        f"of {counts['extraneous']} extraneous. {words}"
    )
