"""What was counted for one entry of a job, while its objects are copied."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from s3copy_tasks.core.metrics import COUNTS, Errors, TransferMetrics
from s3copy_tasks.core.request_counts import Requests

if TYPE_CHECKING:
    from s3copy_tasks.core.objects import SkipReason

_FATES = ("files_copied_successfully", "files_failed", "files_vanished", "files_unknown")


@dataclass(slots=True)
class EntryCounts:
    """What was counted for one entry; its owner locks.

    Attributes:
        counts: by the names of `TransferMetrics`.
        skipped: objects by reason.
        by_code: errors by code.
        transient: how many of them another attempt may fix.
        unplanned: how many objects more than planned a listing has, or fewer if below 0.
        requests: that were sent for it.
    """

    counts: Counter[str] = field(default_factory=Counter)
    skipped: Counter[SkipReason] = field(default_factory=Counter)
    by_code: Counter[str] = field(default_factory=Counter)
    transient: int = 0
    unplanned: int = 0
    requests: Requests = field(default_factory=Requests)

    @property
    def found(self) -> int:
        """Objects that were counted."""
        return self.skipped.total() + sum(self.counts[fate] for fate in _FATES)

    def metrics(self) -> TransferMetrics:
        """Return the entry's part of the metrics."""
        counts: dict[str, Any] = {name: self.counts[name] for name in COUNTS if name != "total_files_found"}
        return TransferMetrics(
            total_files_found=self.found,
            files_skipped=dict(sorted(self.skipped.items())),
            errors_encountered=Errors(by_code=dict(sorted(self.by_code.items())), transient=self.transient),
            requests=self.requests,
            **counts,
        )
