"""Copies a batch: connects the decisions of `core` with the stores."""

from __future__ import annotations

from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING

import structlog

from s3copy_tasks.copy.copier import Copier
from s3copy_tasks.copy.counting import Outcomes
from s3copy_tasks.copy.results import open_results
from s3copy_tasks.copy.transfer import Transfer
from s3copy_tasks.copy.uploads import Attempt
from s3copy_tasks.copy.verifier import Verifier
from s3copy_tasks.core.decide import Decided, Unseen
from s3copy_tasks.core.metrics import Failure
from s3copy_tasks.core.multipart import LIMITS
from s3copy_tasks.core.objects import SkipReason
from s3copy_tasks.core.request_counts import Requests
from s3copy_tasks.engine.garbage import collect_garbage_rarely
from s3copy_tasks.engine.paced_store import pace_stores
from s3copy_tasks.engine.sender import Sender
from s3copy_tasks.engine.workers import Workers
from s3copy_tasks.errors import AccessError, Code, CopyError, ExpiredError, UnsupportedError, is_worth_a_retry
from s3copy_tasks.plan.key_source import open_key_source
from s3copy_tasks.plan.listing import Listing, begin_ahead
from s3copy_tasks.report import events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from s3copy_tasks.core.batch import Batch, KeyRange
    from s3copy_tasks.core.collector import MetricsCollector
    from s3copy_tasks.core.decide import Found, Named
    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.metrics import TransferMetrics
    from s3copy_tasks.core.multipart import Limits
    from s3copy_tasks.core.store import Stores
    from s3copy_tasks.core.verify import Copied
    from s3copy_tasks.plan.kept import KeptDecisions
    from s3copy_tasks.plan.key_source import FoundRange, KeySource

log = structlog.get_logger(__name__)

ACCESS_ERRORS_MAX = 100
"""Access errors in a row that end a batch: a revoked grant must not cost millions of requests (rule 19)."""


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
    retried = attempt.retried
    sides = pace_stores(stores, sender, source_behind_seconds=job.source_behind_seconds)
    copier = Copier(job, sides, Transfer(job, sides, attempt.uploads, limits), retried=retried)
    listing = Listing(job, sides, retried=retried)
    source = open_key_source(job, sides, listing, retried=retried)
    results = open_results(job, batch, sides, retried=retried)
    outcomes = Outcomes(metrics, results)
    verifier = Verifier(listing, outcomes, limits or LIMITS)
    work = _BatchWork(job, copier, outcomes, verifier, sender, on_counted)
    try:
        with _abandon_on_error(work, sender):
            attempt.abort_left(sides.destination, batch)
            _copy_ranges(batch, partial(_find_range, attempt.kept, source), verifier, work, outcomes)
    finally:
        outcomes.settle()
        results.write(metrics)
        metrics.record_requests(sender.counted())


@contextmanager
def _abandon_on_error(work: _BatchWork, sender: Sender) -> Iterator[None]:
    try:
        yield
    except BaseException:
        sender.stop()
        work.abandon()
        raise


def _find_range(kept: KeptDecisions, source: KeySource, key_range: KeyRange) -> FoundRange:
    return kept.find_range(key_range) or source.find_range(key_range)


def _copy_ranges(
    batch: Batch,
    find_range: Callable[[KeyRange], FoundRange],
    verifier: Verifier,
    work: _BatchWork,
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
    work: _BatchWork,
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


class _BatchWork:
    """Passes objects to the copier, and stops when access is gone."""

    def __init__(
        self,
        job: EffectiveJob,
        copier: Copier,
        outcomes: Outcomes,
        verifier: Verifier,
        sender: Sender,
        on_counted: Callable[[int], None] | None,
    ) -> None:
        self._job = job
        self._sender = sender
        self._copier = copier
        self._outcomes = outcomes
        self._verifier = verifier
        self._workers = self._new_workers()
        self._on_counted = on_counted
        self._access_errors = 0

    def add(self, found: Decided | Named) -> None:
        """Add an object; waits while there is enough to do. Skipped objects take no request."""
        if isinstance(found.decision, SkipReason):
            self._outcomes.count(found, found.decision)
            self._report_counted()
        elif self._access_errors >= ACCESS_ERRORS_MAX:
            self._count_not_attempted(found)
        else:
            self._workers.add(found)
        if self._verifier.is_due:
            self._workers.finish()
            self._verifier.verify_through(found.position)
            self._workers = self._new_workers()

    def finish(self) -> None:
        """Wait until all objects are done.

        Raises:
            BaseException: the first error that did not come from S3, if any.
        """
        self._workers.finish()

    def abandon(self) -> None:
        """Wait for the objects in progress and drop the rest."""
        self._workers.abandon()

    def _new_workers(self) -> Workers[Decided | Named]:
        sender = self._sender
        return Workers(
            self._carry_out,
            lambda: sender.in_flight_limit,
            watch=sender.watch_bottlenecks(),
            on_last=sender.last_begun.set,
        )

    async def _carry_out(self, found: Decided | Named) -> None:
        if self._access_errors >= ACCESS_ERRORS_MAX:
            self._count_not_attempted(found)
            return
        outcome = await self._copier.carry_out(found)
        unproven = self._outcomes.count(found, outcome)
        if unproven is not None:
            await self._verify(unproven)
        denied = isinstance(outcome, (AccessError, ExpiredError, UnsupportedError))
        self._access_errors = self._access_errors + 1 if denied else 0
        self._report_counted()

    async def _verify(self, copied: Copied) -> None:
        """Compare checksums if the job asks for it, else leave it to a listing (rule 13)."""
        if copied.confirmed.etag is None or self._job.verify != "checksum":
            self._verifier.expect(copied)
            return
        agree = await self._copier.checksums_agree(copied)
        self._outcomes.count_checksums(copied, same=agree)

    def _count_not_attempted(self, found: Decided | Named) -> None:
        msg = f"{ACCESS_ERRORS_MAX} objects in a row were denied; the rest of the batch was not attempted"
        error = AccessError(msg, code=Code.ACCESS_BREAKER)
        error.attempts = 0
        self._outcomes.count(found, error)
        self._report_counted()

    def _report_counted(self) -> None:
        if self._on_counted is not None:
            self._on_counted(self._outcomes.metrics.found)
