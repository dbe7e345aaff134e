"""Plans a run: compares both sides of a job and cuts the objects to copy into batches."""

from __future__ import annotations

import heapq
from contextlib import closing
from itertools import starmap
from typing import TYPE_CHECKING

from s3copy_tasks.core.decide import Decided, Unseen
from s3copy_tasks.core.objects import LEFT_OUT, Action
from s3copy_tasks.core.planner import BATCHES_MAX, Planner
from s3copy_tasks.engine.garbage import collect_garbage_rarely
from s3copy_tasks.engine.paced_store import pace_stores
from s3copy_tasks.engine.sender import Sender
from s3copy_tasks.errors import Code, ConfigError
from s3copy_tasks.plan.kept import KeptDecisions
from s3copy_tasks.plan.listing import WHOLE, Listing, begin_ahead
from s3copy_tasks.report import events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from s3copy_tasks.core.job import EffectiveJob, EntryId
    from s3copy_tasks.core.planner import Plan
    from s3copy_tasks.core.store import Stores
    from s3copy_tasks.plan.ahead import ListingAhead
    from s3copy_tasks.plan.listing import EntryListing

_NO_BUCKET = "NoSuchBucket"


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
    """Compare both sides of a job and cut the objects to copy into batches. Writes nothing.

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
        ConfigError: two sources would be written to one destination key.
        CopyError: a listing failed.
    """
    sides = pace_stores(
        stores,
        sender or Sender(job.transfer.in_flight),
        source_behind_seconds=job.source_behind_seconds,
    )
    if ahead is not None and job.source_behind_seconds:  # its dates are not corrected
        ahead.close()
    listing = Listing(job, sides, retried=retried, reach=WHOLE, ahead=ahead)
    planner = Planner(job, batches_max)
    kept = KeptDecisions(0) if kept is None else kept
    taken = _plan_objects(job, listing, planner, kept)
    listed = len(job.objects)
    with closing(begin_ahead(_Group(listing, entries) for entries in _group_entries(job))) as groups:
        for group in groups:
            for entry, decided in _merge_by_destination(group, taken):
                _add(planner, entry, decided)
                kept.add(decided)
                listed += 1
                if on_listed is not None and listed % 1_000 == 0:
                    on_listed(listed)
    if on_listed is not None:
        on_listed(listed)
    return planner.finish()


def _add(planner: Planner, entry: EntryId, decided: Decided) -> None:
    source = decided.source
    planner.add(entry, decided.position, source.size, decided.decision, is_multipart=source.is_multipart)


def _plan_objects(
    job: EffectiveJob, listing: Listing, planner: Planner, kept: KeptDecisions
) -> dict[str, str]:
    """Plan the single objects; return source keys by destination key.

    An object that is gone since preflight, or whose HEAD fails, is put into a batch, which counts it.
    """
    taken = {}
    for index, decided in enumerate(listing.named.decide_all()):
        if isinstance(decided, Decided):
            _add(planner, None, decided)
            kept.add(decided)
            taken[decided.key] = decided.source.key
        else:
            if isinstance(decided, Unseen) and decided.error.code == _NO_BUCKET:
                raise decided.error
            if decided is not None:
                taken[job.objects[index].destination] = decided.key
            if job.dry_run:  # else its batch logs it
                if decided is None:
                    events.object_missing(job.objects[index].source)
                else:
                    events.object_failed(decided.key, decided.error)
            planner.add(None, index, 0, Action.UNSEEN)
    return taken


def _group_entries(job: EffectiveJob) -> list[list[int]]:
    """Return the entries in groups: in each of them, destinations are equal or nested."""
    groups: list[list[int]] = []
    top: str | None = None
    for destination, index in sorted((e.destination, i) for i, e in enumerate(job.prefixes)):
        if top is not None and destination.startswith(top):
            groups[-1].append(index)
        else:
            top = destination
            groups.append([index])
    return groups


class _Group:
    """Listings of entries whose destinations are equal or nested: they are read at the same time."""

    def __init__(self, listing: Listing, entries: Sequence[int]) -> None:
        self.listings = {entry: listing.list_prefix(entry, beside=len(entries)) for entry in entries}

    def begin(self) -> None:
        for listing in self.listings.values():
            listing.begin()

    def close(self) -> None:
        for listing in self.listings.values():
            listing.close()


def _merge_by_destination(group: _Group, taken: dict[str, str]) -> Iterator[tuple[int, Decided]]:
    """Yield a group's objects by destination key, and refuse two that would write the same key (rule 25)."""

    def stream(entry: int, listing: EntryListing) -> Iterator[tuple[str, int, Decided]]:
        return ((decided.key, entry, decided) for decided in listing)

    last, last_source = None, ""
    for key, entry, decided in heapq.merge(*starmap(stream, group.listings.items()), key=lambda row: row[:2]):
        if decided.decision not in LEFT_OUT:
            other = last_source if key == last else taken.get(key)
            if other is not None:
                msg = (
                    f"{other!r} and {decided.source.key!r} would both be written to {key!r}. "
                    "Give one of the entries another destination, or exclude one of the objects"
                )
                raise ConfigError(msg, code=Code.DESTINATION_CONFLICT)
            last, last_source = key, decided.source.key
        yield entry, decided
