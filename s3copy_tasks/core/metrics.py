"""Metrics that add up: those of batches, entries and lost batches are summed to those of the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from s3copy_tasks.core.job import entry_number
from s3copy_tasks.core.objects import SkipReason
from s3copy_tasks.core.queue import MessageCounts, add_messages
from s3copy_tasks.core.request_counts import Requests, add_counts
from s3copy_tasks.core.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from s3copy_tasks.core.job import EntryId
    from s3copy_tasks.errors import CopyError
    from s3copy_tasks.interfaces import Counts, OperationMetrics

FAILURES_KEPT = 100
"""How many failures metrics name. Every failure is counted and logged."""
_MESSAGE_CHARACTERS_MAX = 1_000


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Failure:
    """One object, or one part of a listing, that failed.

    Attributes:
        entry: index of the prefix; -1 for the job's `objects`.
        key: source key; empty if there is only a message.
        code: S3's error code, or one of `s3copy_tasks.errors`.
        message: what S3 said, and the policy statement that would help; at most 1,000 characters.
        attempts: number of requests that were sent for it.
    """

    entry: int
    key: str
    code: str
    message: str
    attempts: int

    def __str__(self) -> str:
        if not self.key:
            return printable(self.message)
        attempts = "1 attempt" if self.attempts == 1 else f"{self.attempts} attempts"
        return f"{printable(self.key)}: {printable(self.code)} after {attempts}: {printable(self.message)}"

    @classmethod
    def of_error(cls, error: CopyError, *, entry: EntryId, key: str) -> Failure:
        """Make a failure from the error that a request ended with."""
        return cls.of(entry=entry, key=key, code=error.code, message=error.message, attempts=error.attempts)

    @classmethod
    def of(cls, *, entry: EntryId, key: str, code: str, message: str, attempts: int) -> Failure:
        """Make a failure, with its message cut to the length that metrics allow."""
        short = message[:_MESSAGE_CHARACTERS_MAX]
        return cls(entry=entry_number(entry), key=key, code=str(code), message=short, attempts=attempts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """Exact counts by code, and the first failures by entry and key.

    Attributes:
        by_code: objects (and unfinished listings) by error code.
        first: at most 100, sorted.
        transient: how many of them another attempt of the task may fix.
    """

    by_code: Mapping[str, int] = field(default_factory=dict)
    first: tuple[Failure, ...] = ()
    transient: int = 0

    def __add__(self, other: Errors) -> Errors:
        return Errors(
            by_code=add_counts(self.by_code, other.by_code),
            first=tuple(sorted(self.first + other.first)[:FAILURES_KEPT]),
            transient=self.transient + other.transient,
        )

    @property
    def total(self) -> int:
        """Number of all errors, named or not."""
        return sum(self.by_code.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferMetrics:
    """Totals of a batch or a run. `a + b` is associative and commutative; `TransferMetrics()` is its zero.

    Found = copied + skipped + failed + vanished + unknown, always.

    Attributes:
        operation_id: of the run; empty in the zero, and in the part of one entry.
        start_time: None only if nothing started.
        end_time: not before start_time.
        ran: when parts of it ran, as disjoint spans of start and end; empty if from the start to the end.
        total_files_found: objects of the source that were checked.
        files_copied_successfully: copies that S3 confirmed, in this attempt or an earlier one.
        files_copied_earlier: of these, in an earlier attempt of the same run.
        files_verified: of these, proven to have the same content as the source: docs/metrics.md.
        files_ambiguous: of these, copied because nothing could prove them unchanged.
        files_skipped: objects by reason.
        files_failed: objects that could not be copied.
        files_mismatched: of these, copied, but then found to differ from the source.
        files_vanished: objects that were gone when they were to be copied.
        files_unknown: objects whose task died and reported nothing about them.
        total_bytes_transferred: bytes of the copied objects.
        errors_encountered: why objects failed or are unknown.
        requests: sent by the plan and the batches.
        messages: of the queue that names the keys; None for a job that has none.
        entries: the part of each entry by its number, -1 for the job's `objects`. A part names no failures,
            and has no latencies and no entries.

    Raises:
        ValueError: a count is negative, the counts do not add up, or the times are reversed.

    Example:
        >>> one_batch = TransferMetrics(total_files_found=2, files_copied_successfully=2)
        >>> another = TransferMetrics(total_files_found=1, files_vanished=1)
        >>> (one_batch + another).total_files_found
        3
    """

    operation_id: str = ""
    start_time: datetime | None = None
    end_time: datetime | None = None
    ran: tuple[tuple[datetime, datetime], ...] = ()
    total_files_found: int = 0
    files_copied_successfully: int = 0
    files_copied_earlier: int = 0
    files_verified: int = 0
    files_ambiguous: int = 0
    files_skipped: Mapping[SkipReason, int] = field(default_factory=dict)
    files_failed: int = 0
    files_mismatched: int = 0
    files_vanished: int = 0
    files_unknown: int = 0
    total_bytes_transferred: int = 0
    errors_encountered: Errors = field(default_factory=Errors)
    requests: Requests = field(default_factory=Requests)
    messages: MessageCounts | None = None
    entries: Mapping[int, TransferMetrics] = field(default_factory=dict)

    def __post_init__(self) -> None:
        counts = {name: getattr(self, name) for name in COUNTS}
        negative = [name for name, count in counts.items() if count < 0]
        if negative or any(count < 0 for count in self.files_skipped.values()):
            msg = f"a count is below 0: {', '.join(negative) or 'files_skipped'}"
            raise ValueError(msg)
        copied = self.files_copied_successfully
        parts = max(self.files_copied_earlier, self.files_verified, self.files_ambiguous)
        if parts > copied or self.files_mismatched > self.files_failed:
            msg = f"{parts} of {copied} copied objects, {self.files_mismatched} of {self.files_failed} failed"
            raise ValueError(msg)
        if self.start_time and self.end_time and self.end_time < self.start_time:
            msg = f"ended {self.end_time.isoformat()}, before its start {self.start_time.isoformat()}"
            raise ValueError(msg)
        counted = (
            self.files_copied_successfully
            + sum(self.files_skipped.values())
            + self.files_failed
            + self.files_vanished
            + self.files_unknown
        )
        if counted != self.total_files_found:
            msg = f"found {self.total_files_found} objects, but counted {counted}"
            raise ValueError(msg)

    def __add__(self, other: TransferMetrics) -> TransferMetrics:
        """Add two parts of one operation.

        Raises:
            ValueError: the parts belong to different operations.
        """
        ids = {self.operation_id, other.operation_id} - {""}
        if len(ids) > 1:
            msg = f"metrics of different operations do not add up: {', '.join(sorted(ids))}"
            raise ValueError(msg)
        counts: dict[str, int] = {name: getattr(self, name) + getattr(other, name) for name in COUNTS}
        return TransferMetrics(
            operation_id="".join(ids),
            start_time=min(filter(None, (self.start_time, other.start_time)), default=None),
            end_time=max(filter(None, (self.end_time, other.end_time)), default=None),
            ran=_join_spans((*self._spans, *other._spans)),
            files_skipped=add_counts(self.files_skipped, other.files_skipped),
            errors_encountered=self.errors_encountered + other.errors_encountered,
            requests=self.requests + other.requests,
            messages=add_messages(self.messages, other.messages),
            entries=_merge(self.entries, other.entries),
            **counts,
        )

    @property
    def duration_seconds(self) -> float:
        """Seconds in which any part ran; 0.0 if nothing has both a start and an end."""
        return sum(((end - start).total_seconds() for start, end in self._spans), start=0.0)

    @property
    def _spans(self) -> tuple[tuple[datetime, datetime], ...]:
        if self.ran or self.start_time is None or self.end_time is None:
            return self.ran
        return ((self.start_time, self.end_time),)

    @property
    def is_complete(self) -> bool:
        """Whether the outcome of every object is known: no listing was given up, and no batch was lost."""
        return self.files_unknown == 0 and self.errors_encountered.total == self.files_failed

    def counts(self) -> Counts:
        """Return the values that entries, batches and runs have in common, as plain JSON types."""
        copied, seconds = self.files_copied_successfully, self.duration_seconds
        return {
            "total_files_found": self.total_files_found,
            "files_copied_successfully": copied,
            "files_verified": self.files_verified,
            "files_skipped": {str(reason): count for reason, count in self.files_skipped.items()},
            "files_failed": self.files_failed,
            "files_vanished": self.files_vanished,
            "files_unknown": self.files_unknown,
            "total_bytes_transferred": self.total_bytes_transferred,
            "objects_per_second": round(copied / seconds, 3) if seconds else 0.0,
            "bytes_per_second": round(self.total_bytes_transferred / seconds, 3) if seconds else 0.0,
            "requests_by_kind": dict(self.requests.by_kind),
            "requests_retried": self.requests.retried,
            "requests_throttled": self.requests.throttled,
            "errors_by_code": dict(self.errors_encountered.by_code),
        }

    def as_dict(self) -> OperationMetrics:
        """Return the promised metrics, as plain JSON types.

        The keys and their meaning are a contract: `docs/metrics.md`. Keys may be added, but never removed.
        """
        return {
            "operation_id": self.operation_id,
            "start_time": self.start_time.isoformat() if self.start_time else None,
            "end_time": self.end_time.isoformat() if self.end_time else None,
            "duration_seconds": self.duration_seconds,
            **self.counts(),
            "files_copied_earlier": self.files_copied_earlier,
            "files_unverified": self.files_copied_successfully - self.files_verified,
            "files_ambiguous": self.files_ambiguous,
            "files_mismatched": self.files_mismatched,
            "requests": self.requests.sent,
            "requests_at_least": self.requests.at_least,
            "peak_in_flight": self.requests.peak_in_flight,
            "latency_seconds": self.requests.latency_seconds,
            "limited_by": self.requests.limited_by,
            "cost_usd": round(self.requests.cost_usd, 6),
            "errors": [str(failure) for failure in self.errors_encountered.first],
        }


COUNTS = (
    "total_files_found",
    "files_copied_successfully",
    "files_copied_earlier",
    "files_verified",
    "files_ambiguous",
    "files_failed",
    "files_mismatched",
    "files_vanished",
    "files_unknown",
    "total_bytes_transferred",
)


def sum_metrics(parts: Iterable[TransferMetrics]) -> TransferMetrics:
    """Return the sum of any number of parts; the zero if there are none."""
    return sum(parts, start=TransferMetrics())


def _join_spans(spans: Iterable[tuple[datetime, datetime]]) -> tuple[tuple[datetime, datetime], ...]:
    """Return the union of spans as disjoint spans, sorted; empty if it is a single one."""
    joined: list[tuple[datetime, datetime]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return tuple(joined) if len(joined) > 1 else ()


def _merge(
    left: Mapping[int, TransferMetrics], right: Mapping[int, TransferMetrics]
) -> dict[int, TransferMetrics]:
    """Add up parts by entry."""
    both = {number: left[number] + right[number] for number in left.keys() & right.keys()}
    return dict(sorted((dict(left) | dict(right) | both).items()))
