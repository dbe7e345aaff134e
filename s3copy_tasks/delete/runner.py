"""Deletes a batch: lists it again, proves it, deletes it, and lists it once more to see what is left."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from s3copy_tasks.core.collector import utc_now
from s3copy_tasks.core.deletions import KeptReason
from s3copy_tasks.core.store import Deleted, DeleteRequest
from s3copy_tasks.delete.account import Account
from s3copy_tasks.delete.candidates import BatchListing
from s3copy_tasks.delete.deleter import Deleter
from s3copy_tasks.delete.proof import Proof, find_witness
from s3copy_tasks.delete.results import DeleteResults
from s3copy_tasks.engine.garbage import collect_garbage_rarely
from s3copy_tasks.engine.loop import wait_for
from s3copy_tasks.engine.paced_store import pace_stores
from s3copy_tasks.engine.sender import make_sender
from s3copy_tasks.errors import Code, ConditionError, ConfigError, CopyError, RequestError
from s3copy_tasks.plan.listing import Listing
from s3copy_tasks.report import events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from datetime import datetime

    from s3copy_tasks.core.deletions import DeleteBatch, DeleteMetrics
    from s3copy_tasks.core.job import EffectiveJob, Mirror
    from s3copy_tasks.core.objects import S3Object
    from s3copy_tasks.core.store import Stores
    from s3copy_tasks.delete.candidates import Candidate
    from s3copy_tasks.delete.counting import DeleteCollector
    from s3copy_tasks.delete.deleter import Outcome
    from s3copy_tasks.engine.paced_store import PacedStores
    from s3copy_tasks.engine.sender import Sender


@contextmanager
def count_deletes(
    job: EffectiveJob,
    batch: DeleteBatch,
    counted: DeleteCollector,
    on_end: Callable[[DeleteMetrics], None] = lambda _: None,
) -> Iterator[None]:
    """Log the start and the end of a batch; what it did not reach is unknown, whatever ends it.

    Args:
        job: the run.
        batch: of its plan.
        counted: counts the batch.
        on_end: called with the batch's account at the end, also after an error.
    """
    events.deletes_started(job, batch)
    try:
        yield
    finally:
        ended = counted.metrics()
        on_end(ended)
        events.deletes_finished(job, batch, ended)


@collect_garbage_rarely()
def delete_batch(
    job: EffectiveJob,
    batch: DeleteBatch,
    stores: Stores,
    *,
    counted: DeleteCollector,
    sender: Sender,
    reader: Sender | None = None,
    clock: Callable[[], datetime] = utc_now,
) -> None:
    """Delete what the plan has found extraneous, if it still is, and count every object.

    Nothing is deleted if anything is in doubt: see docs/design/deleting.md.

    Args:
        job: the run, with a mirror.
        batch: of this run's plan, with the time until when it may delete.
        stores: both sides.
        counted: counts; what is not counted when this raises is unknown.
        sender: the budget of the destination's requests; stopping it ends the batch.
        reader: the budget of the source's requests, which S3 counts apart; its `last_begun` is set when
            another batch may begin. None makes one of the job's size.
        clock: returns the time, with its zone.

    Raises:
        ConfigError: the batch belongs to another plan, or the run may not delete.
        InterruptedError: the sender was stopped.
    """
    batch.check_belongs(job)
    if job.mirror is None or not job.mirror.max_deleted_objects or job.dry_run:
        msg = "this run may not delete anything"
        raise ConfigError(msg, code=Code.NOT_PROVEN)
    at_once = min(batch.of, job.transfer.max_active_batches)
    reader = reader or make_sender(job.transfer, batches_at_once=at_once)
    sides = replace(pace_stores(stores, sender), source=pace_stores(stores, reader).source)
    started = clock()
    results = DeleteResults(job, batch, sides.results, started)
    work = _BatchWork(job, job.mirror, batch, sides, Account(batch, counted, results))
    try:
        if work.is_allowed(started):
            proven = work.find_proven(reader)
            sender.check_running()
            work.delete(proven)
    finally:
        results.write(counted)
        counted.record_requests(sender.counted())
        counted.record_requests(reader.counted())


class _BatchWork:
    """The steps of a batch. An error before the first delete keeps all of its objects."""

    def __init__(
        self,
        job: EffectiveJob,
        mirror: Mirror,
        batch: DeleteBatch,
        sides: PacedStores,
        account: Account,
    ) -> None:
        self._mirror = mirror
        self._batch = batch
        self._sides = sides
        self._account = account
        self._listing = BatchListing(job, batch, Listing(job, sides))

    def is_allowed(self, now: datetime) -> bool:
        """Return whether the batch is not too late, and its deletes can be undone, or need not be."""
        if self._batch.not_after is None or now > self._batch.not_after:
            msg = "the deletes were allowed too long ago, or no longer are. Clear the run from `plan` onward"
            self._account.keep_all(RequestError(msg, code=Code.NOT_PROVEN))
            return False
        try:
            if self._mirror.allows_unversioned or wait_for(self._sides.destination.is_versioned()):
                return True
        except CopyError as error:
            self._account.keep_all(error)
            return False
        msg = "versioning of the destination is not enabled. Enable it, or write mirror.unversioned: allow"
        self._account.keep_all(RequestError(msg, code=Code.NOT_PROVEN))
        return False

    def find_proven(self, reader: Sender) -> Sequence[Candidate]:
        """Return the objects that no source has, by listings and then by HEADs; count the others."""
        try:
            found = self._listing.take()
            if not found.candidates:
                found.count(self._account)
                return []
            witness = find_witness(self._sides.source, self._listing.groups)
            proof = Proof(self._sides.source, reader, witness)
            proven = proof.prove(found.candidates)
        except CopyError as error:
            self._account.keep_all(error)
            return []
        found.count(self._account)
        for candidate in found.candidates:
            key = candidate.found.key
            if key in proof.kept:
                self._account.keep(candidate, proof.kept[key])
            if key in proof.refused:
                self._account.note(candidate, proof.refused[key])
        return proven

    def delete(self, proven: Sequence[Candidate]) -> None:
        """Delete objects, and count what became of each."""
        if not proven:
            return
        deleter = Deleter(
            self._sides.destination,
            many_at_once=self._mirror.on_aws,
            can_undo=not self._mirror.allows_unversioned,
        )
        try:
            deleter.delete([DeleteRequest(key=each.found.key, etag=each.found.etag) for each in proven])
        except CopyError as error:
            self._account.abandon(error)
        finally:
            self._settle(proven, dict(deleter.outcomes))

    def _settle(self, proven: Sequence[Candidate], outcomes: Mapping[str, Outcome | None]) -> None:
        """Count what became of each object, by S3's confirmations and by another listing."""
        left: Mapping[str, S3Object] | None = None
        try:
            left = self._listing.list_left(set(outcomes))
        except CopyError as error:
            self._account.abandon(error)
        except InterruptedError:  # the confirmations have to do
            pass
        for candidate in proven:
            key = candidate.found.key
            outcome = outcomes.get(key)
            if key not in outcomes:
                self._account.keep(candidate, KeptReason.NOT_PROVEN)
            elif outcome is None:
                continue  # it is unknown
            elif isinstance(outcome, Deleted):
                self._settle_deleted(candidate, outcome, left)
            else:
                self._settle_error(candidate, outcome, left)

    def _settle_deleted(
        self, candidate: Candidate, deleted: Deleted, left: Mapping[str, S3Object] | None
    ) -> None:
        found = candidate.found
        there = None if left is None else left.get(found.key)
        if there is not None and (there.etag, there.last_modified) == (found.etag, found.last_modified):
            msg = "S3 confirmed that it is deleted, but still lists it"
            self._account.fail(candidate, RequestError(msg, code=Code.NOT_DELETED))
        elif deleted.was_absent:
            self._account.lose(candidate)
        else:
            self._account.delete(candidate, deleted.marker_version_id)

    def _settle_error(
        self, candidate: Candidate, error: CopyError, left: Mapping[str, S3Object] | None
    ) -> None:
        """Count an object that S3 did not confirm: a request that failed may have been carried out."""
        if left is not None and candidate.found.key not in left:
            if error.may_be_done:
                self._account.delete(candidate, None)
            else:
                self._account.lose(candidate)
        elif isinstance(error, ConditionError):
            self._account.keep(candidate, KeptReason.CHANGED)
        elif left is None and error.may_be_done:
            self._account.note(candidate, error)  # and it is unknown
        else:
            self._account.fail(candidate, error)
