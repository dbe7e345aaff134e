"""Filters and the mapping of keys: which objects take part, and where they go."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import translate
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from s3copy_tasks.core.job import KEY_BYTES_MAX, EntryId, Overwrite, key_bytes
from s3copy_tasks.core.objects import Action, SkipReason
from s3copy_tasks.core.verify import has_same_content

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from datetime import datetime

    from s3copy_tasks.core.job import EffectiveJob, Filters
    from s3copy_tasks.core.objects import Decision, S3Object
    from s3copy_tasks.errors import CopyError

_READING = frozenset({Action.COPY, Action.COMPARE})
MULTIPART_STRADDLE_DAYS = 7
"""How long a multipart upload may plausibly stay open: rule 12 of docs/design/unchanged.md."""


@dataclass(slots=True, kw_only=True)
class Decided:
    """An object, and what to do with it. Never changed after it is made: see `S3Object`.

    Attributes:
        entry: index of its prefix; None for the job's `objects`.
        position: its key below the prefix, or its index among the single objects.
        source: as it was listed.
        key: of the destination.
        decision: what to do.
        replaces: the object that the destination has now.
        file: index of the list's file that names it; None if it was listed.
        heads: HEAD requests that it took to decide.
    """

    entry: EntryId
    position: str | int
    source: S3Object
    key: str
    decision: Decision
    replaces: S3Object | None = None
    file: int | None = None
    heads: int = 0

    @property
    def source_key(self) -> str:
        """Whole key of the source."""
        return self.source.key

    @property
    def version_id(self) -> str | None:
        """Version to copy; None means the current one."""
        return self.source.version_id


@dataclass(slots=True, kw_only=True)
class Named:
    """An object that a list names, and that has to be checked first. Never changed: see `S3Object`.

    Attributes:
        entry: index of its prefix; None for one of the job's `objects`.
        position: of its row: see `KeyRange`.
        source_key: whole key.
        version_id: to copy; None means the current one.
        suffix: the key below the prefix, which filters apply to; None for one of the job's `objects`.
        key: of the destination.
        listed: the object as the list describes it; None if that is not enough to copy it.
        checks_destination: whether the destination decides, too.
        file: index of the list's file.
    """

    entry: EntryId
    position: int
    source_key: str
    version_id: str | None
    suffix: str | None
    key: str
    listed: S3Object | None
    checks_destination: bool
    file: int

    @property
    def source(self) -> S3Object | None:
        """The object, if the list describes it."""
        return self.listed

    @property
    def replaces(self) -> None:
        """Nothing is known of the destination."""

    @property
    def decision(self) -> Decision:
        """What is known before any HEAD."""
        return Action.CHECK if self.checks_destination else Action.COPY

    @property
    def heads(self) -> int:
        """Number of HEAD requests that it takes to decide."""
        return int(self.listed is None) + int(self.checks_destination)


class Unseen(NamedTuple):
    """A single object that was gone, or whose HEAD failed.

    Attributes:
        position: its index among the single objects.
        source_key: whole key.
        key: of the destination.
        error: None if the object is gone.
        version_id: that was named.
    """

    position: int
    source_key: str
    key: str
    error: CopyError | None
    version_id: str | None = None
    decision: Decision = Action.UNSEEN
    heads: int = 2
    entry: EntryId = None
    file: int | None = None
    source: None = None
    replaces: None = None


Found: TypeAlias = Decided | Named | Unseen
"""What a source of keys finds."""


def compile_globs(patterns: Iterable[str]) -> re.Pattern[str]:
    """Return one pattern that matches what any of the globs matches; without globs, it matches nothing."""
    parts = [translate(pattern) for pattern in patterns]
    return re.compile("|".join(parts) if parts else r"(?!)")


def build_filter(filters: Filters) -> Callable[[str, datetime], SkipReason | None]:
    """Return a function of (key below the prefix, last modified) that says why an object is left out."""
    include, exclude = compile_globs(filters.include or ("*",)), compile_globs(filters.exclude)
    everything = not filters.include and not filters.exclude
    since = filters.modified_since

    def reason(suffix: str, last_modified: datetime) -> SkipReason | None:
        if not everything:
            if exclude.match(suffix):
                return SkipReason.EXCLUDED
            if not include.match(suffix):
                return SkipReason.NOT_INCLUDED
        if since is not None and last_modified < since:
            return SkipReason.NOT_MODIFIED_SINCE
        return None

    return reason


def is_copied_earlier(source: S3Object, destination: S3Object | None, run_started: datetime | None) -> bool:
    """Say whether this run wrote the destination's object before.

    It did if the object has the right size, is dated after the run's start (or in the same second, with the
    source's ETag), and is not older than the source. A source that was written again since its copy, with the
    same size, has to be copied again.
    """
    return (
        destination is not None
        and run_started is not None
        and destination.size == source.size
        and _second(destination.last_modified) >= _second(run_started)
        and not _older(destination, source)
        and (
            has_same_content(source, destination.etag)
            or (_newer(destination, source) and _second(destination.last_modified) > _second(run_started))
        )
    )


def decide_if_changed(source: S3Object, destination: S3Object) -> Decision:
    """Decide from two listings whether an object changed: docs/design/unchanged.md has the truth table."""
    if source.size != destination.size:
        return Action.COPY
    if source.version_id is not None:  # it may be older than what the destination holds
        return SkipReason.UNCHANGED if has_same_content(source, destination.etag) else Action.COMPARE
    if has_same_content(source, destination.etag):
        return SkipReason.UNCHANGED if not _older(destination, source) else Action.COPY
    if not _newer(destination, source):
        return Action.COPY
    age_days = (destination.last_modified - source.last_modified).total_seconds() / 86_400
    if source.is_multipart and age_days <= MULTIPART_STRADDLE_DAYS:
        return Action.COMPARE
    return SkipReason.UNCHANGED


class Decider:
    """Decides for every object of a job, from the two listings alone.

    Args:
        job: the run.
        retried: whether an earlier attempt of the same batch may have copied something.
    """

    def __init__(self, job: EffectiveJob, *, retried: bool = False) -> None:
        self._left_out = build_filter(job.filters)
        self._overwrite = job.overwrite
        self._archived = SkipReason.ARCHIVED if job.options.archived == "skip" else Action.ARCHIVED
        self._run_started = job.run_started if retried else None

    def decide_listed(
        self, source: S3Object, destination: S3Object | None, suffix: str | None, destination_key: str
    ) -> Decision:
        """Decide for an object below a prefix; without a suffix, for one that the job names."""
        if suffix is None:
            return self.decide_named(source, destination, destination_key)
        reason = self._left_out(suffix, source.last_modified)
        if not destination_key:
            return reason or SkipReason.FOLDER_MARKER
        return reason or self.decide_named(source, destination, destination_key)

    def decide_named(self, source: S3Object, destination: S3Object | None, destination_key: str) -> Decision:
        """Decide for an object that the job names; filters do not apply to it."""
        if len(destination_key) * 4 > KEY_BYTES_MAX and key_bytes(destination_key) > KEY_BYTES_MAX:
            return Action.KEY_TOO_LONG
        decision = self._decide_by_destination(source, destination)
        return self._archived if source.is_archived and decision in _READING else decision

    def _decide_by_destination(self, source: S3Object, destination: S3Object | None) -> Decision:
        if destination is None:
            return Action.COPY
        if is_copied_earlier(source, destination, self._run_started):
            return Action.COPIED_EARLIER
        if self._overwrite is Overwrite.NEVER:
            return SkipReason.EXISTS
        if self._overwrite is Overwrite.ALWAYS:
            return Action.COPY
        return decide_if_changed(source, destination)


def _second(moment: datetime) -> datetime:
    """Cut to the second: S3 dates objects in seconds; some servers add a fraction in some replies."""
    return moment.replace(microsecond=0) if moment.microsecond else moment


def _newer(destination: S3Object, source: S3Object) -> bool:
    return _second(destination.last_modified) > _second(source.last_modified)


def _older(destination: S3Object, source: S3Object) -> bool:
    return _second(destination.last_modified) < _second(source.last_modified)
