"""Finds what only the destination of a mirror has: merges listings of both sides by destination key."""

from __future__ import annotations

import heapq
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from s3copy_tasks.core.merge import check_sorted
from s3copy_tasks.core.mirror_group import build_scope, map_bounds
from s3copy_tasks.core.pages import Listed
from s3copy_tasks.plan.listing import RANGE, Reach, read

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from s3copy_tasks.core.job import EffectiveJob, PrefixEntry
    from s3copy_tasks.core.mirror_group import MirrorGroup
    from s3copy_tasks.core.objects import S3Object
    from s3copy_tasks.plan.key_stream import KeyStream
    from s3copy_tasks.plan.listing import Listing


@dataclass(frozen=True, slots=True)
class DestinationObject:
    """An object of the destination.

    Attributes:
        found: as it was listed.
        in_scope: whether the run may delete it if it is extraneous.
        has_source: whether an entry of the job copies an object of its source, as listed, to its key.
    """

    found: S3Object
    in_scope: bool
    has_source: bool

    @property
    def is_extraneous(self) -> bool:
        """Whether it may be deleted, as far as listings say."""
        return self.in_scope and not self.has_source


@dataclass(slots=True)
class GroupListing:
    """The destination's objects of a group, or of a range of it; each iteration lists both sides.

    Args:
        job: the run, with a mirror.
        group: of its entries.
        listing: of the job.
        after: exclusive lower bound, a whole destination key; None means from the start.
        through: inclusive upper bound; None means to the end.
        reach: of all listings together.

    Attributes:
        not_empty: entries of the group whose source has an object, its own marker left out; complete when
            the iteration is.
    """

    job: EffectiveJob
    group: MirrorGroup
    listing: Listing
    after: str | None = None
    through: str | None = None
    reach: Reach = RANGE
    not_empty: set[PrefixEntry] = field(default_factory=set)

    @property
    def named(self) -> set[str]:
        """The destination keys of the job's single objects, which are never extraneous."""
        return {entry.destination for entry in self.job.mirror.objects} if self.job.mirror else set()

    def __iter__(self) -> Iterator[DestinationObject]:
        """Yield the objects by key.

        Raises:
            CopyError: a listing failed; nothing that was yielded may be deleted then.
        """
        is_in_scope = build_scope(self.job, self.group)
        named = self.named
        with closing(self.list_destination()) as destination, closing(self.map_sources()) as mapped:
            source = next(mapped, None)
            for found in check_sorted(destination):
                while source is not None and source < found.key:
                    source = next(mapped, None)
                yield DestinationObject(
                    found,
                    in_scope=is_in_scope(found.key, found.last_modified),
                    has_source=source == found.key or found.key in named,
                )
            for _ in mapped:  # what no destination has yet: whether a source has any object
                pass

    def list_destination(self) -> Generator[S3Object]:
        """Yield the destination's objects, whether they are in scope or not."""
        group, prefix = self.group, self.group.prefix
        after = None if self.after is None else self.after[len(prefix) :]
        through = None if self.through is None else self.through[len(prefix) :]
        listed = Listed("destination", prefix, group.recursive)
        yield from self._make_stream(listed, after, through)

    def map_sources(self) -> Generator[str]:
        """Yield the destination keys that the sources' objects are copied to, in order."""
        with ExitStack() as opened:
            yield from heapq.merge(
                *(opened.enter_context(closing(self._map_source(entry))) for entry in self.group.entries)
            )

    def is_empty(self, writer: PrefixEntry) -> bool:
        """Return whether a source has no object but its own marker; lists what the iteration did not.

        Args:
            writer: of the group, which was listed without bounds.

        Raises:
            CopyError: a listing failed.
        """
        if writer in self.group.entries:
            return writer not in self.not_empty
        listed = Listed("source", writer.source, writer.recursive)
        with closing(read(self._make_stream(listed, None, None))) as keys:
            return all(found.key == writer.source for found in keys)

    def _map_source(self, entry: PrefixEntry) -> Generator[str]:
        bounds = map_bounds(entry, self.after, self.through)
        if bounds is None:
            return
        cut = len(entry.source)
        listed = Listed("source", entry.source, entry.recursive)
        for found in self._make_stream(listed, bounds.after, bounds.through):
            if len(found.key) > cut:
                self.not_empty.add(entry)
            yield entry.destination + found.key[cut:]

    def _make_stream(self, listed: Listed, after: str | None, through: str | None) -> KeyStream:
        reach = self.reach.divide_by(1 + len(self.group.entries))
        return self.listing.make_stream(self.group.number, listed, after, through, reach)
