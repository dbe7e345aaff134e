"""Lists both sides of a job and decides for every object: in the plan, and again in each batch."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

from s3copy_tasks.core.decide import Decided, Decider, Unseen
from s3copy_tasks.core.merge import merge
from s3copy_tasks.engine.loop import event_loop, wait_for
from s3copy_tasks.errors import CopyError
from s3copy_tasks.plan.key_stream import BUFFERED_KEYS_MAX, KeyStream

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator, Iterable, Iterator
    from typing import Any

    from s3copy_tasks.core.batch import KeyRange
    from s3copy_tasks.core.job import EffectiveJob, PrefixEntry
    from s3copy_tasks.core.objects import S3Object
    from s3copy_tasks.core.store import Page
    from s3copy_tasks.engine.paced_store import PacedStore, PacedStores


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How far ahead of its reader one listing of one side may be.

    Attributes:
        listers: pages that may be asked for at once.
        buffered_keys_max: keys that may wait, and one page more; some 300 bytes each.
    """

    listers: int
    buffered_keys_max: int

    def shared_by(self, listings: int) -> Reach:
        """Return the reach of each of several listings that are read side by side."""
        return Reach(
            listers=max(1, self.listers // listings), buffered_keys_max=self.buffered_keys_max // listings
        )


WHOLE = Reach(listers=16, buffered_keys_max=BUFFERED_KEYS_MAX)
"""Of a plan, which reads as fast as pages come."""
RANGE = Reach(listers=4, buffered_keys_max=16_000)
"""Of a batch, which reads as fast as it copies; and a worker may run many batches."""
AHEAD = 16
"""Listings that are begun and not read yet; each holds a page of either side at most."""


class EntryListing:
    """The objects of one entry with their decisions, in key order; each iteration lists both sides.

    Args:
        entry: index of the prefixes.
        prefixes: the entry.
        source: its listing.
        destination: that of the keys that it writes.
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
        """Ask for the first page of either side; then read it, or `close`."""
        self._source.begin()
        self._destination.begin()

    def close(self) -> None:
        """Stop what was begun and never read."""
        self._source.close()
        self._destination.close()

    def __iter__(self) -> Iterator[Decided]:
        """Yield the objects.

        Raises:
            CopyError: a listing failed, after the objects before that.
        """
        entry, prefixes, decide = self._entry, self._prefixes, self._decider.decide_listed
        with closing(_read(self._source)) as source, closing(_read(self._destination)) as destination:
            for suffix, ours, theirs in merge(source, destination, prefixes.source, prefixes.destination):
                key = prefixes.destination + suffix
                decision = decide(ours, theirs, suffix, key)
                yield Decided(
                    entry=entry, position=suffix, source=ours, key=key, decision=decision, replaces=theirs
                )


class NamedListing:
    """Single objects of an index range, looked at by HEAD; there is no listing to begin."""

    def __init__(self, listing: Listing, after: int | None, through: int) -> None:
        self._listing = listing
        self._range = after, through

    def begin(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""

    def __iter__(self) -> Iterator[Decided | Unseen | None]:
        """Yield what `Listing.decide_objects` returns."""
        return iter(self._listing.decide_objects(*self._range))


def _read(stream: KeyStream) -> Generator[S3Object]:
    yield from stream


class Listing:
    """Lists and decides the entries of a job, wholly or in ranges.

    Args:
        job: the run.
        stores: both sides.
        retried: an earlier try may have copied something.
        reach: of one listing.
    """

    def __init__(
        self,
        job: EffectiveJob,
        stores: PacedStores,
        *,
        retried: bool = False,
        reach: Reach = RANGE,
    ) -> None:
        self._job = job
        self._stores = stores
        self._decider = Decider(job, retried=retried)
        self._reach = reach

    def list_range(self, one: KeyRange) -> EntryListing | NamedListing:
        """Return the objects of a batch's range with their decisions."""
        if one.entry is None:
            return NamedListing(self, _index(one.after), int(one.through))
        return self.list_prefix(one.entry, _suffix(one.after), str(one.through))

    def list_prefix(
        self, entry: int, after: str | None = None, through: str | None = None, *, beside: int = 1
    ) -> EntryListing:
        """Return the objects of one entry with their decisions.

        Args:
            entry: index into the job's prefixes.
            after: exclusive lower bound below the prefix; None means from the start.
            through: inclusive upper bound; None means to the end.
            beside: listings that are read at the same time, this one among them.
        """
        prefixes = self._job.prefixes[entry]
        reach = self._reach.shared_by(beside)
        source, destination = (
            self._keys(entry, store, prefix, after, through, reach if prefixes.recursive else None)
            for store, prefix in (
                (self._stores.source, prefixes.source),
                (self._stores.destination, prefixes.destination),
            )
        )
        return EntryListing(entry, prefixes, source, destination, self._decider)

    def list_copies(self, entry: int, one: KeyRange) -> KeyStream:
        """Return the destination's objects of a range below an entry's prefix, in key order."""
        prefixes = self._job.prefixes[entry]
        reach = self._reach if prefixes.recursive else None
        after, through = _suffix(one.after), str(one.through)
        return self._keys(entry, self._stores.destination, prefixes.destination, after, through, reach)

    def find_copies(self, keys: Iterable[str]) -> Iterator[S3Object]:
        """Return the destination's objects of some keys, each found by listing it; there may be none."""
        with ThreadPoolExecutor(self._job.transfer.concurrency) as pool:
            return filter(None, list(pool.map(self._find_copy, keys)))

    def _find_copy(self, key: str) -> S3Object | None:
        store = self._stores.destination
        page = wait_for(store.list_page(key, after=None, token=None, recursive=True))
        return next((one for one in page.objects if one.key == key), None)

    def decide_objects(
        self, after: int | None = None, through: int | None = None
    ) -> list[Decided | Unseen | None]:
        """Return the job's single objects of an index range with their decisions.

        None stands for one that is gone; one that can't be looked at stops no other.
        """
        first = 0 if after is None else after + 1
        indexes = range(first, len(self._job.objects) if through is None else through + 1)
        with ThreadPoolExecutor(self._job.transfer.concurrency) as pool:
            return list(pool.map(self._try_decide, indexes))

    def _try_decide(self, index: int) -> Decided | Unseen | None:
        try:
            return self.decide_object(index)
        except CopyError as error:
            return Unseen(self._job.objects[index].source, error)

    def decide_object(self, index: int) -> Decided | None:
        """Return one of the job's single objects with its decision; None where it is gone.

        Raises:
            CopyError: it can't be looked at.
        """
        entry = self._job.objects[index]
        ours = wait_for(self._stores.source.head_object(entry.source, version_id=entry.version_id))
        theirs = wait_for(self._stores.destination.head_object(entry.destination))
        if ours is None:
            return None
        found = theirs.object if theirs else None
        decision = self._decider.decide_named(ours.object, found, entry.destination)
        return Decided(
            entry=None,
            position=index,
            source=ours.object,
            key=entry.destination,
            decision=decision,
            replaces=found,
        )

    def _keys(
        self,
        entry: int,
        store: PacedStore,
        prefix: str,
        after: str | None,
        through: str | None,
        reach: Reach | None,
    ) -> KeyStream:
        """Return the keys below a prefix; without a reach its direct children, one page after the other."""

        def page(after: str | None, token: str | None) -> Coroutine[Any, Any, Page]:
            recursive = reach is not None
            return store.list_page(prefix, after=after, token=token, recursive=recursive, entry=entry)

        return KeyStream(
            page,
            prefix,
            after=None if after is None else prefix + after,
            through=None if through is None else prefix + through,
            listers=reach.listers if reach else 1,
            loop=event_loop(),
            buffered_keys_max=(reach or self._reach).buffered_keys_max,
        )


class Begins(Protocol):
    """A listing that may ask for its first page before it is read."""

    def begin(self) -> None:
        """Ask for the first page."""

    def close(self) -> None:
        """Stop, if it was begun and not read."""


T = TypeVar("T", bound=Begins)


def begin_ahead(listings: Iterable[T]) -> Generator[T]:
    """Yield listings in their order, the next ones begun; whoever takes one reads it or closes it.

    Many small listings then take a round trip together, and not one each.
    """
    waiting: deque[T] = deque()
    try:
        for one in listings:
            one.begin()
            waiting.append(one)
            if len(waiting) > AHEAD:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()
    finally:
        for one in waiting:
            one.close()


def _index(bound: str | int | None) -> int | None:
    return None if bound is None else int(bound)


def _suffix(bound: str | int | None) -> str | None:
    return None if bound is None else str(bound)
