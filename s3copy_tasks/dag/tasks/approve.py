"""What the task `approve` asks, and what its answer means."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Any

import structlog

from s3copy_tasks.core.text import printable
from s3copy_tasks.dag.approval import Question, name_option
from s3copy_tasks.dag.pulled import pull_copies, pull_delete_plan
from s3copy_tasks.dag.tasks.deletions import judge_run
from s3copy_tasks.dag.xcom import DELETE, KEEP
from s3copy_tasks.delete.judge import needs_approval
from s3copy_tasks.report.deletion_words import COMES_BACK

if TYPE_CHECKING:
    from airflow.sdk import Context

    from s3copy_tasks.config.job import CopyJob
    from s3copy_tasks.core.deletions import DeletePlan
    from s3copy_tasks.core.job import EffectiveJob

log = structlog.get_logger(__name__)


def find_question(config: CopyJob, context: Context) -> Question | None:
    """Return what to ask; None if no answer would let the run delete, or it deletes without one.

    Args:
        config: the job as the Dag has it.
        context: of the task.
    """
    copies, plan = pull_copies(context), pull_delete_plan(context)
    if copies is None or plan is None or plan.plan_id is None or not needs_approval(copies.job, plan):
        return None
    verdict = judge_run(copies, plan, config, context, is_approved=True)
    if verdict.kept is not None:
        log.info("nothing to approve", reason=verdict.reason)
        return None
    return Question(
        plan_id=plan.plan_id,
        option=name_option(plan.plan_id, plan.to_delete),
        body=_describe(copies.job, plan),
    )


def read_answer(context: Context, event: dict[str, Any]) -> dict[str, Any]:
    """Return an answer with its plan: Delete only if the chosen option is that of the plan as it is now."""
    plan = pull_delete_plan(context)
    plan_id = None if plan is None else plan.plan_id
    chosen = event.get("chosen_options")
    is_delete = plan is not None and plan_id is not None and chosen == [name_option(plan_id, plan.to_delete)]
    answer = {"answer": DELETE if is_delete else KEEP, "plan_id": plan_id}
    if "error" in event:
        log.error("Airflow does not accept the answer", error=event["error"])
    log.info("answered", chosen=chosen, by=event.get("responded_by_user"), **answer)
    return answer


def _describe(job: EffectiveJob, plan: DeletePlan) -> str:
    """Return the numbers in Markdown; prefixes are code, since whoever starts a run names its folder."""
    rows = "".join(
        f"| {_as_code(group.prefix or '(whole bucket)')} | {group.in_scope:,} | {group.to_delete:,} |\n"
        for group in plan.groups
        if group.to_delete
    )
    numbers = f"{plan.to_delete:,} of {plan.in_scope:,} objects in `{job.destination}`"
    return (
        f"{_explain(job, plan, numbers)}\n\n"
        f"| destination | objects | to delete |\n| --- | --- | --- |\n{rows}\n"
        f"{_as_code(_name_command(job))} lists the objects. {_name_limits(job)}"
    )


def _explain(job: EffectiveJob, plan: DeletePlan, numbers: str) -> str:
    if job.mirror is None or job.mirror.delete_folder is None:
        return f"{numbers} no longer have a source."
    back = f" {COMES_BACK[0].upper()}{COMES_BACK[1:]}." if plan.comes_back else ""
    return f"This run deletes a folder, whether the source has it or not: {numbers}.{back}"


def _name_limits(job: EffectiveJob) -> str:
    """Return the limits that the numbers are to be compared with, and whether a delete can be undone."""
    if job.mirror is None:
        return ""
    limits = f"max_deleted_objects {job.mirror.max_deleted_objects:,}"
    if job.mirror.delete_folder is None:
        limits += f", max_deleted_percent {job.mirror.max_deleted_percent:g}"
    undone = (
        "Where versioning is off, no delete can be undone."
        if job.mirror.allows_unversioned
        else "Each delete can be undone."
    )
    return f"Limits of the job: {limits}. {undone}"


def _name_command(job: EffectiveJob) -> str:
    folder = job.mirror.delete_folder if job.mirror else None
    options = [] if folder is None else ["--delete-folder", folder]
    return shlex.join(["s3copy", "plan", job.name, *options, "--json"])


def _as_code(text: str) -> str:
    """Return text that neither ends the code nor the cell of a table."""
    return f"`{printable(text).replace('`', '?').replace('|', '?')}`"
