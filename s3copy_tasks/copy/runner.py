"""Copies a batch: connects the decisions of `core` with the stores."""

from __future__ import annotations

from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import structlog

from s3copy_tasks.copy.batch_work import BatchWork
from s3copy_tasks.copy.copier import Copier
from s3copy_tasks.copy.counting import Outcomes
from s3copy_tasks.copy.keeper import Keeper
from s3copy_tasks.copy.message_results import MessageResults
from s3copy_tasks.copy.results import open_results
from s3copy_tasks.copy.transfer import Transfer
from s3copy_tasks.copy.uploads import Attempt
from s3copy_tasks.copy.verifier import Verifier
from s3copy_tasks.core.decide import Unseen
from s3copy_tasks.core.held_messages import HELD_MAX, HeldMessages
from s3copy_tasks.core.metrics import Failure
from s3copy_tasks.core.multipart import LIMITS
from s3copy_tasks.core.request_counts import Requests
from s3copy_tasks.engine.garbage import collect_garbage_rarely
from s3copy_tasks.engine.paced_store import pace_stores
from s3copy_tasks.engine.sender import Sender
from s3copy_tasks.errors import CopyError, is_worth_a_retry
from s3copy_tasks.plan.key_source import open_key_source
from s3copy_tasks.plan.listing import Listing, begin_ahead
from s3copy_tasks.plan.queue_keys import QueueKeys
from s3copy_tasks.report import events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from s3copy_tasks.core.batch import Batch, KeyRange
    from s3copy_tasks.core.collector import MetricsCollector
    from s3copy_tasks.core.decide import Found
    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.metrics import TransferMetrics
    from s3copy_tasks.core.multipart import Limits
    from s3copy_tasks.core.store import Stores
    from s3copy_tasks.engine.paced_store import PacedStores
    from s3copy_tasks.plan.kept import KeptDecisions
    from s3copy_tasks.plan.key_source import FoundRange, KeySource

log = structlog.get_logger(__name__)


@contextmanager
def count_batch(
    job: EffectiveJob,
    batch: Batch,
    metrics: MetricsCollector,
    on_end: Callable[[TransferMetrics], None] = lambda _: None,
) -> Iterator[None]:
    """Log the start and the end of a batch, and count the objects that it did not reach, whatever ends it.

    Args:
        job: the run.
        batch: of its plan.
        metrics: counts the batch from now on.
        on_end: called with the batch's metrics at the end, also after an error.
    """
    metrics.start_operation(job.run_id)
    events.batch_started(job, batch)
    try:
        yield
    except BaseException as error:
        _count_rest_as_unknown(batch, error, metrics)
        raise
    finally:
        ended = metrics.metrics()
        on_end(ended)
        events.batch_finished(job, batch, ended)


def _count_rest_as_unknown(batch: Batch, error: BaseException, metrics: MetricsCollector) -> None:
    """Count the objects that a batch did not reach, by entry; keep the error even if there are none."""
    for number, (entry, rest) in enumerate(metrics.find_missing(batch.found_by_entry).items()):
        if rest or number == 0:
            key, code = f"(batch {batch.id})", type(error).__name__
            cause = Failure.of(entry=entry, key=key, code=code, message=str(error), attempts=0)
            metrics.record_unknown(rest, cause, transient=True)


@collect_garbage_rarely()
def copy_batch(
    job: EffectiveJob,
    batch: Batch,
    stores: Stores,
    *,
    metrics: MetricsCollector,
    attempt: Attempt | None = None,
    limits: Limits | None = None,
    on_counted: Callable[[int], None] | None = None,
    sender: Sender | None = None,
) -> None:
    """Find the keys of the batch's ranges again, decide again, copy, and count every object inside.

    Ranges whose decisions the attempt's own plan has kept are not read again. A failed object never stops
    the others; a listing or a list that fails leaves the rest of its range unknown.

    Args:
        job: the run.
        batch: of this run's plan.
        stores: both sides.
        metrics: counts; if this raises, `count_batch` counts the rest.
        attempt: which attempt of this batch it is; None means the first and only one.
        limits: None means the usual ones.
        on_counted: called after each object with the number of objects counted so far.
        sender: the budget of requests, stopped when the batch is aborted; None makes one of the job's.

    Raises:
        ConfigError: the batch belongs to another plan.
    """
    batch.check_belongs(job)
    sender = sender or Sender(job.transfer.in_flight)
    attempt = attempt or Attempt()
    metrics.record_earlier_requests(attempt.requests or Requests(at_least=attempt.retried))
    sides = pace_stores(stores, sender, source_behind_seconds=job.source_behind_seconds)
    held = None if sides.queue is None else HeldMessages(sender.clock)
    retried = attempt.retried and held is None  # an earlier attempt had other messages
    copier = Copier(job, sides, Transfer(job, sides, attempt.uploads, limits), retried=retried)
    listing = Listing(job, sides, retried=retried)
    results = open_results(job, batch, sides, retried=attempt.retried)
    outcomes = Outcomes(metrics, results if held is None else MessageResults(results, held))
    verifier = Verifier(listing, outcomes, _limit_unproven(limits or LIMITS, held))
    work = BatchWork(job, copier, outcomes, verifier, sender, on_counted)
    find_range, keeping = _open_keys(
        job, sides, listing, work, held=held, metrics=metrics, attempt=attempt, sender=sender
    )
    try:
        with keeping, _abandon_on_error(work, sender):
            attempt.abort_left(sides.destination, batch)
            _copy_ranges(batch, find_range, verifier, work, outcomes)
    finally:
        outcomes.settle()
        results.write(metrics)
        metrics.record_requests(sender.counted())


def _open_keys(
    job: EffectiveJob,
    sides: PacedStores,
    listing: Listing,
    work: BatchWork,
    *,
    held: HeldMessages | None,
    metrics: MetricsCollector,
    attempt: Attempt,
    sender: Sender,
) -> tuple[Callable[[KeyRange], FoundRange], AbstractContextManager[object]]:
    """Return what finds the objects of a range, and what has to run meanwhile."""
    if sides.queue is None or held is None:
        source = open_key_source(job, sides, listing, retried=attempt.retried)
        return partial(_find_range, attempt.kept, source), nullcontext()
    clock, pause = sender.clock, sender.pause
    keeper = Keeper(sides.queue, held, metrics, retried=attempt.retried, clock=clock, pause=pause)
    return QueueKeys(job, sides.queue, held, work, clock=clock, pause=pause).find_range, keeper


@contextmanager
def _abandon_on_error(work: BatchWork, sender: Sender) -> Iterator[None]:
    try:
        yield
    except BaseException:
        sender.stop()
        work.abandon()
        raise


def _limit_unproven(limits: Limits, held: HeldMessages | None) -> Limits:
    """Let fewer copies wait for their verification than messages are held: they wait for it, too."""
    return limits if held is None else replace(limits, unproven=min(limits.unproven, HELD_MAX // 2))


def _find_range(kept: KeptDecisions, source: KeySource, key_range: KeyRange) -> FoundRange:
    return kept.find_range(key_range) or source.find_range(key_range)


def _copy_ranges(
    batch: Batch,
    find_range: Callable[[KeyRange], FoundRange],
    verifier: Verifier,
    work: BatchWork,
    outcomes: Outcomes,
) -> None:
    with closing(begin_ahead(map(find_range, batch.ranges))) as ranges:
        for key_range, found in zip(batch.ranges, ranges, strict=True):
            verifier.begin(key_range)
            _copy_range(key_range, found, work, outcomes)
    work.finish()
    verifier.verify()


def _copy_range(
    key_range: KeyRange,
    all_found: Iterable[Found],
    work: BatchWork,
    outcomes: Outcomes,
) -> None:
    """Copy one range; if its listing fails, the rest of the planned objects are unknown.

    What came into the range or left it after the plan is expected here, so that it does not hide objects of
    another range that the batch does not reach.
    """
    seen, metrics = 0, outcomes.metrics
    try:
        for found in all_found:
            seen += 1
            if seen > key_range.found:
                metrics.expect(1, key_range.entry)
            if found.entry != key_range.entry:  # rows of a list are planned together
                metrics.expect(-1, key_range.entry)
                metrics.expect(1, found.entry)
            if isinstance(found, Unseen):
                outcomes.count(found, found.error)
            else:
                work.add(found)
    except CopyError as error:
        log.error(
            "listing failed",
            entry=key_range.entry,
            after=key_range.after,
            code=error.code,
            error=error.message,
        )
        where = f"(listing after {key_range.after!r} through {key_range.through!r})"
        failure = Failure.of(
            entry=key_range.entry, key=where, code=error.code, message=error.message, attempts=error.attempts
        )
        rest = max(key_range.found - seen, 0)
        metrics.record_unknown(rest, failure, transient=is_worth_a_retry(error))
    else:
        metrics.expect(min(seen - key_range.found, 0), key_range.entry)
