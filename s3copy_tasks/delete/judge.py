"""Judges once, before any delete, whether a run may delete what its plan found extraneous.

If it may not, nothing at all is deleted: docs/design/deleting.md has the reason for each rule.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from typing import TYPE_CHECKING

from s3copy_tasks.core.deletions import DeleteCounts, DeleteMetrics, KeptReason
from s3copy_tasks.core.job import Approval
from s3copy_tasks.core.metrics import Errors, Failure
from s3copy_tasks.core.text import printable
from s3copy_tasks.errors import Code

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from s3copy_tasks.core.deletions import DeleteBatch, DeletePlan, GroupPlan
    from s3copy_tasks.core.job import EffectiveJob, Mirror
    from s3copy_tasks.core.metrics import TransferMetrics

VALID_FOR = timedelta(hours=24)
"""How long after the verdict a batch may delete."""
_NOT_APPROVED = (
    "it was not approved: the answer was Keep, or to an older question, or there was none in time, or the "
    "task `approve` failed"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """What else decides whether a run may delete.

    Attributes:
        metrics: of its plan and its copies.
        is_versioned: the destination's versioning is enabled now.
        digest: of the config that the Dag has now; the run was rendered from another one if it differs.
        is_backfill: the run is one of a backfill: its source may be as it was long ago.
        other_runs: runs of the same job that are running now.
        overlap: what another job writes in the scope of this one; None if there is none.
        is_approved: a person has approved the deletes of exactly this plan.
    """

    metrics: TransferMetrics
    is_versioned: bool
    digest: str
    is_backfill: bool = False
    other_runs: int = 0
    overlap: str | None = None
    is_approved: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Whether a run deletes what its plan found extraneous.

    Attributes:
        kept: why everything is kept; None if it is deleted.
        reason: for people, with the numbers; None unless the run is refused to delete.
        by_approval: it deletes because a person has approved that: each batch checks the answer again.
    """

    kept: KeptReason | None = None
    reason: str | None = None
    by_approval: bool = False


def wants_to_delete(job: EffectiveJob, plan: DeletePlan) -> bool:
    """Return whether a run deletes something if it is not refused: only then are its circumstances asked."""
    mirror = job.mirror
    return bool(mirror is not None and mirror.max_deleted_objects and plan.to_delete and not job.dry_run)


def needs_approval(job: EffectiveJob, plan: DeletePlan) -> bool:
    """Return whether a run deletes only what a person has approved; there may be other reasons against it."""
    mirror = job.mirror
    if mirror is None or not wants_to_delete(job, plan):
        return False
    if mirror.delete_folder is not None:
        return True
    if mirror.approval is Approval.NEVER:
        return False
    return mirror.approval is Approval.ALWAYS or any(_find_caps_exceeded(job, mirror, plan))


def judge_deletes(job: EffectiveJob, plan: DeletePlan, circumstances: Circumstances) -> Verdict:
    """Return whether a run may delete. There is nothing to refuse if nothing would be deleted."""
    mirror = job.mirror
    if mirror is None or not plan.to_delete:
        return Verdict()
    if job.dry_run:
        return Verdict(kept=KeptReason.DRY_RUN)
    if not mirror.max_deleted_objects:
        return Verdict(kept=KeptReason.REPORT_ONLY)
    by_approval = needs_approval(job, plan)
    reasons = [
        *_find_unfinished(circumstances.metrics),
        *_find_empty_sources(job, plan),
        *_find_limit(job, mirror, plan),
        *_find_other_clients(job, mirror, circumstances),
    ]
    if not reasons and by_approval and not circumstances.is_approved:  # if there are others, no one was asked
        reasons = [_NOT_APPROVED]
    return refuse(mirror, plan, reasons) if reasons else Verdict(by_approval=by_approval)


def refuse(mirror: Mirror, plan: DeletePlan, reasons: Sequence[str]) -> Verdict:
    """Return the verdict that nothing at all is deleted, with the numbers, and why."""
    would = f"would delete {plan.to_delete:,} of {plan.in_scope:,}, limit {mirror.max_deleted_objects:,}"
    reason = f"{would}; deletes nothing: {'; '.join(reasons)}"
    return Verdict(kept=KeptReason.REFUSED, reason=reason)


def leave_unjudged(mirror: Mirror, plan: DeletePlan, reason: str) -> Verdict:
    """Return the verdict of a run that did not get as far as one, and so has deleted nothing."""
    return refuse(mirror, plan, [reason]) if plan.to_delete else Verdict()


def _find_unfinished(metrics: TransferMetrics) -> Iterator[str]:
    if metrics.is_complete and not metrics.files_failed:
        return
    if metrics.files_failed or metrics.files_unknown:
        yield (
            f"{metrics.files_failed:,} objects were not copied, and {metrics.files_unknown:,} are unknown. "
            "Repair the copies first; the next run deletes"
        )
    else:
        codes = ", ".join(sorted(metrics.errors_encountered.by_code))
        yield f"the run met errors before ({codes}), so what it found may not be all. Repair that first"


def _find_empty_sources(job: EffectiveJob, plan: DeletePlan) -> Iterator[str]:
    empty = [prefix for group in plan.groups for prefix in group.empty_sources]
    if empty:
        names = ", ".join(printable(f"{job.source}/{prefix}") for prefix in empty[:3])
        yield (
            f"{names} {'has' if len(empty) == 1 else 'have'} no object, which is usually a mistake. If it "
            "is not, delete the destination by hand"
        )


def _find_limit(job: EffectiveJob, mirror: Mirror, plan: DeletePlan) -> Iterator[str]:
    """Yield why the number of deletes is against them, approved or not."""
    if not needs_approval(job, plan):
        yield from _find_caps_exceeded(job, mirror, plan)
    elif plan.extraneous > mirror.most_deleted:  # the plan has no batches then
        yield f"no run deletes more than {mirror.most_deleted:,}, approved or not"


def _find_caps_exceeded(job: EffectiveJob, mirror: Mirror, plan: DeletePlan) -> Iterator[str]:
    if plan.extraneous > mirror.max_deleted_objects:  # the plan has no batches then
        yield (
            f"more than {mirror.max_deleted_objects:,} are extraneous. `s3copy plan {job.name} --json` lists "
            "them. If they should go, raise mirror.max_deleted_objects for one run"
        )
    limit = mirror.max_deleted_percent
    for name, to_delete, in_scope in (
        ("the run", plan.to_delete, plan.in_scope),
        *((group.prefix or "the bucket", group.to_delete, group.in_scope) for group in plan.groups),
    ):
        if to_delete * 100 > Fraction(str(limit)) * in_scope:  # as it is written: 2.3 is not less than 2.3 %
            yield (
                f"{to_delete:,} of {in_scope:,} in {printable(name)} are {to_delete * 100 / in_scope:.4g} %, "
                f"and the limit is {limit:g} %. If they should go, raise mirror.max_deleted_percent for one "
                "run"
            )
            return


def _find_other_clients(job: EffectiveJob, mirror: Mirror, circumstances: Circumstances) -> Iterator[str]:
    if not circumstances.is_versioned and not mirror.allows_unversioned:
        yield (
            f"versioning of {job.destination} is not enabled, so no delete could be undone. Enable it, or "
            "write mirror.unversioned: allow"
        )
    if circumstances.digest != job.digest:
        yield "the config has changed since the run was prepared. Run again"
    if circumstances.is_backfill:
        yield "a backfill never deletes. Start a run by itself"
    if circumstances.other_runs:
        yield f"{circumstances.other_runs} other runs of the job are running. Run again when they have ended"
    if circumstances.overlap is not None:
        yield circumstances.overlap


def add_up_deletes(
    plan: DeletePlan, verdict: Verdict, by_batch: Mapping[int, DeleteMetrics]
) -> DeleteMetrics:
    """Return the account of a run's extraneous objects.

    Args:
        plan: of the run.
        verdict: on the plan.
        by_batch: the accounts of batches by id; if one is missing, its objects are kept or unknown, never
            deleted. There may be some of an earlier verdict, whose task was cleared.
    """
    groups = {group.prefix: DeleteCounts(kept=_count_kept(plan, group, verdict)) for group in plan.groups}
    parts = (by_batch.get(batch.id) or _without_report(batch, verdict) for batch in plan.batches)
    return sum(parts, start=DeleteMetrics(groups=groups))


def _count_kept(plan: DeletePlan, group: GroupPlan, verdict: Verdict) -> dict[KeptReason, int]:
    """Return what is in no batch: for its name, or because there is too much."""
    kept = {KeptReason.SAME_NAME: group.same_name}
    if verdict.kept is not None and not plan.batches:
        kept[verdict.kept] = group.to_delete
    return {reason: number for reason, number in kept.items() if number}


def _without_report(batch: DeleteBatch, verdict: Verdict) -> DeleteMetrics:
    if verdict.kept is None:
        return lose_batch(batch)
    counts = {
        prefix: DeleteCounts(kept={verdict.kept: number})
        for prefix, number in batch.extraneous_by_group.items()
    }
    return DeleteMetrics(groups=counts)


def lose_batch(batch: DeleteBatch) -> DeleteMetrics:
    """Return the account of a batch that reported nothing."""
    failure = Failure.of(
        entry=None,
        key=f"(deletes {batch.label})",
        code=Code.BATCH_LOST,
        message="its task ended and reported nothing; the next run deletes what is left",
        attempts=0,
    )
    errors = Errors(by_code={Code.BATCH_LOST: batch.extraneous}, first=(failure,))
    return DeleteMetrics.of_unknown(batch, errors)
