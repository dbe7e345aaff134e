"""Plans a run: decides for all keys, and cuts the objects to copy into batches."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from s3copy_tasks.core.decide import Unseen
from s3copy_tasks.core.planner import BATCHES_MAX, Planner
from s3copy_tasks.engine.garbage import collect_garbage_rarely
from s3copy_tasks.engine.paced_store import pace_stores
from s3copy_tasks.engine.sender import Sender
from s3copy_tasks.plan.kept import KeptDecisions
from s3copy_tasks.plan.key_source import open_key_source
from s3copy_tasks.plan.listing import WHOLE, Listing
from s3copy_tasks.plan.plan_results import PlanResults
from s3copy_tasks.plan.queue_planning import plan_messages

if TYPE_CHECKING:
    from collections.abc import Callable

    from s3copy_tasks.core.decide import Found
    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.planner import Plan
    from s3copy_tasks.core.store import Stores
    from s3copy_tasks.engine.paced_store import PacedStores
    from s3copy_tasks.plan.ahead import ListingAhead
    from s3copy_tasks.plan.key_source import KeySource


@collect_garbage_rarely()
def plan_job(
    job: EffectiveJob,
    stores: Stores,
    *,
    on_listed: Callable[[int], None] | None = None,
    sender: Sender | None = None,
    retried: bool = False,
    batches_max: int = BATCHES_MAX,
    ahead: ListingAhead | None = None,
    kept: KeptDecisions | None = None,
) -> Plan:
    """Decide for all keys of a job, and cut the objects to copy into batches.

    Writes nothing but results, and those not in a dry run.

    Args:
        job: the run.
        stores: both sides.
        on_listed: called now and then with the number of source objects that were checked.
        sender: the budget of requests; None makes one with the job's concurrency.
        retried: an earlier attempt of the run may have copied something: its batches will count that.
        batches_max: limit of batches, at least 1.
        ahead: what was listed before; None for nothing.
        kept: is given the decisions.

    Raises:
        ConfigError: two sources would be written to one destination key, or a list has invalid rows.
        CopyError: a listing failed, a list can't be read, or results can't be written.
    """
    if stores.queue is not None:
        return plan_messages(job, stores.queue, batches_max=batches_max)
    sender = sender or Sender(job.transfer.in_flight)
    sides = pace_stores(stores, sender, source_behind_seconds=job.source_behind_seconds)
    source = _open_source(job, sides, ahead, retried=retried)
    planner = Planner(job, batches_max)
    kept = KeptDecisions(0) if kept is None else kept
    seen = 0
    with closing(source.find_all()) as all_found, PlanResults(job, sides.results) as results:
        for seen, found in enumerate(all_found, 1):
            _add(planner, found)
            results.add(found)
            if not isinstance(found, Unseen):  # its batch checks again
                kept.add(found)
            if on_listed is not None and seen % 1_000 == 0:
                on_listed(seen)
        if on_listed is not None:
            on_listed(seen)
        plan = planner.finish()
        results.write(plan.batches)
    return plan


def _open_source(
    job: EffectiveJob, sides: PacedStores, ahead: ListingAhead | None, *, retried: bool
) -> KeySource:
    if ahead is not None and job.source_behind_seconds:  # its dates are not corrected
        ahead.close()
    listing = Listing(job, sides, retried=retried, reach=WHOLE, ahead=ahead)
    return open_key_source(job, sides, listing, retried=retried)


def _add(planner: Planner, found: Found) -> None:
    source = found.source
    planner.add(
        found.entry,
        found.position,
        0 if source is None else source.size,
        found.decision,
        is_multipart=source is not None and source.is_multipart,
        heads=found.heads,
        file=found.file,
    )
