"""Compares both sides of a job, object by object, and copies nothing.

What a plan can't see costs a HEAD of each side: content by checksum, metadata, headers, class and tags.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from s3copy_tasks.core.objects import LEFT_OUT
from s3copy_tasks.engine.loop import wait_for
from s3copy_tasks.engine.paced_store import pace_stores
from s3copy_tasks.errors import CopyError
from s3copy_tasks.plan.listing import Listing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.objects import ObjectDetails
    from s3copy_tasks.core.store import Stores
    from s3copy_tasks.engine.paced_store import PacedStore, PacedStores
    from s3copy_tasks.engine.sender import Sender


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """One object of the source, compared.

    Attributes:
        key: of the source.
        destination_key: where its copy belongs.
        differences: source's and destination's value by what differs; `missing` where there is no copy.
        proven: content was compared by checksum or by equal ETags of whole objects; else by size alone.
        error: why it could not be compared.
    """

    key: str
    destination_key: str
    differences: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    proven: bool = False
    error: str | None = None


@dataclass(slots=True)
class Tally:
    """What an audit came to, in objects: compared = same + unproven + different + failed.

    Attributes:
        compared: objects of the source that take part in the job.
        same: nothing differs, and checksums or ETags prove the content.
        unproven: nothing differs, but of the content only the size could be compared.
        different: something differs, or the copy is missing.
        failed: could not be compared.
        left_out: kept out by the job's filters.
    """

    compared: int = 0
    same: int = 0
    unproven: int = 0
    different: int = 0
    failed: int = 0
    left_out: int = 0

    @property
    def is_clean(self) -> bool:
        """Whether every object was compared and none differs."""
        return not self.different and not self.failed

    def count(self, one: Audited) -> None:
        """Take note of an object."""
        self.compared += 1
        if one.error is not None:
            self.failed += 1
        elif one.differences:
            self.different += 1
        elif one.proven:
            self.same += 1
        else:
            self.unproven += 1


def audit(job: EffectiveJob, stores: Stores, sender: Sender, tally: Tally) -> Iterator[Audited]:
    """Yield every object that is not proven to be the same, in the order of the listings.

    Args:
        job: the run; `overwrite` and dates do not matter.
        stores: both sides.
        sender: the budget of requests.
        tally: counts all objects, complete when the last one was yielded.

    Raises:
        CopyError: a listing failed.
    """
    sides = pace_stores(stores, sender)
    compare = _Comparison(job, sides)
    with ThreadPoolExecutor(job.transfer.concurrency) as pool:
        waiting: deque[Future[Audited]] = deque()
        for key, version_id, destination_key in _keys(job, Listing(job, sides), tally):
            waiting.append(pool.submit(compare.one, key, version_id, destination_key))
            if len(waiting) > 2 * job.transfer.concurrency:
                yield from _counted(waiting.popleft().result(), tally)
        while waiting:
            yield from _counted(waiting.popleft().result(), tally)


def _keys(job: EffectiveJob, listing: Listing, tally: Tally) -> Iterator[tuple[str, str | None, str]]:
    """Yield key, version and destination key of every object that takes part."""
    for entry in range(len(job.prefixes)):
        for one in listing.list_prefix(entry):
            if one.decision in LEFT_OUT:
                tally.left_out += 1
            else:
                yield one.source.key, None, one.key
    yield from ((entry.source, entry.version_id, entry.destination) for entry in job.objects)


def _counted(one: Audited, tally: Tally) -> Iterator[Audited]:
    tally.count(one)
    if one.differences or not one.proven:
        yield one


class _Comparison:
    def __init__(self, job: EffectiveJob, stores: PacedStores) -> None:
        self._options = job.options
        self._stores = stores

    def one(self, key: str, version_id: str | None, destination_key: str) -> Audited:
        try:
            return self._compared(key, version_id, destination_key)
        except CopyError as error:
            return Audited(key=key, destination_key=destination_key, error=str(error))

    def _compared(self, key: str, version_id: str | None, destination_key: str) -> Audited:
        source, destination = self._stores.source, self._stores.destination
        ours = wait_for(source.head_object(key, version_id=version_id, checksums=True))
        theirs = wait_for(destination.head_object(destination_key, checksums=True))
        if ours is None:
            return Audited(key=key, destination_key=destination_key, error="the source object is gone")
        if theirs is None:
            missing = {"missing": (ours.object.size, None)}
            return Audited(key=key, destination_key=destination_key, differences=missing)
        pairs = dict(_pairs(ours, theirs))
        pairs["storage_class"] = (self._wanted_class(ours), theirs.object.storage_class)
        pairs["tags"] = (self._wanted_tags(ours), self._tags(destination, theirs))
        return Audited(
            key=key,
            destination_key=destination_key,
            differences={name: pair for name, pair in pairs.items() if pair[0] != pair[1]},
            proven=_is_proven(ours, theirs),
        )

    def _wanted_class(self, ours: ObjectDetails) -> str:
        wanted = self._options.storage_class
        return ours.object.storage_class if wanted == "preserve" else wanted

    def _wanted_tags(self, ours: ObjectDetails) -> Mapping[str, str]:
        return self._tags(self._stores.source, ours) if self._options.tags == "copy" else {}

    def _tags(self, store: PacedStore, details: ObjectDetails) -> Mapping[str, str]:
        one = details.object
        if not details.tag_count:
            return {}
        return dict(wait_for(store.object_tags(one.key, version_id=one.version_id)))


def _pairs(ours: ObjectDetails, theirs: ObjectDetails) -> Iterator[tuple[str, tuple[Any, Any]]]:
    yield "size", (ours.object.size, theirs.object.size)
    for name in sorted(set(ours.headers) | set(theirs.headers)):
        yield name, (ours.headers.get(name), theirs.headers.get(name))
    for name in sorted(set(ours.checksums) & set(theirs.checksums)):
        yield name, (ours.checksums[name], theirs.checksums[name])


def _is_proven(ours: ObjectDetails, theirs: ObjectDetails) -> bool:
    same_etag = ours.object.etag.strip('"') == theirs.object.etag.strip('"')
    return same_etag or bool(set(ours.checksums) & set(theirs.checksums))
