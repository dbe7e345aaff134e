"""Counts what happens to the objects of one operation while it happens."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from threading import Lock
from typing import TYPE_CHECKING

from s3copy_tasks.core.metrics import COUNTS, FAILURES_KEPT, Errors, Failure, Requests, TransferMetrics
from s3copy_tasks.errors import UNSPECIFIED

if TYPE_CHECKING:
    from collections.abc import Callable

    from s3copy_tasks.core.objects import SkipReason
    from s3copy_tasks.interfaces import OperationMetrics


def utc_now() -> datetime:
    """Return the time, with its zone."""
    return datetime.now(UTC)


class MetricsCollector:
    """Counts what happens to the objects of one operation; safe to use from many threads.

    `start_operation` comes first; recording before it raises RuntimeError.

    Args:
        clock: returns the time, with its zone.
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
            self._counts: Counter[str] = Counter()
            self._skipped: Counter[SkipReason] = Counter()
            self._by_code: Counter[str] = Counter()
            self._first: list[Failure] = []
            self._requests = Requests()
            self._transient = 0

    def record_file_success(
        self,
        bytes_transferred: int,
        *,
        earlier: bool = False,
        ambiguous: bool = False,
        verified: bool = False,
    ) -> None:
        """Count an object that is at the destination now.

        Args:
            bytes_transferred: its size.
            earlier: an earlier try of the operation copied it.
            ambiguous: it was copied because nothing could prove it unchanged.
            verified: it is proven to be what the source has.

        Raises:
            ValueError: the size is below 0.
        """
        if bytes_transferred < 0:
            msg = f"an object's size is at least 0, not {bytes_transferred}"
            raise ValueError(msg)
        with self._lock:
            self._started()
            self._counts["files_copied_successfully"] += 1
            self._counts["files_copied_earlier"] += earlier
            self._counts["files_ambiguous"] += ambiguous
            self._counts["files_verified"] += verified
            self._counts["total_bytes_transferred"] += bytes_transferred

    def record_file_failure(self, error_message: str | Failure, *, transient: bool = False) -> None:
        """Count an object that could not be copied.

        Args:
            error_message: why; words alone count under the code `Unspecified`.
            transient: another try may well mend it.
        """
        failure = error_message
        if isinstance(failure, str):
            failure = Failure.of(entry=None, key="", code=UNSPECIFIED, message=failure, attempts=0)
        with self._lock:
            self._started()
            self._counts["files_failed"] += 1
            self._note(failure, 1, transient=transient)

    def record_verified(self) -> None:
        """Count an object that was copied as proven, too."""
        with self._lock:
            self._started()
            self._counts["files_verified"] += 1

    def record_mismatch(
        self, failure: Failure, bytes_transferred: int, *, earlier: bool = False, ambiguous: bool = False
    ) -> None:
        """Take an object that was counted as copied for failed: it is not what the source has.

        Args:
            failure: names the wrong object.
            bytes_transferred: with which it was counted.
            earlier: as it was counted.
            ambiguous: as it was counted.
        """
        with self._lock:
            self._started()
            self._counts["files_copied_successfully"] -= 1
            self._counts["files_copied_earlier"] -= earlier
            self._counts["files_ambiguous"] -= ambiguous
            self._counts["total_bytes_transferred"] -= bytes_transferred
            self._counts["files_failed"] += 1
            self._counts["files_mismatched"] += 1
            self._note(failure, 1, transient=False)

    def record_requests(self, requests: Requests) -> None:
        """Add what was asked of S3."""
        with self._lock:
            self._started()
            self._requests += requests

    def record_skip(self, reason: SkipReason) -> None:
        """Count an object that needs no copy."""
        with self._lock:
            self._started()
            self._skipped[reason] += 1

    def record_vanished(self) -> None:
        """Count an object that was listed and then gone."""
        with self._lock:
            self._started()
            self._counts["files_vanished"] += 1

    def record_unknown(self, objects: int, failure: Failure, *, transient: bool = False) -> None:
        """Count objects that nobody can account for; `failure` says why. Zero objects leave the reason."""
        with self._lock:
            self._started()
            self._counts["files_unknown"] += objects
            self._note(failure, max(objects, 1), transient=transient)

    @property
    def found(self) -> int:
        """Objects accounted for up to now."""
        with self._lock:
            self._started()
            return self._found()

    def metrics(self) -> TransferMetrics:
        """Return what was counted up to now; the end time is now."""
        with self._lock:
            start = self._started()
            counts = {name: self._counts[name] for name in COUNTS if name != "total_files_found"}
            return TransferMetrics(
                operation_id=self._operation_id,
                start_time=start,
                end_time=max(self._clock(), start),
                total_files_found=self._found(),
                files_skipped=dict(sorted(self._skipped.items())),
                errors_encountered=Errors(
                    by_code=dict(sorted(self._by_code.items())),
                    first=tuple(sorted(self._first)[:FAILURES_KEPT]),
                    transient=self._transient,
                ),
                requests=self._requests,
                **counts,
            )

    def finish_operation(self) -> OperationMetrics:
        """Return what was counted, as `TransferMetrics.as_dict` does."""
        return self.metrics().as_dict()

    def _started(self) -> datetime:
        if self._start is None:
            msg = "no operation to count for: call start_operation first"
            raise RuntimeError(msg)
        return self._start

    def _found(self) -> int:
        fates = ("files_copied_successfully", "files_failed", "files_vanished", "files_unknown")
        return self._skipped.total() + sum(self._counts[fate] for fate in fates)

    def _note(self, failure: Failure, objects: int, *, transient: bool) -> None:
        self._by_code[failure.code] += objects
        self._transient += objects if transient else 0
        self._first.append(failure)
        if len(self._first) > 2 * FAILURES_KEPT:
            self._first = sorted(self._first)[:FAILURES_KEPT]
