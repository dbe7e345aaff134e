"""The task `deletions`: judges whether the run of a mirror may delete, and passes on what."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from s3copy_tasks.config.catalog import explain_other_writer
from s3copy_tasks.core.collector import utc_now
from s3copy_tasks.dag.outcome import airflow_errors, will_retry
from s3copy_tasks.dag.pulled import is_plan_approved, pull_copies, pull_delete_plan
from s3copy_tasks.dag.xcom import VERDICT, dump, push
from s3copy_tasks.delete.judge import VALID_FOR, Circumstances, Verdict, judge_deletes, refuse
from s3copy_tasks.delete.versioning import explain_unread, read_versioning
from s3copy_tasks.errors import CopyError
from s3copy_tasks.report import events
from s3copy_tasks.s3.connections import Sides

if TYPE_CHECKING:
    from airflow.sdk import Context

    from s3copy_tasks.config.job import CopyJob
    from s3copy_tasks.core.deletions import DeletePlan
    from s3copy_tasks.dag.pulled import Copies

_BACKFILL = "backfill"
_RUNNING = "running"


def deletions(config: CopyJob, context: Context) -> list[dict[str, Any]]:
    """Push the verdict on a run's deletes, and return the batches that may delete; none without a plan.

    Args:
        config: the job as the Dag has it now.
        context: of the task.
    """
    copies, plan = pull_copies(context), pull_delete_plan(context)
    if copies is None or plan is None or copies.job.mirror is None:
        return []
    with airflow_errors():
        is_approved = is_plan_approved(context, plan.plan_id)
        verdict = judge_run(copies, plan, config, context, is_approved=is_approved)
    push(context, VERDICT, dump(verdict))
    if verdict.reason is not None:
        events.deletes_refused(copies.job, plan, verdict.reason)
    if verdict.kept is not None:
        return []
    not_after = utc_now() + VALID_FOR
    return [dump(replace(batch, not_after=not_after)) for batch in plan.batches]


def judge_run(
    copies: Copies, plan: DeletePlan, config: CopyJob, context: Context, *, is_approved: bool
) -> Verdict:
    """Return whether a run may delete now.

    Raises:
        CopyError: the versioning of the destination could not be read, and a retry may help.
    """
    job, mirror = copies.job, copies.job.mirror
    if mirror is None:
        return Verdict()
    try:
        is_versioned = read_versioning(job, plan, lambda: Sides.from_job(job).stores)
    except CopyError as error:
        if will_retry(error, context):
            raise
        return refuse(mirror, plan, [explain_unread(job, error)])
    circumstances = Circumstances(
        metrics=copies.metrics,
        is_versioned=is_versioned,
        digest=config.digest,
        is_backfill=context["dag_run"].run_type == _BACKFILL,
        other_runs=_count_other_runs(context),
        overlap=explain_other_writer(config, mirror.delete_folder),
        is_approved=is_approved,
    )
    return judge_deletes(job, plan, circumstances)


def _count_other_runs(context: Context) -> int:
    ti = context["ti"]
    running: int = ti.get_dr_count(dag_id=ti.dag_id, states=[_RUNNING])
    return max(running - 1, 0)
