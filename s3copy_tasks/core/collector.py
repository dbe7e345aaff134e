"""Counts what happens to the objects of one operation while it happens."""

from __future__ import annotations

from collections import Counter
from threading import Lock
from typing import TYPE_CHECKING

from s3copy_tasks.core.metrics import COUNTS, FAILURES_KEPT, Errors, TransferMetrics

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from s3copy_tasks.core.metrics import Failure
    from s3copy_tasks.core.objects import SkipReason


class MetricsCollector:
    """Counts what happens to the objects of one operation; safe to use from many threads.

    Args:
        operation_id: of the run.
        clock: returns the time, with its zone.
    """

    def __init__(self, operation_id: str, clock: Callable[[], datetime]) -> None:
        self._operation_id = operation_id
        self._clock = clock
        self._start = clock()
        self._lock = Lock()
        self._counts: Counter[str] = Counter()
        self._skipped: Counter[SkipReason] = Counter()
        self._by_code: Counter[str] = Counter()
        self._first: list[Failure] = []
        self._transient = 0

    def copied(self, size: int, *, earlier: bool = False, ambiguous: bool = False) -> None:
        """Count an object of `size` bytes that is at the destination now."""
        with self._lock:
            self._counts["files_copied_successfully"] += 1
            self._counts["files_copied_earlier"] += earlier
            self._counts["files_ambiguous"] += ambiguous
            self._counts["total_bytes_transferred"] += size

    def skipped(self, reason: SkipReason) -> None:
        """Count an object that needs no copy."""
        with self._lock:
            self._skipped[reason] += 1

    def vanished(self) -> None:
        """Count an object that was listed and then gone."""
        with self._lock:
            self._counts["files_vanished"] += 1

    def failed(self, failure: Failure, *, transient: bool = False) -> None:
        """Count an object that could not be copied."""
        with self._lock:
            self._counts["files_failed"] += 1
            self._note(failure, 1, transient=transient)

    def unknown(self, objects: int, failure: Failure, *, transient: bool = False) -> None:
        """Count objects that nobody can account for; `failure` says why. Zero objects leave the reason."""
        with self._lock:
            self._counts["files_unknown"] += objects
            self._note(failure, max(objects, 1), transient=transient)

    @property
    def found(self) -> int:
        """Objects accounted for up to now."""
        with self._lock:
            return self._found()

    def metrics(self) -> TransferMetrics:
        """Return what was counted up to now; the end time is now."""
        with self._lock:
            counts = {name: self._counts[name] for name in COUNTS if name != "total_files_found"}
            return TransferMetrics(
                operation_id=self._operation_id,
                start_time=self._start,
                end_time=max(self._clock(), self._start),
                total_files_found=self._found(),
                files_skipped=dict(sorted(self._skipped.items())),
                errors_encountered=Errors(
                    by_code=dict(sorted(self._by_code.items())),
                    first=tuple(sorted(self._first)[:FAILURES_KEPT]),
                    transient=self._transient,
                ),
                **counts,
            )

    def _found(self) -> int:
        fates = ("files_copied_successfully", "files_failed", "files_vanished", "files_unknown")
        return self._skipped.total() + sum(self._counts[fate] for fate in fates)

    def _note(self, failure: Failure, objects: int, *, transient: bool) -> None:
        self._by_code[failure.code] += objects
        self._transient += objects if transient else 0
        self._first.append(failure)
        if len(self._first) > 2 * FAILURES_KEPT:
            self._first = sorted(self._first)[:FAILURES_KEPT]
