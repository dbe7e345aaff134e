"""Whether a run on the command line may delete: by the same rules as in Airflow, and if it is confirmed."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from s3copy_tasks.config.catalog import explain_other_writer
from s3copy_tasks.core.metrics import TransferMetrics
from s3copy_tasks.core.text import printable
from s3copy_tasks.delete.judge import Circumstances, Verdict, judge_deletes, needs_approval, refuse
from s3copy_tasks.delete.versioning import explain_unread, read_versioning
from s3copy_tasks.errors import CopyError
from s3copy_tasks.report.deletion_tables import deletions_as_dict, deletions_line, deletions_table
from s3copy_tasks.report.deletion_words import COMES_BACK

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rich.console import Console

    from s3copy_tasks.config.job import CopyJob
    from s3copy_tasks.core.deletions import DeletePlan
    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.store import Stores

_YES = frozenset({"y", "yes"})


def judge_run(
    config: CopyJob, job: EffectiveJob, stores: Stores, plan: DeletePlan, metrics: TransferMetrics
) -> Verdict:
    """Return whether a run may delete; it is the only one, and no backfill.

    Args:
        config: that the run was rendered from.
        job: the run.
        stores: both sides.
        plan: of its deletes.
        metrics: of its copies.
    """
    if job.mirror is None:
        return Verdict()
    try:
        is_versioned = read_versioning(job, plan, lambda: stores)
    except CopyError as error:
        return refuse(job.mirror, plan, [explain_unread(job, error)])
    circumstances = Circumstances(
        metrics=metrics,
        is_versioned=is_versioned,
        digest=job.digest,
        overlap=explain_other_writer(config, job.mirror.delete_folder),
        is_approved=True,  # on the command line, the number is confirmed
    )
    return judge_deletes(job, plan, circumstances)


def describe_deletions(
    config: CopyJob, job: EffectiveJob, stores: Stores, plan: DeletePlan, keys: Sequence[str]
) -> dict[str, Any] | None:
    """Return what a run would delete if its copies succeed; None if its job is not a mirror.

    Args:
        config: that the run was rendered from.
        job: a dry run.
        stores: both sides.
        plan: of its deletes.
        keys: of all extraneous objects.
    """
    if job.mirror is None:
        return None
    run = replace(job, dry_run=False)
    verdict, is_asked = judge_run(config, run, stores, plan, TransferMetrics()), needs_approval(run, plan)
    return deletions_as_dict(plan, job.mirror, verdict.reason, keys, needs_approval=is_asked)


def show_deletions(console: Console, deletions: Mapping[str, Any]) -> None:
    """Print what a run would delete, by group, and whether it would be allowed to."""
    console.print(deletions_table(deletions))
    console.print(deletions_line(deletions), soft_wrap=True)


def confirm(job: EffectiveJob, plan: DeletePlan, verdict: Verdict, count: int | None) -> Verdict:
    """Return the verdict, or that nothing is deleted because it is not confirmed.

    Asks on a terminal, unless the number of objects was given.

    Args:
        job: the run.
        plan: of its deletes.
        verdict: on the plan, by the rules.
        count: of objects to delete, as the command was given it; None if it was not.
    """
    if job.mirror is None or verdict.reason is not None:
        return verdict
    if count is not None and count != plan.to_delete:
        words = f"--confirm is {count:,}, but {plan.to_delete:,} would be deleted. Check the plan again"
        return refuse(job.mirror, plan, [words])
    if verdict.kept is not None or not plan.to_delete or count is not None:
        return verdict
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        words = f"it is not confirmed. To delete them, run again with --confirm {plan.to_delete}"
        return refuse(job.mirror, plan, [words])
    return verdict if _ask(job, plan) else refuse(job.mirror, plan, ["the answer was No"])


def _ask(job: EffectiveJob, plan: DeletePlan) -> bool:
    places = ", ".join(f"{job.destination}/{group.prefix}" for group in plan.groups if group.to_delete)
    back = f"{COMES_BACK}\n" if plan.comes_back else ""
    numbers = f"{plan.to_delete:,} of {plan.in_scope:,} objects"
    sys.stderr.write(f"{back}Delete {numbers} below {printable(places)}? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in _YES
