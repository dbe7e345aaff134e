"""Plans a run and carries out its batches: ties the decisions of `core` to the stores it is given."""

from __future__ import annotations

import heapq
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import takewhile
from threading import BoundedSemaphore, Lock
from typing import TYPE_CHECKING

import structlog

from s3copy_tasks.copier import Copier
from s3copy_tasks.core.keys import Decider
from s3copy_tasks.core.metrics import Failure
from s3copy_tasks.core.multipart import LIMITS
from s3copy_tasks.core.objects import Action, SkipReason
from s3copy_tasks.core.plan import Planner, merge
from s3copy_tasks.errors import (
    ACCESS_BREAKER,
    DESTINATION_CONFLICT,
    AccessError,
    ConfigError,
    CopyError,
    TransientError,
)
from s3copy_tasks.sender import Sender

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from s3copy_tasks.core.batch import Batch, KeyRange
    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.metrics import MetricsCollector
    from s3copy_tasks.core.multipart import Limits
    from s3copy_tasks.core.objects import Decision, S3Object
    from s3copy_tasks.core.plan import Plan
    from s3copy_tasks.core.store import Store

log = structlog.get_logger(__name__)

ACCESS_ERRORS_MAX = 100
"""Access errors in a row that end a batch: a revoked grant must not cost millions of requests (rule 19)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """Both sides of a job. The destination signs the copies.

    Attributes:
        source: the source bucket with the source's credentials.
        destination: the destination bucket with the destination's.
    """

    source: Store
    destination: Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """An object with what is to be done about it."""

    position: str | int
    source: S3Object
    key: str
    decision: Decision


class Listing:
    """Lists and decides the entries of a job, wholly or in ranges."""

    def __init__(self, job: EffectiveJob, stores: Stores, sender: Sender, *, retried: bool = False) -> None:
        self._job = job
        self._stores = stores
        self._sender = sender
        self._decider = Decider(job, retried=retried)

    def below_prefix(
        self, entry: int, after: str | None = None, through: str | None = None
    ) -> Iterator[Decided]:
        """Yield the objects of one entry with their decisions, in key order.

        Args:
            entry: index into the job's prefixes.
            after: exclusive lower bound below the prefix; None means from the start.
            through: inclusive upper bound; None means to the end.
        """
        prefixes = self._job.prefixes[entry]
        source = self._keys(self._stores.source, prefixes.source, after, prefixes.recursive)
        destination = self._keys(self._stores.destination, prefixes.destination, after, prefixes.recursive)
        merged = merge(source, destination, prefixes.source, prefixes.destination)
        for suffix, ours, theirs in takewhile(lambda row: through is None or row[0] <= through, merged):
            key = prefixes.destination + suffix
            decision = self._decider.below_prefix(ours, theirs, suffix, key)
            yield Decided(position=suffix, source=ours, key=key, decision=decision)

    def objects(self, after: int | None = None, through: int | None = None) -> list[Decided | None]:
        """Return the job's single objects of an index range with their decisions; None where one is gone."""
        first = 0 if after is None else after + 1
        indexes = range(first, len(self._job.objects) if through is None else through + 1)
        with ThreadPoolExecutor(self._job.transfer.concurrency) as pool:
            return list(pool.map(self._object, indexes))

    def _object(self, index: int) -> Decided | None:
        entry = self._job.objects[index]
        ours = self._sender.send(lambda: self._stores.source.head_object(entry.source))
        theirs = self._sender.send(lambda: self._stores.destination.head_object(entry.destination))
        if ours is None:
            return None
        decision = self._decider.named(ours.object, theirs.object if theirs else None, entry.destination)
        return Decided(position=index, source=ours.object, key=entry.destination, decision=decision)

    def _keys(self, store: Store, prefix: str, after: str | None, recursive: bool) -> Iterator[S3Object]:  # noqa: FBT001
        start, token = None if after is None else prefix + after, None
        while True:
            page = self._sender.send(
                lambda start=start, token=token: store.list_page(  # type: ignore[misc]
                    prefix, after=start, token=token, recursive=recursive
                )
            )
            yield from page.objects
            token = page.token
            if token is None:
                return


def plan_job(
    job: EffectiveJob,
    stores: Stores,
    *,
    on_listed: Callable[[int], None] | None = None,
    sender: Sender | None = None,
) -> Plan:
    """Compare both sides of a job and cut what has to be copied into batches. Writes nothing.

    Args:
        job: the run.
        stores: both sides.
        on_listed: called now and then with how many objects of the source were looked at.
        sender: the budget of requests; None makes one by the job's concurrency.

    Raises:
        ConfigError: two sources would write one destination key.
        CopyError: a listing failed.
    """
    listing = Listing(job, stores, sender or Sender(job.transfer.concurrency))
    planner = Planner(job)
    singles = {one.key: one for one in listing.objects() if one is not None}
    for single in singles.values():
        planner.add(None, single.position, single.source.size, single.decision)
    taken = {key: one.source.key for key, one in singles.items()}
    listed = len(singles)
    for group in _groups(job):
        for entry, one in _by_destination(listing, group, taken):
            planner.add(entry, one.position, one.source.size, one.decision)
            listed += 1
            if on_listed is not None and listed % 1_000 == 0:
                on_listed(listed)
    if on_listed is not None:
        on_listed(listed)
    return planner.finish()


def _groups(job: EffectiveJob) -> list[list[int]]:
    """Return the entries by groups: inside one, destinations are equal or nested."""
    groups: list[list[int]] = []
    top: str | None = None
    for destination, index in sorted((e.destination, i) for i, e in enumerate(job.prefixes)):
        if top is not None and destination.startswith(top):
            groups[-1].append(index)
        else:
            top = destination
            groups.append([index])
    return groups


def _by_destination(
    listing: Listing, group: Sequence[int], taken: dict[str, str]
) -> Iterator[tuple[int, Decided]]:
    """Yield a group's objects by destination key, and refuse two that would write the same (rule 25)."""

    def stream(entry: int) -> Iterator[tuple[str, int, Decided]]:
        return ((one.key, entry, one) for one in listing.below_prefix(entry))

    last, last_source = None, ""
    for key, entry, one in heapq.merge(*(stream(entry) for entry in group), key=lambda row: row[:2]):
        if one.decision not in _LEFT_OUT:
            other = last_source if key == last else taken.get(key)
            if other is not None:
                msg = (
                    f"{other!r} and {one.source.key!r} would both be written to {key!r}. "
                    "Give one of the entries another destination, or exclude one of the objects"
                )
                raise ConfigError(msg, code=DESTINATION_CONFLICT)
            last, last_source = key, one.source.key
        yield entry, one


_LEFT_OUT = frozenset({SkipReason.EXCLUDED, SkipReason.NOT_INCLUDED, SkipReason.NOT_MODIFIED_SINCE})


def copy_batch(
    job: EffectiveJob,
    batch: Batch,
    stores: Stores,
    *,
    metrics: MetricsCollector,
    retried: bool = False,
    limits: Limits = LIMITS,
    on_counted: Callable[[int], None] | None = None,
    sender: Sender | None = None,
) -> None:
    """List the batch's ranges again, decide again, copy, and account for every object inside.

    A failed object never stops the others; a listing that fails leaves the rest of its range unknown. So
    does whatever else ends the batch before its time.

    Args:
        job: the run.
        batch: of this run's plan.
        stores: both sides.
        metrics: counts; complete also when this raises.
        retried: an earlier try of this batch may have copied something.
        limits: where a copy becomes a multipart copy.
        on_counted: called after each object with how many are accounted for.
        sender: the budget of requests, stopped when the batch breaks off; None makes one by the job's
            concurrency.

    Raises:
        ConfigError: the batch belongs to another plan.
    """
    batch.check_belongs(job)
    sender = sender or Sender(job.transfer.concurrency)
    copier = Copier(job, stores.source, stores.destination, sender, metrics, limits)
    work = _BatchWork(copier, metrics, job.transfer.concurrency, on_counted)
    listing = Listing(job, stores, sender, retried=retried)
    try:
        for one in batch.ranges:
            _copy_range(one, listing, work, metrics)
        work.finish()
    except BaseException as error:
        sender.stop()
        work.abandon()
        code = type(error).__name__
        cause = Failure.of(
            entry=batch.ranges[0].entry, key=f"(batch {batch.id})", code=code, message=str(error), attempts=0
        )
        metrics.unknown(max(batch.found - metrics.found, 0), cause, transient=True)
        raise
    finally:
        copier.close()


def _copy_range(one: KeyRange, listing: Listing, work: _BatchWork, metrics: MetricsCollector) -> None:
    """Copy one range; if its listing breaks off, the rest of what was planned is unknown."""
    seen = 0
    try:
        for decided in _decisions(one, listing):
            seen += 1
            if decided is None:
                metrics.vanished()
            else:
                work.add(one.entry, decided)
    except CopyError as error:
        log.error("listing failed", entry=one.entry, after=one.after, code=error.code, error=error.message)
        where = f"(listing after {one.after!r} through {one.through!r})"
        failure = Failure.of(
            entry=one.entry, key=where, code=error.code, message=error.message, attempts=error.attempts
        )
        rest = max(one.found - seen, 0)
        metrics.unknown(rest, failure, transient=isinstance(error, TransientError))


def _decisions(one: KeyRange, listing: Listing) -> Iterator[Decided | None]:
    if one.entry is None:
        yield from listing.objects(one.after, one.through)  # type: ignore[arg-type]
    else:
        yield from listing.below_prefix(one.entry, one.after, one.through)  # type: ignore[arg-type]


class _BatchWork:
    """Feeds objects to threads, never many more than they can take, and ends when access is gone."""

    def __init__(
        self,
        copier: Copier,
        metrics: MetricsCollector,
        concurrency: int,
        on_counted: Callable[[int], None] | None,
    ) -> None:
        self._copier = copier
        self._metrics = metrics
        self._pool = ThreadPoolExecutor(concurrency, thread_name_prefix="s3copy")
        self._room = BoundedSemaphore(2 * concurrency)
        self._on_counted = on_counted
        self._lock = Lock()
        self._access_errors = 0
        self._bugs: list[BaseException] = []

    def add(self, entry: int | None, decided: Decided) -> None:
        """Take an object; waits while the threads are busy. Skipped ones need no thread."""
        if isinstance(decided.decision, SkipReason) or decided.decision is Action.COPIED_EARLIER:
            self._copier.carry_out(decided.decision, entry, decided.source, decided.key)
            self._counted()
        elif self._access_errors >= ACCESS_ERRORS_MAX:
            self._not_attempted(entry, decided)
        else:
            self._room.acquire()
            self._pool.submit(self._carry_out, entry, decided)

    def finish(self) -> None:
        """Wait for what was taken.

        Raises:
            BaseException: the first error that was none of S3's, if any.
        """
        self._pool.shutdown(wait=True)
        if self._bugs:
            raise self._bugs[0]

    def abandon(self) -> None:
        """Wait for what is under way and drop the rest."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _carry_out(self, entry: int | None, decided: Decided) -> None:
        try:
            error = self._copier.carry_out(decided.decision, entry, decided.source, decided.key)
            with self._lock:
                self._access_errors = self._access_errors + 1 if isinstance(error, AccessError) else 0
            self._counted()
        except BaseException as bug:  # noqa: BLE001 - shown to the caller by finish()
            self._bugs.append(bug)
        finally:
            self._room.release()

    def _not_attempted(self, entry: int | None, decided: Decided) -> None:
        msg = f"{ACCESS_ERRORS_MAX} objects in a row were denied; the rest of the batch was not attempted"
        failure = Failure.of(
            entry=entry, key=decided.source.key, code=ACCESS_BREAKER, message=msg, attempts=0
        )
        self._metrics.failed(failure)
        self._counted()

    def _counted(self) -> None:
        if self._on_counted is not None:
            self._on_counted(self._metrics.found)
