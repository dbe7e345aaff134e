"""Plans the deletes of a mirror: finds what is extraneous, and cuts it into batches. Deletes nothing."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from s3copy_tasks.core.delete_planner import SIZES, DeletePlanner, Sizes
from s3copy_tasks.core.deletions import DeletePlan
from s3copy_tasks.core.mirror_group import find_deleted, find_suffix, group_mirror
from s3copy_tasks.core.pages import Listed
from s3copy_tasks.engine.garbage import collect_garbage_rarely
from s3copy_tasks.engine.paced_store import pace_stores
from s3copy_tasks.plan.extraneous import GroupListing
from s3copy_tasks.plan.listing import RANGE, WHOLE, Listing, read
from s3copy_tasks.plan.same_names import find_same_names

if TYPE_CHECKING:
    from collections.abc import Callable

    from s3copy_tasks.core.job import EffectiveJob, Mirror
    from s3copy_tasks.core.objects import S3Object
    from s3copy_tasks.core.store import Stores
    from s3copy_tasks.engine.sender import Sender


def _ignore(_: S3Object) -> None:
    """Do nothing."""


@collect_garbage_rarely()
def plan_deletes(
    job: EffectiveJob,
    stores: Stores,
    *,
    sender: Sender,
    on_extraneous: Callable[[S3Object], None] = _ignore,
    sizes: Sizes = SIZES,
) -> DeletePlan:
    """Return what a run would delete; nothing if its job is not a mirror.

    Args:
        job: the run.
        stores: both sides.
        sender: the budget of requests.
        on_extraneous: called with each extraneous object, in the order of their keys in each group.
        sizes: how the plan is cut.

    Raises:
        CopyError: a listing failed.
    """
    if job.mirror is None:
        return DeletePlan()
    limit = job.mirror.most_deleted
    planner = DeletePlanner(job, limit, sizes)
    listing = Listing(job, pace_stores(stores, sender), reach=WHOLE)
    for group in group_mirror(job):
        _plan_group(GroupListing(job, group, listing, reach=WHOLE), planner, on_extraneous)
    return replace(planner.finish(), comes_back=_has_source(listing, job.mirror))


def _has_source(listing: Listing, mirror: Mirror) -> bool:
    """Return whether the source has an object of the folder that a run deletes; False if it deletes none."""
    for entry in find_deleted(mirror):
        listed = Listed("source", entry.source, entry.recursive)
        with closing(read(listing.make_stream(0, listed, None, None, RANGE))) as keys:
            if next(keys, None) is not None:
                return True
    return False


def _plan_group(
    whole: GroupListing, planner: DeletePlanner, on_extraneous: Callable[[S3Object], None]
) -> None:
    """Add a group to a plan; what the names of a server may confuse is kept."""
    mirror, group = whole.job.mirror, whole.group
    may_confuse = mirror is not None and not mirror.on_aws
    limit = mirror.most_deleted if mirror is not None and may_confuse else 0
    extraneous: list[S3Object] = []
    others = list(group.writers)
    planner.begin_group(group)
    for each in whole:
        if not each.is_extraneous:
            planner.skip(each.found.key, in_scope=each.in_scope)
            continue
        planner.add(each.found)
        on_extraneous(each.found)
        others = [entry for entry in others if find_suffix(entry, each.found.key) is None]
        if len(extraneous) < limit:
            extraneous.append(each.found)
    same_name = find_same_names(whole, extraneous)
    empty = {entry.source for entry in group.writers if entry not in others and whole.is_empty(entry)}
    planner.finish_group(same_name, sorted(empty))
