"""Groups of entries whose destinations are equal or nested: what a mirror compares, key by key.

For each destination key: whether it is in the run's scope, and which source keys would be copied to it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from s3copy_tasks.core.decide import build_filter
from s3copy_tasks.core.job import KEY_BYTES_MAX, PrefixEntry, key_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from datetime import datetime

    from s3copy_tasks.core.job import EffectiveJob, Mirror
    from s3copy_tasks.core.objects import SkipReason


@dataclass(frozen=True, slots=True, kw_only=True)
class MirrorGroup:
    """The destination keys below one prefix, and the entries that write there.

    Attributes:
        prefix: of the destination; no other group's prefix is above or below it.
        number: index of the first of the run's entries that write there, for the counts of requests.
        scope: the run's entries that write there; only below their destinations may anything be deleted.
        writers: all of the job's entries that write there.
        entries: the same, cut to what they write below `prefix`: their sources say what is kept. None of
            a folder of which nothing is kept.
    """

    prefix: str
    number: int
    scope: tuple[PrefixEntry, ...]
    writers: tuple[PrefixEntry, ...]
    entries: tuple[PrefixEntry, ...]

    @property
    def recursive(self) -> bool:
        """Whether more than the direct children of the prefix are in scope."""
        return any(entry.recursive or entry.destination != self.prefix for entry in self.scope)

    def find_sources(self, key: str) -> list[str]:
        """Return every source key that an entry of the job would copy to a destination key."""
        suffixes = ((entry.source, find_suffix(entry, key)) for entry in self.entries)
        keys = (source + suffix for source, suffix in suffixes if suffix is not None)
        return [source for source in dict.fromkeys(keys) if 0 < key_bytes(source) <= KEY_BYTES_MAX]


def find_suffix(entry: PrefixEntry, key: str) -> str | None:
    """Return the part of a destination key that an entry has appended; None if it does not write the key."""
    if not key.startswith(entry.destination):
        return None
    suffix = key[len(entry.destination) :]
    return suffix if entry.recursive or "/" not in suffix else None


def group_mirror(job: EffectiveJob) -> list[MirrorGroup]:
    """Return the groups of a run's entries, by their destination prefix; none if nothing is mirrored."""
    if job.mirror is None:
        return []
    if job.mirror.delete_folder is not None:
        return [_make_folder(job.mirror.prefixes, job.mirror.delete_folder)]
    top: list[str] = []
    for destination in sorted({entry.destination for entry in job.prefixes}):
        if not top or not destination.startswith(top[-1]):
            top.append(destination)
    every = dict.fromkeys(replace(entry, folder="") for entry in (*job.prefixes, *job.mirror.prefixes))
    return [_make_group(job, prefix, every) for prefix in top]


def _make_group(job: EffectiveJob, prefix: str, every: Iterable[PrefixEntry]) -> MirrorGroup:
    cut = {entry: part for entry in every if (part := _cut(entry, prefix)) is not None}
    numbers = [i for i, entry in enumerate(job.prefixes) if entry.destination.startswith(prefix)]
    return MirrorGroup(
        prefix=prefix,
        number=numbers[0],
        scope=tuple(job.prefixes[i] for i in numbers),
        writers=tuple(cut),
        entries=tuple(dict.fromkeys(cut.values())),
    )


def _make_folder(prefixes: Sequence[PrefixEntry], folder: str) -> MirrorGroup:
    """Return the group of a folder that is deleted, whatever the sources have, its own marker included."""
    above = tuple(entry for entry in prefixes if entry.recursive and folder.startswith(entry.destination))
    return MirrorGroup(prefix=folder, number=0, scope=above, writers=(), entries=())


def find_deleted(mirror: Mirror | None) -> tuple[PrefixEntry, ...]:
    """Return the parts of a job's entries that write to the folder that a run deletes; none if none is."""
    if mirror is None or mirror.delete_folder is None:
        return ()
    parts = (_cut(entry, mirror.delete_folder) for entry in mirror.prefixes)
    return tuple(part for part in parts if part is not None)


def _cut(entry: PrefixEntry, prefix: str) -> PrefixEntry | None:
    """Return the part of an entry that writes below a prefix; None if none does."""
    if entry.destination.startswith(prefix):
        return entry
    if not prefix.startswith(entry.destination) or not entry.recursive:
        return None
    below = prefix[len(entry.destination) :]
    return PrefixEntry(source=entry.source + below, destination=prefix)


def build_scope(job: EffectiveJob, group: MirrorGroup) -> Callable[[str, datetime], bool]:
    """Return a function of (destination key, date) that says whether an object is in the run's scope.

    Include and exclude apply to the key below the destination prefix, as they do to the source. The marker of
    a prefix itself is not below it.
    """
    leave_out: Callable[[str, datetime], SkipReason | None]
    leave_out = build_filter(replace(job.filters, modified_since=None))

    def is_in_scope(key: str, date: datetime) -> bool:
        suffixes = ((entry.folder, find_suffix(entry, key)) for entry in group.scope)
        return any(suffix and leave_out(folder + suffix, date) is None for folder, suffix in suffixes)

    return is_in_scope


@dataclass(frozen=True, slots=True)
class Bounds:
    """The part of an entry's source that may be copied to a range of destination keys.

    Attributes:
        after: exclusive lower bound below the source prefix; None means from the start.
        through: inclusive upper bound; None means to the end.
    """

    after: str | None
    through: str | None


def map_bounds(entry: PrefixEntry, after: str | None, through: str | None) -> Bounds | None:
    """Return the bounds of an entry's source for a range of whole destination keys; None if it is empty.

    Args:
        entry: of the group.
        after: exclusive lower bound; None means from the start.
        through: inclusive upper bound; None means to the end.
    """
    prefix = entry.destination
    first = last = None
    if after is not None and after >= prefix:
        if not after.startswith(prefix):
            return None
        first = after[len(prefix) :]
    if through is not None:
        if through < prefix:
            return None
        if through.startswith(prefix):
            last = through[len(prefix) :]
    return Bounds(_shorten(entry.source, first), last)


def _shorten(source: str, after: str | None) -> str | None:
    """Return a lower bound that S3 accepts: a key that is too long is after no key, so all are listed."""
    return None if after is None or key_bytes(source + after) > KEY_BYTES_MAX else after
