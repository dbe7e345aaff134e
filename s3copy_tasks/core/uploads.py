"""Decides which open uploads an earlier attempt of a batch left, from a listing of uploads alone."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from s3copy_tasks.core.decide import build_filter
from s3copy_tasks.core.job import list_entries
from s3copy_tasks.core.queue import Queue

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from s3copy_tasks.core.batch import Batch, KeyRange
    from s3copy_tasks.core.job import EffectiveJob, EntryId, ObjectEntry, PrefixEntry
    from s3copy_tasks.core.store import ListedUpload

_ANY_DATE = datetime.max.replace(tzinfo=UTC)
"""Date of a source object when only its key matters."""


_LAST = "\U0010ffff"
"""Follows a prefix in a key that comes after all keys below it."""


class UploadOwner(StrEnum):
    """Who started an open upload."""

    THIS_RUN = "this run"
    UNKNOWN = "unknown"
    OTHERS = "others"


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadSpan:
    """A range of destination keys in which a batch may have left uploads.

    Attributes:
        entry: index of a prefix, None for one of the job's `objects`.
        prefix: all of its keys start with it.
        after: exclusive lower bound, a whole key; None means from the start.
        through: inclusive upper bound, a whole key.
    """

    entry: EntryId
    prefix: str
    after: str | None
    through: str


class RowSource(NamedTuple):
    """What a row of a list copies: the entry that it belongs to, source key and version."""

    entry: EntryId
    key: str
    version_id: str | None


def find_upload_spans(job: EffectiveJob, batch: Batch) -> list[UploadSpan]:
    """Return the ranges to list: one for each prefix of a batch, and one for each single object.

    The ranges of one prefix are listed together: uploads are few, and ranges may be many. The rows of a list
    may be below any prefix.
    """
    if job.keys_from is not None:
        entries = list_entries(job.prefixes, job.objects)
        places = dict.fromkeys(entry.destination for _, _, entry in entries)
        return [UploadSpan(entry=None, prefix=key, after=None, through=key + _LAST) for key in places]
    found: list[UploadSpan] = []
    for entry in batch.found_by_entry:
        ranges = [key_range for key_range in batch.ranges if key_range.entry == entry]
        if entry is None:
            keys = dict.fromkeys(
                named.destination for key_range in ranges for named in _named_objects(job, key_range)
            )
            found += [UploadSpan(entry=None, prefix=key, after=None, through=key) for key in keys]
        else:
            found.append(_span_ranges(entry, job.prefixes[entry].destination, ranges))
    return found


def _span_ranges(entry: int, prefix: str, ranges: Sequence[KeyRange]) -> UploadSpan:
    after = [key_range.after for key_range in ranges]
    least = None if None in after else prefix + min(map(str, after))
    return UploadSpan(
        entry=entry,
        prefix=prefix,
        after=least,
        through=prefix + max(str(key_range.through) for key_range in ranges),
    )


def _named_objects(job: EffectiveJob, key_range: KeyRange) -> Sequence[ObjectEntry]:
    """Return the single objects of a range of indexes."""
    first = 0 if key_range.after is None else int(key_range.after) + 1
    return job.objects[first : int(key_range.through) + 1]


class EarlierUploads:
    """Distinguishes the uploads that earlier attempts of a batch left from all others.

    Args:
        job: the run.
        batch: of its plan.
        initiator: ARN of the principal that signs the copies; None if it is not known.
        rows: of a list that the batch copies, by destination key; empty if it lists keys.
    """

    def __init__(
        self,
        job: EffectiveJob,
        batch: Batch,
        initiator: str | None,
        rows: Mapping[str, RowSource] | None = None,
    ) -> None:
        self._rows = rows or {}
        self._job = job
        self._batch = batch
        self._initiator = initiator
        self._left_out = build_filter(replace(job.filters, modified_since=None))

    def find_owner(self, upload: ListedUpload) -> UploadOwner:
        """Return who started an upload: this run, if its principal did after its start, to the batch's keys.

        `THIS_RUN` also requires that one of `find_sources` exists: another job may write there, too. An
        upload from the second of the run's start may be older, so it is not taken as this run's. If entries
        share a destination, another batch may be writing the key now, so the owner is unknown. With a queue
        that is always so: any batch may have received the event.
        """
        started = self._job.run_started
        if started is None or _second(upload.initiated) <= _second(started):
            return UploadOwner.OTHERS
        is_named = self._initiator is not None and upload.initiator is not None
        if is_named and upload.initiator != self._initiator:
            return UploadOwner.OTHERS
        if isinstance(self._job.keys_from, Queue):
            return UploadOwner.UNKNOWN if self._writers(upload.key) else UploadOwner.OTHERS
        writing = self._find_writing(upload.key)
        if not writing:
            return UploadOwner.OTHERS
        return (
            UploadOwner.THIS_RUN if is_named and writing >= self._writers(upload.key) else UploadOwner.UNKNOWN
        )

    def find_sources(self, key: str) -> set[tuple[str, str | None]]:
        """Return the source keys and versions that the batch would copy to a destination key."""
        row = self._rows.get(key)
        if row is not None:
            return {(row.key, row.version_id)}
        writing = [key_range for key_range in self._batch.ranges if self._writes(key_range, key)]
        named = {
            (entry.source, entry.version_id)
            for key_range in writing
            if key_range.entry is None
            for entry in _named_objects(self._job, key_range)
            if entry.destination == key
        }
        entries = (
            self._job.prefixes[key_range.entry] for key_range in writing if key_range.entry is not None
        )
        return named | {(entry.source + key.removeprefix(entry.destination), None) for entry in entries}

    def _find_writing(self, key: str) -> set[EntryId]:
        """Return the entries with which the batch writes a destination key."""
        row = self._rows.get(key)
        if row is not None:
            return {row.entry}
        return {key_range.entry for key_range in self._batch.ranges if self._writes(key_range, key)}

    def _writes(self, key_range: KeyRange, key: str) -> bool:
        """Say whether a range of the batch writes a destination key, if the source has the object."""
        if key_range.file is not None:
            return False  # its rows say so
        if key_range.entry is None:
            return any(entry.destination == key for entry in _named_objects(self._job, key_range))
        entry = self._job.prefixes[key_range.entry]
        suffix = key.removeprefix(entry.destination)
        return (
            self._is_below(entry, key)
            and (key_range.after is None or suffix > str(key_range.after))
            and suffix <= str(key_range.through)
        )

    def _writers(self, key: str) -> set[int | None]:
        """Return the entries of the job that may write a destination key, in this batch or another."""
        found: set[int | None] = {
            index for index, entry in enumerate(self._job.prefixes) if self._is_below(entry, key)
        }
        return found | {None for entry in self._job.objects if entry.destination == key}

    def _is_below(self, entry: PrefixEntry, key: str) -> bool:
        """Say whether an entry writes a destination key, if the source has the object."""
        suffix = key.removeprefix(entry.destination)
        return (
            key.startswith(entry.destination)
            and (entry.recursive or "/" not in suffix)
            and self._left_out(entry.folder + suffix, _ANY_DATE) is None
        )


def _second(moment: datetime) -> datetime:
    """Cut to the second: S3 dates uploads in seconds or milliseconds; the run's start is a whole second."""
    return moment.replace(microsecond=0)
