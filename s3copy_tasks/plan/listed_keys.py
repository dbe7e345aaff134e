"""The first source of keys: listings of both sides, merged by destination key."""

from __future__ import annotations

import heapq
from contextlib import closing
from itertools import starmap
from typing import TYPE_CHECKING

from s3copy_tasks.core.decide import Unseen
from s3copy_tasks.core.objects import LEFT_OUT
from s3copy_tasks.errors import Code, ConfigError
from s3copy_tasks.plan.listing import begin_ahead
from s3copy_tasks.report import events

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from s3copy_tasks.core.batch import KeyRange
    from s3copy_tasks.core.decide import Decided, Found
    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.plan.key_source import FoundRange
    from s3copy_tasks.plan.listing import EntryListing, Listing

_NO_BUCKET = "NoSuchBucket"


class ListedKeys:
    """The single objects of a job, and what its prefixes list.

    Args:
        job: the run.
        listing: of the job.
    """

    def __init__(self, job: EffectiveJob, listing: Listing) -> None:
        self._job = job
        self._listing = listing

    def find_range(self, key_range: KeyRange) -> FoundRange:
        """Return the objects of a batch's range."""
        return self._listing.list_range(key_range)

    def find_all(self) -> Generator[Found]:
        """Yield all objects: the single ones, then those of each group of entries by destination key.

        Raises:
            ConfigError: two sources would be written to one destination key.
            CopyError: a listing failed.
        """
        job, taken = self._job, dict[str, str]()
        for found in self._listing.named.decide_all():
            if isinstance(found, Unseen):
                self._note_unseen(found, taken)
            else:
                taken[found.key] = found.source.key
            yield found
        groups = (_Group(self._listing, entries) for entries in _group_entries(job))
        with closing(begin_ahead(groups)) as begun:
            for group in begun:
                yield from _merge_by_destination(group, taken)

    def _note_unseen(self, found: Unseen, taken: dict[str, str]) -> None:
        """Log an object that is gone since preflight, or whose HEAD failed, unless its batch will."""
        if found.error is None:
            if self._job.dry_run:
                events.object_missing(found.source_key)
            return
        if found.error.code == _NO_BUCKET:
            raise found.error
        taken[found.key] = found.source_key
        if self._job.dry_run:
            events.object_failed(found.source_key, found.error)


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


def _merge_by_destination(group: _Group, taken: dict[str, str]) -> Iterator[Decided]:
    """Yield a group's objects by destination key, and refuse two that would write the same key (rule 25)."""

    def stream(entry: int, listing: EntryListing) -> Iterator[tuple[str, int, Decided]]:
        return ((decided.key, entry, decided) for decided in listing)

    last, last_source = None, ""
    for key, _, decided in heapq.merge(*starmap(stream, group.listings.items()), key=lambda row: row[:2]):
        if decided.decision not in LEFT_OUT:
            other = last_source if key == last else taken.get(key)
            if other is not None:
                msg = (
                    f"{other!r} and {decided.source.key!r} would both be written to {key!r}. "
                    "Give one of the entries another destination, or exclude one of the objects"
                )
                raise ConfigError(msg, code=Code.DESTINATION_CONFLICT)
            last, last_source = key, decided.source.key
        yield decided
