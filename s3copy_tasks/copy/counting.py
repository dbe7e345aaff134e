"""Counts and logs the outcome of each object, and adds its row to the results. Nothing else does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from s3copy_tasks.copy.results import NoResults
from s3copy_tasks.core.metrics import Failure
from s3copy_tasks.core.objects import SkipReason
from s3copy_tasks.core.verify import Copied
from s3copy_tasks.errors import Code, RequestError, is_worth_a_retry
from s3copy_tasks.report import events

if TYPE_CHECKING:
    from s3copy_tasks.copy.results import Results
    from s3copy_tasks.core.collector import MetricsCollector
    from s3copy_tasks.core.decide import Found
    from s3copy_tasks.core.verify import Outcome
    from s3copy_tasks.errors import CopyError

log = structlog.get_logger(__name__)


class Outcomes:
    """Counts the outcomes of objects; safe to use from many threads.

    A copy that its reply does not prove is counted at once, and may be counted as failed later. So its row
    has to wait: until it is verified, or until `settle`.

    Args:
        metrics: counts.
        results: takes a row for each object, once its outcome is final.
    """

    def __init__(self, metrics: MetricsCollector, results: Results | None = None) -> None:
        self.metrics = metrics
        self._results = results or NoResults()
        self._unproven: dict[int, Copied] = {}

    def count(self, found: Found, outcome: Outcome) -> Copied | None:
        """Count the outcome of an object; return it if it is a copy that still has to be verified.

        Logs a failure, and an object that vanished.
        """
        if isinstance(outcome, Copied):
            return self._count_copied(outcome)
        if isinstance(outcome, SkipReason):
            self.metrics.record_skip(outcome, found.entry)
            self._results.add_skipped(found, outcome)
        elif outcome is None:
            log.info("object vanished", key=found.source_key)
            self.metrics.record_vanished(found.entry)
            self._results.add_vanished(found)
        else:
            self._count_failed(found, outcome)
        return None

    def _count_copied(self, copied: Copied) -> Copied | None:
        is_proven = copied.is_proven
        self.metrics.record_file_success(
            copied.source.size,
            earlier=copied.earlier,
            ambiguous=copied.ambiguous,
            verified=is_proven,
            entry=copied.entry,
        )
        if is_proven:
            self._results.add_copied(copied, is_verified=True)
            return None
        self._unproven[id(copied)] = copied
        return copied

    def _count_failed(self, found: Found, error: CopyError) -> None:
        events.object_failed(found.source_key, error)
        failure = Failure.of_error(error, entry=found.entry, key=found.source_key)
        self.metrics.record_file_failure(failure, transient=is_worth_a_retry(error))
        self._results.add_failed(found, error)

    def count_verified(self, copied: Copied) -> None:
        """Count a copy as verified that was counted as copied."""
        self.metrics.record_verified(copied.entry)
        self._settle(copied, is_verified=True)

    def count_checksums(self, copied: Copied, *, same: bool | None) -> None:
        """Count a copy as verified or failed after a comparison of checksums; None proves nothing."""
        if same:
            self.count_verified(copied)
        elif same is False:
            self.count_mismatch(copied, "its checksum is not that of the source")

    def count_mismatch(self, copied: Copied, wrong: str) -> None:
        """Count an object as failed that was counted as copied, with the reason."""
        log.error("copy is not what was confirmed", key=copied.key, error=wrong)
        error = RequestError(f"{copied.key!r}: {wrong}", code=Code.VERIFICATION_FAILED)
        failure = Failure.of_error(error, entry=copied.entry, key=copied.source.key)
        self.metrics.record_mismatch(
            failure, copied.source.size, earlier=copied.earlier, ambiguous=copied.ambiguous
        )
        del self._unproven[id(copied)]
        self._results.add_failed(copied, error)

    def settle(self) -> None:
        """Take the copies that are not proven by now as copied and not verified, which they stay."""
        for copied in list(self._unproven.values()):
            self._settle(copied, is_verified=False)

    def _settle(self, copied: Copied, *, is_verified: bool) -> None:
        del self._unproven[id(copied)]
        self._results.add_copied(copied, is_verified=is_verified)
