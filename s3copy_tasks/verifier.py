"""Finds in listings what S3 has confirmed: right key, right size, right ETag (rule 13)."""

from __future__ import annotations

from contextlib import closing
from itertools import starmap
from typing import TYPE_CHECKING

import structlog

from s3copy_tasks.ahead import begun_ahead
from s3copy_tasks.core.arrival import same_content
from s3copy_tasks.core.metrics import Failure
from s3copy_tasks.errors import VERIFICATION_FAILED, CopyError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from s3copy_tasks.core.arrival import Arrival
    from s3copy_tasks.core.batch import Batch
    from s3copy_tasks.core.collector import MetricsCollector
    from s3copy_tasks.core.objects import S3Object
    from s3copy_tasks.listing import Listing

log = structlog.get_logger(__name__)


def verify(batch: Batch, arrivals: Sequence[Arrival], listing: Listing, metrics: MetricsCollector) -> None:
    """List a batch's destination ranges once more, and compare what its copies were confirmed with.

    What is something else counts as failed. What can't be listed stays unverified.

    Args:
        batch: whose copies these are.
        arrivals: that no reply has proven.
        listing: of the job.
        metrics: counts.
    """
    waiting: dict[int | None, dict[str, Arrival]] = {}
    for arrival in arrivals:
        waiting.setdefault(arrival.entry, {})[arrival.key] = arrival
    below = [(one.entry, one) for one in batch.ranges if one.entry is not None and one.entry in waiting]
    with closing(begun_ahead(starmap(listing.copies, below))) as listed:
        for (entry, _), copies in zip(below, listed, strict=True):
            _find(copies, waiting[entry], metrics)
    if None in waiting:
        _find(listing.copies_at(waiting[None]), waiting[None], metrics)
    for expected in waiting.values():
        for arrival in expected.values():
            _compare(arrival, None, metrics)


def _find(copies: Iterable[S3Object], expected: dict[str, Arrival], metrics: MetricsCollector) -> None:
    """Compare what is expected with a listing, and strike it out; all of it where the listing fails."""
    try:
        for one in copies:
            if one.key in expected:
                _compare(expected.pop(one.key), one, metrics)
            if not expected:
                return
    except CopyError as error:
        log.warning("not verified", code=error.code, error=error.message)
        expected.clear()


def _compare(arrival: Arrival, found: S3Object | None, metrics: MetricsCollector) -> None:
    wrong = arrival.mismatch(found)
    if wrong is not None:
        count_mismatch(arrival, wrong, metrics)
    elif found is not None and (arrival.etag is not None or same_content(arrival.source, found.etag)):
        metrics.record_verified()


def count_mismatch(arrival: Arrival, wrong: str, metrics: MetricsCollector) -> None:
    """Take a copy that was counted for failed, and name the wrong object."""
    log.error("copy is not what was confirmed", key=arrival.key, error=wrong)
    failure = Failure.of(
        entry=arrival.entry,
        key=arrival.source.key,
        code=VERIFICATION_FAILED,
        message=f"{arrival.key!r}: {wrong}",
        attempts=1,
    )
    metrics.record_mismatch(
        failure, arrival.source.size, earlier=arrival.earlier, ambiguous=arrival.ambiguous
    )
