"""Lists both sides of a job and decides for every object: in the plan, and again in each batch."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

from s3copy_tasks.core.keys import Decider
from s3copy_tasks.core.merge import merge
from s3copy_tasks.core.metrics import Failure
from s3copy_tasks.errors import CopyError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.objects import Decision, S3Object
    from s3copy_tasks.core.store import Store
    from s3copy_tasks.sender import Sender


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """Both sides of a job. The destination signs the copies.

    Attributes:
        source: the source bucket with the source's credentials.
        destination: the destination bucket with the destination's.
    """

    source: Store
    destination: Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """An object with what is to be done about it.

    Attributes:
        position: below its prefix, or its index among the single objects.
        source: as it was listed.
        key: of the destination.
        decision: what is to be done.
        replaces: what the destination holds.
    """

    position: str | int
    source: S3Object
    key: str
    decision: Decision
    replaces: S3Object | None = None


class Listing:
    """Lists and decides the entries of a job, wholly or in ranges."""

    def __init__(self, job: EffectiveJob, stores: Stores, sender: Sender, *, retried: bool = False) -> None:
        self._job = job
        self._stores = stores
        self._sender = sender
        self._decider = Decider(job, retried=retried)

    def below_prefix(
        self, entry: int, after: str | None = None, through: str | None = None
    ) -> Iterator[Decided]:
        """Yield the objects of one entry with their decisions, in key order.

        Args:
            entry: index into the job's prefixes.
            after: exclusive lower bound below the prefix; None means from the start.
            through: inclusive upper bound; None means to the end.
        """
        prefixes = self._job.prefixes[entry]
        source = self._keys(self._stores.source, prefixes.source, after, prefixes.recursive)
        destination = self._keys(self._stores.destination, prefixes.destination, after, prefixes.recursive)
        merged = merge(source, destination, prefixes.source, prefixes.destination)
        for suffix, ours, theirs in takewhile(lambda row: through is None or row[0] <= through, merged):
            key = prefixes.destination + suffix
            decision = self._decider.below_prefix(ours, theirs, suffix, key)
            yield Decided(position=suffix, source=ours, key=key, decision=decision, replaces=theirs)

    def copies(self, entry: int, after: str | None, through: str) -> Iterator[S3Object]:
        """Yield the destination's objects of one entry in key order; bounds as in `below_prefix`."""
        prefixes = self._job.prefixes[entry]
        last = prefixes.destination + through
        listed = self._keys(self._stores.destination, prefixes.destination, after, prefixes.recursive)
        return takewhile(lambda one: one.key <= last, listed)

    def copy_at(self, key: str) -> S3Object | None:
        """Return one of the destination's objects, found by listing its key; None where there is none."""
        store = self._stores.destination
        page = self._sender.send(lambda: store.list_page(key, after=None, token=None, recursive=True))
        return next((one for one in page.objects if one.key == key), None)

    def objects(self, after: int | None = None, through: int | None = None) -> list[Decided | Failure | None]:
        """Return the job's single objects of an index range with their decisions.

        None stands for one that is gone, a failure for one that can't be looked at: it stops no other.
        """
        first = 0 if after is None else after + 1
        indexes = range(first, len(self._job.objects) if through is None else through + 1)
        with ThreadPoolExecutor(self._job.transfer.concurrency) as pool:
            return list(pool.map(self._object, indexes))

    def _object(self, index: int) -> Decided | Failure | None:
        try:
            return self.object_at(index)
        except CopyError as error:
            return Failure.of_error(error, entry=None, key=self._job.objects[index].source)

    def object_at(self, index: int) -> Decided | None:
        """Return one of the job's single objects with its decision; None where it is gone.

        Raises:
            CopyError: it can't be looked at.
        """
        entry = self._job.objects[index]
        ours = self._sender.send(
            lambda: self._stores.source.head_object(entry.source, version_id=entry.version_id)
        )
        theirs = self._sender.send(lambda: self._stores.destination.head_object(entry.destination))
        if ours is None:
            return None
        found = theirs.object if theirs else None
        decision = self._decider.named(ours.object, found, entry.destination)
        return Decided(
            position=index, source=ours.object, key=entry.destination, decision=decision, replaces=found
        )

    def _keys(self, store: Store, prefix: str, after: str | None, recursive: bool) -> Iterator[S3Object]:  # noqa: FBT001
        start, token = None if after is None else prefix + after, None
        while True:
            page = self._sender.send(
                lambda start=start, token=token: store.list_page(  # type: ignore[misc]
                    prefix, after=start, token=token, recursive=recursive
                )
            )
            yield from page.objects
            token = page.token
            if token is None:
                return
