"""Counts and logs the outcome of each object. Nothing else does."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import structlog

from s3copy_tasks.core.metrics import Failure
from s3copy_tasks.core.objects import SkipReason
from s3copy_tasks.core.verify import Copied
from s3copy_tasks.errors import Code, CopyError, is_worth_a_retry
from s3copy_tasks.report import events

if TYPE_CHECKING:
    from s3copy_tasks.core.collector import MetricsCollector
    from s3copy_tasks.core.job import EntryId

log = structlog.get_logger(__name__)

Outcome: TypeAlias = Copied | SkipReason | CopyError | None
"""The outcome of an object: copied, skipped or failed; None if it is gone."""


def count_outcome(outcome: Outcome, entry: EntryId, key: str, metrics: MetricsCollector) -> None:
    """Count the outcome of an object, and log it if it is a failure or the object vanished.

    Args:
        outcome: of the object.
        entry: index of its prefix; None for the job's `objects`.
        key: of the source.
        metrics: counts it.
    """
    if isinstance(outcome, Copied):
        metrics.record_file_success(
            outcome.source.size,
            earlier=outcome.earlier,
            ambiguous=outcome.ambiguous,
            verified=outcome.is_proven,
            entry=entry,
        )
    elif isinstance(outcome, SkipReason):
        metrics.record_skip(outcome, entry)
    elif outcome is None:
        log.info("object vanished", key=key)
        metrics.record_vanished(entry)
    else:
        events.object_failed(key, outcome)
        failure = Failure.of_error(outcome, entry=entry, key=key)
        metrics.record_file_failure(failure, transient=is_worth_a_retry(outcome))


def count_proof(copied: Copied, metrics: MetricsCollector, *, same: bool | None) -> None:
    """Count a copy as verified or failed after a comparison of checksums; None proves nothing."""
    if same:
        metrics.record_verified(copied.entry)
    elif same is False:
        count_mismatch(copied, "its checksum is not that of the source", metrics)


def count_mismatch(copied: Copied, wrong: str, metrics: MetricsCollector) -> None:
    """Count an object as failed that was counted as copied, with the reason."""
    log.error("copy is not what was confirmed", key=copied.key, error=wrong)
    failure = Failure.of(
        entry=copied.entry,
        key=copied.source.key,
        code=Code.VERIFICATION_FAILED,
        message=f"{copied.key!r}: {wrong}",
        attempts=1,
    )
    metrics.record_mismatch(failure, copied.source.size, earlier=copied.earlier, ambiguous=copied.ambiguous)
