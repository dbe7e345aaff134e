"""Lists both sides of a job and decides for every object: in the plan, and again in each batch."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from s3copy_tasks.core.decide import Decided, Decider
from s3copy_tasks.core.merge import merge
from s3copy_tasks.core.pages import Listed
from s3copy_tasks.engine.loop import event_loop, wait_for
from s3copy_tasks.plan.key_stream import BUFFERED_KEYS_MAX, KeyStream
from s3copy_tasks.plan.named import NamedObjects, NamedRange

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Iterator

    from s3copy_tasks.core.batch import KeyRange
    from s3copy_tasks.core.job import EffectiveJob, PrefixEntry
    from s3copy_tasks.core.objects import S3Object
    from s3copy_tasks.core.store import Page
    from s3copy_tasks.engine.paced_store import PacedStores
    from s3copy_tasks.plan.ahead import ListingAhead


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How far one listing of one side may be ahead of its reader.

    Attributes:
        listers: limit of pages that are requested in parallel.
        buffered_keys_max: limit of keys that wait, plus one page; some 300 bytes each.
    """

    listers: int
    buffered_keys_max: int

    def divide_by(self, listings: int) -> Reach:
        """Return the reach of each listing, if several are read at the same time."""
        return Reach(
            listers=max(1, self.listers // listings), buffered_keys_max=self.buffered_keys_max // listings
        )


WHOLE = Reach(listers=16, buffered_keys_max=BUFFERED_KEYS_MAX)
"""For a plan, which reads as fast as pages arrive."""
RANGE = Reach(listers=4, buffered_keys_max=16_000)
"""For a batch, which reads as fast as it copies; and a worker may run many batches."""
AHEAD = 16
"""Limit of listings that are begun and not read yet; each keeps at most one page of either side."""


class EntryListing:
    """The objects of one entry with their decisions, in key order; each iteration lists both sides.

    Args:
        entry: index of the entry.
        prefixes: the entry.
        source: lists the keys of the source.
        destination: lists the keys that the entry writes.
        decider: of the job.
    """

    def __init__(
        self, entry: int, prefixes: PrefixEntry, source: KeyStream, destination: KeyStream, decider: Decider
    ) -> None:
        self._entry = entry
        self._prefixes = prefixes
        self._source = source
        self._destination = destination
        self._decider = decider

    def begin(self) -> None:
        """Request the first page of both sides; then either read the listing or `close` it."""
        self._source.begin()
        self._destination.begin()

    def close(self) -> None:
        """Stop a listing that was begun and never read."""
        self._source.close()
        self._destination.close()

    def __iter__(self) -> Iterator[Decided]:
        """Yield the objects.

        Raises:
            CopyError: a listing failed; the objects before that were yielded.
        """
        entry, prefixes, decide = self._entry, self._prefixes, self._decider.decide_listed
        with closing(read(self._source)) as source, closing(read(self._destination)) as destination:
            for suffix, found, existing in merge(source, destination, prefixes.source, prefixes.destination):
                key = prefixes.destination + suffix
                decision = decide(found, existing, prefixes.folder + suffix, key)
                yield Decided(
                    entry=entry, position=suffix, source=found, key=key, decision=decision, replaces=existing
                )


def read(stream: KeyStream) -> Generator[S3Object]:
    """Yield the keys of a stream; closing this stops the listing."""
    yield from stream


class Listing:
    """Lists the entries of a job, completely or in ranges, and decides for their objects.

    Args:
        job: the run.
        stores: both sides.
        retried: an earlier attempt may have copied something.
        reach: of one listing.
        ahead: what was listed before; None for nothing.

    Attributes:
        named: the job's single objects.
    """

    def __init__(
        self,
        job: EffectiveJob,
        stores: PacedStores,
        *,
        retried: bool = False,
        reach: Reach = RANGE,
        ahead: ListingAhead | None = None,
    ) -> None:
        self._job = job
        self._stores = stores
        self._decider = Decider(job, retried=retried)
        self.named = NamedObjects(job, stores, self._decider)
        self._reach = reach
        self._ahead = ahead

    def list_range(self, key_range: KeyRange) -> EntryListing | NamedRange:
        """Return the objects of a batch's range with their decisions."""
        if key_range.entry is None:
            return NamedRange(self.named, _index(key_range.after), int(key_range.through))
        return self.list_prefix(key_range.entry, _suffix(key_range.after), str(key_range.through))

    def list_prefix(
        self, entry: int, after: str | None = None, through: str | None = None, *, beside: int = 1
    ) -> EntryListing:
        """Return the objects of one entry with their decisions.

        Args:
            entry: index into the job's prefixes.
            after: exclusive lower bound below the prefix; None means from the start.
            through: inclusive upper bound; None means to the end.
            beside: number of listings that are read at the same time, including this one.
        """
        prefixes = self._job.prefixes[entry]
        reach = self._reach.divide_by(beside)
        source, destination = (
            self.make_stream(entry, listed, after, through, reach) for listed in self.both_sides(entry)
        )
        return EntryListing(entry, prefixes, source, destination, self._decider)

    def list_copies(self, entry: int, key_range: KeyRange) -> KeyStream:
        """Return the destination's objects of a range below an entry's prefix, in key order."""
        _, destination = self.both_sides(entry)
        after, through = _suffix(key_range.after), str(key_range.through)
        return self.make_stream(entry, destination, after, through, self._reach)

    def find_copies(self, keys: Iterable[str]) -> Iterator[S3Object]:
        """Yield the destination's objects with these keys, each found by a listing, without missing ones."""
        with ThreadPoolExecutor(self._job.transfer.in_flight) as pool:
            yield from filter(None, pool.map(self._find_copy, list(keys)))

    def _find_copy(self, key: str) -> S3Object | None:
        store = self._stores.destination
        page = wait_for(store.list_page(key, after=None, token=None, recursive=True))
        return next((listed for listed in page.objects if listed.key == key), None)

    def both_sides(self, entry: int) -> tuple[Listed, Listed]:
        """Return what is listed of an entry, in the source and in the destination."""
        prefixes = self._job.prefixes[entry]
        return (
            Listed("source", prefixes.source, prefixes.recursive),
            Listed("destination", prefixes.destination, prefixes.recursive),
        )

    def make_stream(
        self, entry: int, listed: Listed, after: str | None, through: str | None, reach: Reach
    ) -> KeyStream:
        """Return the keys below a prefix; only direct children are listed one page after another.

        Args:
            entry: for the counts of requests.
            listed: the prefix, and its side.
            after: exclusive lower bound below the prefix; None means from the start.
            through: inclusive upper bound; None means to the end.
            reach: of the listing.
        """
        ahead = self._ahead if after is None else None
        begun = ahead.take(listed) if ahead and through is None else None
        known = ahead.first_pages.get(listed) if ahead else None
        return begun or self._new_stream(entry, listed, after, through, reach, known)

    def _new_stream(
        self,
        entry: int,
        listed: Listed,
        after: str | None,
        through: str | None,
        reach: Reach,
        known: Page | None,
    ) -> KeyStream:
        store = self._stores.source if listed.side == "source" else self._stores.destination
        prefix = listed.prefix

        async def list_page(after: str | None, token: str | None) -> Page:
            if known is not None and after is None and token is None:
                return await store.known_page(known, entry)
            return await store.list_page(
                prefix, after=after, token=token, recursive=listed.recursive, entry=entry
            )

        return KeyStream(
            list_page,
            prefix,
            after=None if after is None else prefix + after,
            through=None if through is None else prefix + through,
            listers=reach.listers if listed.recursive else 1,
            loop=event_loop(),
            buffered_keys_max=reach.buffered_keys_max,
        )


class Begins(Protocol):
    """A listing that may request its first page before it is read."""

    def begin(self) -> None:
        """Request the first page."""

    def close(self) -> None:
        """Stop, if it was begun and not read."""


T = TypeVar("T", bound=Begins)


def begin_ahead(listings: Iterable[T]) -> Generator[T]:
    """Yield listings in their order, with the next ones begun; the caller reads or closes each of them.

    Many small listings then take one round trip together, instead of one each.
    """
    waiting: deque[T] = deque()
    try:
        for listing in listings:
            listing.begin()
            waiting.append(listing)
            if len(waiting) > AHEAD:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()
    finally:
        for listing in waiting:
            listing.close()


def _index(bound: str | int | None) -> int | None:
    return None if bound is None else int(bound)


def _suffix(bound: str | int | None) -> str | None:
    return None if bound is None else str(bound)
