"""What the tasks of a run have pushed so far, as values: its plan, and the result of copies and deletes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from s3copy_tasks.core.batch import Batch
from s3copy_tasks.core.deletions import DeleteBatch, DeleteMetrics, DeletePlan
from s3copy_tasks.core.job import EffectiveJob
from s3copy_tasks.core.metrics import TransferMetrics
from s3copy_tasks.dag.xcom import (
    DELETE,
    EXTRANEOUS,
    METRICS,
    OUTSIDE,
    VERDICT,
    load,
    load_batch_metrics,
    load_delete_metrics,
    pull,
)
from s3copy_tasks.delete.judge import Verdict, add_up_deletes, leave_unjudged
from s3copy_tasks.report.summary import run_metrics

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Context

_NO_VERDICT = "the task `deletions` ended without a verdict; its log has the reason"


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """The copies of a run that was planned.

    Attributes:
        job: the run.
        batches: of its plan.
        by_batch: the metrics of those that reported, by id.
        metrics: of the plan and all batches.
    """

    job: EffectiveJob
    batches: tuple[Batch, ...]
    by_batch: Mapping[int, TransferMetrics]
    metrics: TransferMetrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Deletes:
    """The deletes of a mirror's run that was planned.

    Attributes:
        plan: what was to be deleted.
        verdict: whether that was allowed.
        metrics: of all batches.
    """

    plan: DeletePlan
    verdict: Verdict
    metrics: DeleteMetrics


def pull_copies(context: Context) -> Copies | None:
    """Return what became of a run's copies so far; None if the run has no plan."""
    plain = pull(context, "preflight")
    batches: Any = pull(context, "plan") if plain is not None else None
    outside = pull(context, "plan", OUTSIDE)
    if batches is None or outside is None:
        return None
    job = load(EffectiveJob, plain)
    planned = tuple(load(Batch, batch) for batch in batches)
    by_batch = load_batch_metrics(pull(context, "copy_batch", METRICS), planned)
    metrics = run_metrics(job, load(TransferMetrics, outside), planned, by_batch)
    return Copies(job=job, batches=planned, by_batch=by_batch, metrics=metrics)


def pull_delete_plan(context: Context) -> DeletePlan | None:
    """Return what a run found extraneous; None if it has no plan, or its job is not a mirror."""
    plain = pull(context, "plan", EXTRANEOUS)
    return None if plain is None else load(DeletePlan, plain)


def is_plan_approved(context: Context, plan_id: str | None) -> bool:
    """Return whether a person has approved the deletes of a plan, as `approve` has returned it."""
    answer = pull(context, "approve")
    return plan_id is not None and answer == {"answer": DELETE, "plan_id": plan_id}


def withdraw_unapproved(context: Context, batch: DeleteBatch) -> DeleteBatch:
    """Return a batch, which may delete nothing if its plan had to be approved, and no longer is."""
    judged = pull(context, "deletions", VERDICT)
    by_approval = judged is None or load(Verdict, judged).by_approval
    is_allowed = not by_approval or is_plan_approved(context, batch.plan_id)
    return batch if is_allowed else replace(batch, not_after=None)


def pull_deletes(context: Context, job: EffectiveJob) -> Deletes | None:
    """Return what became of the deletes of a run that was planned; None if its job is not a mirror."""
    plan = pull_delete_plan(context)
    if job.mirror is None or plan is None:
        return None
    judged = pull(context, "deletions", VERDICT)
    verdict = load(Verdict, judged) if judged else leave_unjudged(job.mirror, plan, _NO_VERDICT)
    by_batch = load_delete_metrics(pull(context, "delete_batch", METRICS), plan.batches)
    return Deletes(plan=plan, verdict=verdict, metrics=add_up_deletes(plan, verdict, by_batch))
