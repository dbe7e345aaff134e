"""Compares both sides of a job, object by object, and copies nothing.

It sends a HEAD to each side for what a plan can't see: checksums, metadata, headers, class and tags.
"""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from s3copy_tasks.core.headers import decode_words
from s3copy_tasks.core.objects import LEFT_OUT
from s3copy_tasks.core.queue import Queue
from s3copy_tasks.core.verify import has_same_content
from s3copy_tasks.engine.loop import wait_for
from s3copy_tasks.engine.paced_store import pace_stores
from s3copy_tasks.errors import CopyError
from s3copy_tasks.plan.delete_planning import plan_deletes
from s3copy_tasks.plan.key_source import open_key_source
from s3copy_tasks.plan.listing import Listing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.objects import ObjectDetails
    from s3copy_tasks.core.store import Stores
    from s3copy_tasks.engine.paced_store import PacedStore, PacedStores
    from s3copy_tasks.engine.sender import Sender


@dataclass(frozen=True, slots=True, kw_only=True)
class Audited:
    """One object of the source, and how its copy differs.

    Attributes:
        key: of the source.
        destination_key: key of its copy.
        differences: values of source and destination by name; `missing` if the copy does not exist.
        proven: content was compared by checksums or equal ETags of whole objects; else by size alone.
        error: why it could not be compared.
    """

    key: str
    destination_key: str
    differences: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    proven: bool = False
    error: str | None = None


@dataclass(slots=True)
class Tally:
    """The totals of an audit, in objects: compared = same + unproven + different + failed.

    Attributes:
        compared: objects of the source that take part in the job.
        same: nothing differs, and checksums or ETags prove the content.
        unproven: nothing differs, but only the size of the content could be compared.
        different: something differs, or the copy is missing.
        failed: could not be compared.
        left_out: excluded by the job's filters.
        extraneous: objects that only the destination has; None if the job is not a mirror.
    """

    compared: int = 0
    same: int = 0
    unproven: int = 0
    different: int = 0
    failed: int = 0
    left_out: int = 0
    extraneous: int | None = None

    @property
    def is_clean(self) -> bool:
        """Whether every object was compared, none differs, and a mirror has no other."""
        return not (self.different or self.failed or self.extraneous)

    def count(self, audited: Audited) -> None:
        """Count an object."""
        self.compared += 1
        if audited.error is not None:
            self.failed += 1
        elif audited.differences:
            self.different += 1
        elif audited.proven:
            self.same += 1
        else:
            self.unproven += 1


def audit(job: EffectiveJob, stores: Stores, sender: Sender, tally: Tally) -> Iterator[Audited]:
    """Yield every object that is not proven to be the same, in the order of the listings.

    Args:
        job: the run; `overwrite` and dates are ignored. If a queue names its keys, both sides are listed.
        stores: both sides.
        sender: the budget of requests.
        tally: counts all objects; complete when the last one was yielded.

    Raises:
        CopyError: a listing failed.
    """
    if isinstance(job.keys_from, Queue):
        job = replace(job, keys_from=None)
    sides = pace_stores(stores, sender)
    comparison = _Comparison(job, sides)
    with ThreadPoolExecutor(job.transfer.in_flight) as pool:
        waiting: deque[Future[Audited]] = deque()
        for key, version_id, destination_key in _find_keys(job, sides, tally):
            waiting.append(pool.submit(comparison.compare, key, version_id, destination_key))
            if len(waiting) > 2 * job.transfer.in_flight:
                yield from _count(waiting.popleft().result(), tally)
        while waiting:
            yield from _count(waiting.popleft().result(), tally)


def _find_keys(job: EffectiveJob, sides: PacedStores, tally: Tally) -> Iterator[tuple[str, str | None, str]]:
    """Yield key, version and destination key of every object that takes part."""
    for found in open_key_source(job, sides, Listing(job, sides)).find_all():
        if found.decision in LEFT_OUT:
            tally.left_out += 1
        else:
            yield found.source_key, found.version_id, found.key


def list_extraneous(
    job: EffectiveJob, stores: Stores, sender: Sender, tally: Tally, show: Callable[[str], None]
) -> None:
    """Call a function with each key that only the destination has, if the job is a mirror, and count them.

    Args:
        job: the run.
        stores: both sides.
        sender: the budget of requests.
        tally: counts them.
        show: called with each key, in their order for each group of entries.

    Raises:
        CopyError: a listing failed.
    """
    if job.mirror is not None:
        found = plan_deletes(job, stores, sender=sender, on_extraneous=lambda each: show(each.key))
        tally.extraneous = found.extraneous


def _count(audited: Audited, tally: Tally) -> Iterator[Audited]:
    tally.count(audited)
    if audited.differences or not audited.proven:
        yield audited


class _Comparison:
    def __init__(self, job: EffectiveJob, stores: PacedStores) -> None:
        self._options = job.options
        self._stores = stores

    def compare(self, key: str, version_id: str | None, destination_key: str) -> Audited:
        try:
            return self._compare_heads(key, version_id, destination_key)
        except CopyError as error:
            return Audited(key=key, destination_key=destination_key, error=str(error))

    def _compare_heads(self, key: str, version_id: str | None, destination_key: str) -> Audited:
        stores = self._stores
        source = wait_for(stores.source.head_object(key, version_id=version_id, checksums=True))
        destination = wait_for(stores.destination.head_object(destination_key, checksums=True))
        if source is None:
            return Audited(key=key, destination_key=destination_key, error="the source object is gone")
        if destination is None:
            missing = {"missing": (source.object.size, None)}
            return Audited(key=key, destination_key=destination_key, differences=missing)
        pairs = dict(_pair_values(source, destination))
        pairs["storage_class"] = (self._find_wanted_class(source), destination.object.storage_class)
        pairs["tags"] = (self._read_wanted_tags(source), self._read_tags(stores.destination, destination))
        return Audited(
            key=key,
            destination_key=destination_key,
            differences={name: pair for name, pair in pairs.items() if pair[0] != pair[1]},
            proven=_is_proven(source, destination),
        )

    def _find_wanted_class(self, source: ObjectDetails) -> str:
        wanted = self._options.storage_class
        return source.object.storage_class if wanted == "preserve" else wanted

    def _read_wanted_tags(self, source: ObjectDetails) -> Mapping[str, str]:
        return self._read_tags(self._stores.source, source) if self._options.tags == "copy" else {}

    def _read_tags(self, store: PacedStore, details: ObjectDetails) -> Mapping[str, str]:
        found = details.object
        if not details.tag_count:
            return {}
        return dict(wait_for(store.object_tags(found.key, version_id=found.version_id)))


def _pair_values(source: ObjectDetails, destination: ObjectDetails) -> Iterator[tuple[str, tuple[Any, Any]]]:
    yield "size", (source.object.size, destination.object.size)
    for name in sorted(set(source.headers) | set(destination.headers)):
        yield name, (source.headers.get(name), destination.headers.get(name))
    yield "Metadata", (_read_metadata(source), _read_metadata(destination))
    for name in sorted(set(source.checksums) & set(destination.checksums)):
        yield name, (source.checksums[name], destination.checksums[name])


def _read_metadata(details: ObjectDetails) -> dict[str, str]:
    """Return user metadata as text: a copy may have in encoded words what its source has in UTF-8."""
    return {name: decode_words(text) for name, text in (details.object.metadata or {}).items()}


def _is_proven(source: ObjectDetails, destination: ObjectDetails) -> bool:
    same_etag = has_same_content(source.object, destination.object.etag)
    return same_etag or bool(set(source.checksums) & set(destination.checksums))
