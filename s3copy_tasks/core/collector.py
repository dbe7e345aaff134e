"""Counts what happens to the objects of one operation while it happens."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from threading import Lock
from typing import TYPE_CHECKING

from s3copy_tasks.core.entry_counts import EntryCounts
from s3copy_tasks.core.job import entry_number
from s3copy_tasks.core.metrics import FAILURES_KEPT, Failure, TransferMetrics, sum_metrics
from s3copy_tasks.core.queue import MessageCounts, add_messages
from s3copy_tasks.core.request_counts import Requests
from s3copy_tasks.errors import Code

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from s3copy_tasks.core.job import EntryId
    from s3copy_tasks.core.objects import SkipReason
    from s3copy_tasks.core.request_counts import Tally
    from s3copy_tasks.interfaces import OperationMetrics


def utc_now() -> datetime:
    """Return the time, with its zone."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class SoFar:
    """How far an operation has come.

    Attributes:
        found: objects that were counted.
        copied: of these, copied.
        failed: of these, could not be copied.
        bytes: of the copied ones.
        seconds: since the start.
    """

    found: int
    copied: int
    failed: int
    bytes: int
    seconds: float


class MetricsCollector:
    """Counts what happens to the objects of one operation; safe to use from many threads.

    `start_operation` comes first; recording before it raises RuntimeError.

    Args:
        clock: returns the time, with its zone.

    Example:
        >>> collector = MetricsCollector()
        >>> collector.start_operation("manual__2026-01-31")
        >>> collector.record_file_success(1_000)
        >>> collector.record_file_failure("no answer")
        >>> metrics = collector.metrics()
        >>> (metrics.total_files_found, metrics.files_failed, metrics.total_bytes_transferred)
        (2, 1, 1000)
    """

    def __init__(self, clock: Callable[[], datetime] = utc_now) -> None:
        self._clock = clock
        self._lock = Lock()
        self._start: datetime | None = None

    def start_operation(self, operation_id: str) -> None:
        """Begin to count an operation, from zero.

        Raises:
            ValueError: the id is empty.
        """
        if not operation_id:
            msg = "an operation needs an id"
            raise ValueError(msg)
        with self._lock:
            self._operation_id = operation_id
            self._start = self._clock()
            self._parts: defaultdict[int, EntryCounts] = defaultdict(EntryCounts)
            self._found = 0
            self._first: list[Failure] = []
            self._requests = Requests()
            self._messages: MessageCounts | None = None

    def record_file_success(
        self,
        bytes_transferred: int,
        *,
        earlier: bool = False,
        ambiguous: bool = False,
        verified: bool = False,
        entry: EntryId = None,
    ) -> None:
        """Count an object that is at the destination now.

        Args:
            bytes_transferred: its size.
            earlier: an earlier attempt of the operation copied it.
            ambiguous: it was copied because nothing could prove it unchanged.
            verified: it is proven to have the same content as the source.
            entry: index of its prefix, here and below; None for the job's `objects`.

        Raises:
            ValueError: the size is below 0.
        """
        if bytes_transferred < 0:
            msg = f"an object's size is at least 0, not {bytes_transferred}"
            raise ValueError(msg)
        with self._lock:
            counts = self._part(entry_number(entry)).counts
            counts["files_copied_successfully"] += 1
            counts["total_bytes_transferred"] += bytes_transferred
            self._found += 1
            if verified:
                counts["files_verified"] += 1
            if earlier:
                counts["files_copied_earlier"] += 1
            if ambiguous:
                counts["files_ambiguous"] += 1

    def record_file_failure(self, error_message: str | Failure, *, transient: bool = False) -> None:
        """Count an object that could not be copied.

        Args:
            error_message: why; a plain text counts under the code `Unspecified`.
            transient: another attempt may fix it.
        """
        failure = error_message
        if isinstance(failure, str):
            failure = Failure.of(entry=None, key="", code=Code.UNSPECIFIED, message=failure, attempts=0)
        with self._lock:
            self._part(failure.entry).counts["files_failed"] += 1
            self._found += 1
            self._note(failure, 1, transient=transient)

    def record_verified(self, entry: EntryId = None) -> None:
        """Count an object that was already counted as copied as verified, too."""
        with self._lock:
            self._part(entry_number(entry)).counts["files_verified"] += 1

    def record_mismatch(
        self, failure: Failure, bytes_transferred: int, *, earlier: bool = False, ambiguous: bool = False
    ) -> None:
        """Count an object as failed that was counted as copied: it differs from the source.

        Args:
            failure: names the wrong object.
            bytes_transferred: as it was counted, like the next two.
            earlier: an earlier attempt of the operation copied it.
            ambiguous: it was copied because nothing could prove it unchanged.
        """
        with self._lock:
            counts = self._part(failure.entry).counts
            counts["files_copied_successfully"] -= 1
            counts["files_copied_earlier"] -= earlier
            counts["files_ambiguous"] -= ambiguous
            counts["total_bytes_transferred"] -= bytes_transferred
            counts["files_failed"] += 1
            counts["files_mismatched"] += 1
            self._note(failure, 1, transient=False)

    def record_requests(self, sent: Tally) -> None:
        """Add the requests that were sent."""
        with self._lock:
            self._started()
            self._requests += sent.requests()
            for number, share in sent.by_entry().items():
                self._parts[number].requests += share

    def record_earlier_requests(self, sent: Requests) -> None:
        """Add the requests of earlier attempts, as far as they are known; they belong to no entry."""
        with self._lock:
            self._started()
            self._requests += sent

    def record_messages(self, counts: MessageCounts) -> None:
        """Add what became of messages of the queue that names the keys."""
        with self._lock:
            self._started()
            self._messages = add_messages(self._messages, counts)

    def record_skip(self, reason: SkipReason, entry: EntryId = None) -> None:
        """Count an object that needs no copy."""
        with self._lock:
            self._part(entry_number(entry)).skipped[reason] += 1
            self._found += 1

    def record_vanished(self, entry: EntryId = None) -> None:
        """Count an object that was listed, and is gone now."""
        with self._lock:
            self._part(entry_number(entry)).counts["files_vanished"] += 1
            self._found += 1

    def record_unknown(self, objects: int, failure: Failure, *, transient: bool = False) -> None:
        """Count objects whose outcome is unknown; `failure` says why, and is kept even for zero objects."""
        with self._lock:
            self._part(failure.entry).counts["files_unknown"] += objects
            self._found += objects
            self._note(failure, max(objects, 1), transient=transient)

    @property
    def found(self) -> int:
        """Objects that were counted so far."""
        with self._lock:
            self._started()
            return self._found

    def so_far(self) -> SoFar:
        """Return how far the operation has come; cheap."""
        with self._lock:
            start = self._started()
            parts = [part.counts for part in self._parts.values()]
            return SoFar(
                found=self._found,
                copied=sum(part["files_copied_successfully"] for part in parts),
                failed=sum(part["files_failed"] for part in parts),
                bytes=sum(part["total_bytes_transferred"] for part in parts),
                seconds=max((self._clock() - start).total_seconds(), 0.0),
            )

    def metrics(self) -> TransferMetrics:
        """Return what was counted so far; the end time is now."""
        with self._lock:
            start = self._started()
            entries = {number: part.metrics() for number, part in sorted(self._parts.items())}
            whole = sum_metrics(entries.values())
            return replace(
                whole,
                operation_id=self._operation_id,
                start_time=start,
                end_time=max(self._clock(), start),
                errors_encountered=replace(
                    whole.errors_encountered, first=tuple(sorted(self._first)[:FAILURES_KEPT])
                ),
                requests=self._requests,
                messages=self._messages,
                entries=entries,
            )

    def expect(self, objects: int, entry: EntryId = None) -> None:
        """Correct how many objects were planned for an entry: a listing has more, or fewer if below 0."""
        with self._lock:
            self._part(entry_number(entry)).unplanned += objects

    def find_missing(self, planned: Mapping[EntryId, int]) -> dict[EntryId, int]:
        """Return how many objects were not counted yet, by entry; `expect` corrects what was planned."""
        with self._lock:
            counts = dict(planned)
            for number in self._parts:
                counts.setdefault(None if number < 0 else number, 0)
            parts = {entry: self._parts.get(entry_number(entry), EntryCounts()) for entry in counts}
            return {entry: max(counts[entry] + one.unplanned - one.found, 0) for entry, one in parts.items()}

    def finish_operation(self) -> OperationMetrics:
        """Return what was counted, as `TransferMetrics.as_dict` does."""
        return self.metrics().as_dict()

    def _started(self) -> datetime:
        if self._start is None:
            msg = "no operation was started: call start_operation first"
            raise RuntimeError(msg)
        return self._start

    def _part(self, number: int) -> EntryCounts:
        self._started()
        return self._parts[number]

    def _note(self, failure: Failure, objects: int, *, transient: bool) -> None:
        part = self._parts[failure.entry]
        part.by_code[failure.code] += objects
        part.transient += objects if transient else 0
        self._first.append(failure)
        if len(self._first) > 2 * FAILURES_KEPT:
            self._first = sorted(self._first)[:FAILURES_KEPT]
