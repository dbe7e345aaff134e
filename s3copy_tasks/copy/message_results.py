"""Settles the messages of a queue by what became of their objects."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s3copy_tasks.core.objects import SkipReason

if TYPE_CHECKING:
    from s3copy_tasks.copy.results import Results
    from s3copy_tasks.core.collector import MetricsCollector
    from s3copy_tasks.core.decide import Found
    from s3copy_tasks.core.held_messages import HeldMessages
    from s3copy_tasks.core.result_rows import Settled
    from s3copy_tasks.core.verify import Copied
    from s3copy_tasks.errors import CopyError

_NOT_AWAITED = frozenset({SkipReason.OUT_OF_SCOPE, SkipReason.REMOVAL_EVENT})
"""No message waits for these, and the same object may be in progress for another event."""


class MessageResults:
    """Adds each outcome to the results of a batch, and then lets go of the messages that waited for it.

    Args:
        results: of the batch.
        held: the messages.
    """

    def __init__(self, results: Results, held: HeldMessages) -> None:
        self._results = results
        self._held = held

    def add_copied(self, copied: Copied, *, is_verified: bool) -> None:
        """Add an object that is at the destination."""
        self._results.add_copied(copied, is_verified=is_verified)
        self._held.settle(copied.source_key)

    def add_skipped(self, found: Found, reason: SkipReason) -> None:
        """Add an object that needs no copy."""
        self._results.add_skipped(found, reason)
        if reason not in _NOT_AWAITED:
            self._held.settle(found.source_key)

    def add_failed(self, failed: Settled, error: CopyError) -> None:
        """Add an object that could not be copied, or whose copy differs from it."""
        self._results.add_failed(failed, error)
        self._held.settle(failed.source_key, failed=True)

    def add_vanished(self, found: Found) -> None:
        """Add an object that is gone."""
        self._results.add_vanished(found)
        self._held.settle(found.source_key)

    def write(self, metrics: MetricsCollector) -> None:
        """Write the results."""
        self._results.write(metrics)
