"""Counts what becomes of the extraneous objects of a batch while it happens."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from s3copy_tasks.core.deletions import DeleteCounts, DeleteMetrics, KeptReason
from s3copy_tasks.core.metrics import FAILURES_KEPT, Errors, Failure
from s3copy_tasks.core.request_counts import Requests
from s3copy_tasks.errors import is_worth_a_retry

if TYPE_CHECKING:
    from s3copy_tasks.core.deletions import DeleteBatch
    from s3copy_tasks.core.request_counts import Tally
    from s3copy_tasks.errors import CopyError


@dataclass(slots=True)
class _Part:
    """What was counted for one group."""

    counts: Counter[str] = field(default_factory=Counter)
    kept: Counter[KeptReason] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        return self.counts.total() + self.kept.total()


class DeleteCollector:
    """Counts the objects of a batch; those that were not counted yet are unknown. Used by one thread.

    Args:
        batch: of the plan.
    """

    def __init__(self, batch: DeleteBatch) -> None:
        self._batch = batch
        self._parts: defaultdict[str, _Part] = defaultdict(_Part)
        self._by_code: Counter[str] = Counter()
        self._transient = 0
        self._first: list[Failure] = []
        self._requests = Requests()

    def record_deleted(self, group: str) -> None:
        """Count an object that is deleted."""
        self._parts[group].counts["deleted"] += 1

    def record_gone(self, group: str, objects: int = 1) -> None:
        """Count objects that are no longer there."""
        self._parts[group].counts["gone"] += objects

    def record_kept(self, group: str, reason: KeptReason, objects: int = 1) -> None:
        """Count objects that are kept."""
        self._parts[group].kept[reason] += objects

    def record_failed(self, group: str, key: str, error: CopyError) -> None:
        """Count an object that S3 refused to delete."""
        self._parts[group].counts["failed"] += 1
        self.note(key, error)

    def note(self, key: str, error: CopyError, objects: int = 1) -> None:
        """Keep an error, and for how many objects it counts."""
        self._by_code[error.code] += objects
        self._transient += objects if is_worth_a_retry(error) else 0
        self._first.append(Failure.of_error(error, entry=None, key=key))
        if len(self._first) > 2 * FAILURES_KEPT:
            self._first = sorted(self._first)[:FAILURES_KEPT]

    def record_requests(self, sent: Tally) -> None:
        """Add the requests that were sent."""
        self._requests += sent.requests()

    def metrics(self) -> DeleteMetrics:
        """Return the account; what was not counted is unknown."""
        planned = self._batch.extraneous_by_group
        return DeleteMetrics(
            groups={group: self._count(self._parts[group], planned[group]) for group in sorted(planned)},
            errors=Errors(
                by_code=dict(sorted(self._by_code.items())),
                first=tuple(sorted(self._first)[:FAILURES_KEPT]),
                transient=self._transient,
            ),
            requests=self._requests,
        )

    @staticmethod
    def _count(part: _Part, planned: int) -> DeleteCounts:
        return DeleteCounts(
            deleted=part.counts["deleted"],
            gone=part.counts["gone"],
            kept=dict(sorted(part.kept.items())),
            failed=part.counts["failed"],
            unknown=max(planned - part.total, 0),
        )
