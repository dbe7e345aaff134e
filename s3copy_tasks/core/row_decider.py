"""Which entry of a job the row of a list belongs to, and what to do with its object."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from s3copy_tasks.core.decide import Decided, Decider, Named, build_filter
from s3copy_tasks.core.job import Overwrite
from s3copy_tasks.core.objects import UNKNOWN_ETAG, ForeignObject, S3Object, SkipReason

if TYPE_CHECKING:
    from s3copy_tasks.core.decide import Found
    from s3copy_tasks.core.job import EffectiveJob, EntryId
    from s3copy_tasks.core.rows import Row

_NOWHERE = ""
"""Key of the copy of what is out of scope."""
_NO_DATE = datetime.fromtimestamp(0, UTC)
"""Date of an object whose list has none: older than any copy, and never compared otherwise."""


class RowDecider:
    """Decides for the rows of a list, as far as they say enough.

    Args:
        job: the run.
        retried: an earlier attempt of the same batch may have copied something.
    """

    def __init__(self, job: EffectiveJob, *, retried: bool = False) -> None:
        self._job = job
        self._decider = Decider(job)
        self._by_length = _group_by_length(job)
        self._named = {(one.source, one.version_id, one.destination) for one in job.objects}
        filters = replace(job.filters, modified_since=None)
        self._is_filtered = bool(filters.include or filters.exclude)
        self._left_out = build_filter(filters)
        self._checks_destination = retried or job.overwrite is not Overwrite.ALWAYS
        compares = retried or job.overwrite is Overwrite.CHANGED
        self._needs_date = compares or job.filters.modified_since is not None
        self._needs_class = job.options.storage_class == "preserve"

    def decide(self, row: Row, file: int) -> Found:
        """Return what to do with a row's object.

        Args:
            row: of the list.
            file: its index in the list.
        """
        if row.destination is not None and (row.key, row.version_id, row.destination) in self._named:
            return self._name(row, file, None, None, row.destination)
        mapped = self._find_entry(row)
        if mapped is None:
            return self._decide(row, file, None, _NOWHERE, SkipReason.OUT_OF_SCOPE)
        entry, suffix, key = mapped
        reason = self._left_out(suffix, _NO_DATE) if self._is_filtered else None
        if reason is None and not key:
            reason = SkipReason.FOLDER_MARKER
        if reason is not None:
            return self._decide(row, file, entry, key, reason)
        return self._name(row, file, entry, suffix, key)

    def skip(
        self, row: Row, file: int, reason: SkipReason, entry: EntryId = None, key: str = _NOWHERE
    ) -> Decided:
        """Return a row's object as one that needs no copy, whatever it is.

        Args:
            row: names the object.
            file: its index in the list.
            reason: why.
            entry: that the object belongs to, as `decide` says, like the next one.
            key: of the destination.
        """
        return self._decide(row, file, entry, key, reason)

    def _find_entry(self, row: Row) -> tuple[int, str, str] | None:
        """Return the entry of a row, its key below that prefix, and the key of the copy: the longest wins."""
        key = row.key
        for length, entries in self._by_length:
            for index in entries.get(key[:length], ()):
                entry, suffix = self._job.prefixes[index], key[length:]
                if not entry.recursive and "/" in suffix:
                    continue
                if row.destination is None or row.destination == entry.destination + suffix:
                    return index, suffix, entry.destination + suffix
        return None

    def _name(self, row: Row, file: int, entry: EntryId, suffix: str | None, key: str) -> Found:
        listed = _describe(row, self._job.source.bucket) if self._says_enough(row) else None
        if listed is not None and not self._checks_destination:
            judged = suffix if self._needs_date else None  # else its filters have passed already
            decision = self._decider.decide_listed(listed, None, judged, key)
            return Decided(
                entry=entry, position=row.position, source=listed, key=key, decision=decision, file=file
            )
        return Named(
            entry=entry,
            position=row.position,
            source_key=row.key,
            version_id=row.version_id,
            suffix=suffix,
            key=key,
            listed=listed,
            checks_destination=self._checks_destination,
            file=file,
        )

    def _decide(self, row: Row, file: int, entry: EntryId, key: str, reason: SkipReason) -> Decided:
        source = _describe(row, self._job.source.bucket)
        return Decided(entry=entry, position=row.position, source=source, key=key, decision=reason, file=file)

    def _says_enough(self, row: Row) -> bool:
        return (
            bool(row.etag)
            and row.size is not None
            and (row.last_modified is not None or not self._needs_date)
            and (row.storage_class is not None or not self._needs_class)
        )


def _group_by_length(job: EffectiveJob) -> list[tuple[int, dict[str, list[int]]]]:
    """Return the prefixes by their length, the longest first."""
    found: dict[int, dict[str, list[int]]] = {}
    for index, entry in enumerate(job.prefixes):
        found.setdefault(len(entry.source), {}).setdefault(entry.source, []).append(index)
    return sorted(found.items(), reverse=True)


def _describe(row: Row, bucket: str, kind: type[S3Object] = S3Object) -> S3Object:
    """Return a row's object, as far as the list describes it."""
    try:
        return kind(
            bucket=bucket,
            key=row.key,
            size=row.size or 0,
            last_modified=row.last_modified or _NO_DATE,
            etag=row.etag or UNKNOWN_ETAG,
            storage_class=row.storage_class or "",
            version_id=row.version_id,
        )
    except ValueError:
        if kind is ForeignObject:
            raise
        return _describe(row, bucket, ForeignObject)  # its ETag has another form than S3's
