"""Copies one object: small or large, looked at again when somebody else writes meanwhile."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import structlog

from s3copy_tasks import events
from s3copy_tasks.core.arrival import Arrival, Confirmation, by_checksums, same_content
from s3copy_tasks.core.job import Overwrite
from s3copy_tasks.core.keys import Decider, is_copied_earlier
from s3copy_tasks.core.metrics import Failure
from s3copy_tasks.core.multipart import LIMITS, part_ranges
from s3copy_tasks.core.objects import Action, SkipReason
from s3copy_tasks.core.store import CopyRequest
from s3copy_tasks.errors import (
    ARCHIVED,
    KEY_TOO_LONG,
    SOURCE_CHANGED,
    AccessError,
    ConditionError,
    CopyError,
    MissingError,
    RequestError,
    TransientError,
    is_worth_a_retry,
)
from s3copy_tasks.verifier import count_mismatch

if TYPE_CHECKING:
    from s3copy_tasks.core.collector import MetricsCollector
    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.multipart import Limits
    from s3copy_tasks.core.objects import Decision, ObjectDetails, S3Object
    from s3copy_tasks.core.store import Store
    from s3copy_tasks.sender import Sender

log = structlog.get_logger(__name__)

_VANISHED = frozenset({"NoSuchKey", "NoSuchVersion"})
LOOKS_MAX = 3
"""A source that changes between listing and copying is looked at again twice, then reported (rule 2)."""


class Copier:
    """Carries out decisions and counts what came of them.

    Attributes:
        arrivals: copies that are yet to be found in a listing.

    Args:
        job: the run.
        source: lists and heads, with the source's credentials.
        destination: copies, with the destination's: it needs to read the source, too.
        sender: the budget of requests.
        metrics: counts.
        limits: where a copy becomes a multipart copy.
    """

    def __init__(
        self,
        job: EffectiveJob,
        source: Store,
        destination: Store,
        sender: Sender,
        metrics: MetricsCollector,
        limits: Limits = LIMITS,
    ) -> None:
        self._job = job
        self._source = source
        self._destination = destination
        self._sender = sender
        self._metrics = metrics
        self._limits = limits
        self._decide = Decider(job)
        self.arrivals: list[Arrival] = []
        self._parts = ThreadPoolExecutor(job.transfer.concurrency, thread_name_prefix="s3copy-part")

    def close(self) -> None:
        """Wait for the parts under way; no other starts."""
        self._parts.shutdown(wait=True, cancel_futures=True)

    def carry_out(
        self, decision: Decision, entry: int | None, source: S3Object, key: str
    ) -> CopyError | None:
        """Do what was decided for one object and count it.

        Returns:
            The error that made the object fail, None where it did not.
        """
        try:
            self._carry_out(decision, entry, source, key)
        except MissingError as error:
            if error.code not in _VANISHED:
                return self._failed(entry, source, error)
            log.info("object vanished", key=source.key)
            self._metrics.record_vanished()
        except CopyError as error:
            return self._failed(entry, source, error)
        return None

    def _failed(self, entry: int | None, source: S3Object, error: CopyError) -> CopyError:
        events.object_failed(source.key, error)
        self._metrics.record_file_failure(
            Failure.of_error(error, entry=entry, key=source.key),
            transient=is_worth_a_retry(error),
        )
        return error

    def _carry_out(self, decision: Decision, entry: int | None, source: S3Object, key: str) -> None:
        if isinstance(decision, SkipReason):
            self._metrics.record_skip(decision)
        elif decision is Action.COPIED_EARLIER:
            self._metrics.record_file_success(source.size, earlier=True)
            self.arrivals.append(Arrival(entry=entry, source=source, key=key, etag=None, earlier=True))
        elif decision is Action.KEY_TOO_LONG:
            msg = f"the destination key has more than 1,024 bytes: {key[:100]}..."
            raise RequestError(msg, code=KEY_TOO_LONG)
        elif decision is Action.ARCHIVED:
            msg = f"archived as {source.storage_class}: restore it first, or set object.archived to skip"
            raise RequestError(msg, code=ARCHIVED)
        elif decision is Action.COMPARE:
            self._compare(entry, source, key)
        else:
            self._copy(entry, source, key)

    def _compare(self, entry: int | None, source: S3Object, key: str) -> None:
        """Rule 12: only checksums of both sides prove a multipart source unchanged."""
        ours = self._sender.send(lambda: self._source.head_object(source.key, checksums=True))
        theirs = self._sender.send(lambda: self._destination.head_object(key, checksums=True))
        if ours is None:
            raise _gone(source)
        same = by_checksums(ours.checksums, theirs.checksums) if theirs else False
        if same:
            self._metrics.record_skip(SkipReason.UNCHANGED)
        else:
            self._copy(entry, ours.object, key, ambiguous=same is None)

    def _copy(self, entry: int | None, source: S3Object, key: str, *, ambiguous: bool = False) -> None:
        for look in range(1, LOOKS_MAX + 1):
            try:
                confirmed = self._copy_pinned(self._request(source, key))
            except ConditionError as error:
                if look == LOOKS_MAX:
                    msg = f"the source changed while it was copied, {look} times: {error.message}"
                    raise TransientError(msg, code=SOURCE_CHANGED) from error
                again = self._look_again(entry, source, key, error)
                if again is None:
                    return
                source = again
            except AccessError:
                # Without the right to list its bucket, S3 says 403 of an object that is gone.
                if self._sender.send(lambda key=source.key: self._source.head_object(key)) is None:  # type: ignore[misc]
                    raise _gone(source) from None
                raise
            else:
                log.debug("object copied", key=source.key, destination_key=key, bytes=source.size)
                self._arrived(entry, source, key, confirmed, ambiguous=ambiguous)
                return

    def _arrived(
        self, entry: int | None, source: S3Object, key: str, confirmed: Confirmation, *, ambiguous: bool
    ) -> None:
        """Count a copy; what its reply does not prove is proven by checksums, or by a listing later."""
        arrival = Arrival(entry=entry, source=source, key=key, etag=confirmed.etag, ambiguous=ambiguous)
        verified: bool | None = same_content(source, confirmed.etag)
        if not verified and self._job.verify == "checksum":
            verified = self._checksums_agree(source, confirmed)
        elif not verified:
            self.arrivals.append(arrival)
            verified = None
        self._metrics.record_file_success(source.size, ambiguous=ambiguous, verified=verified is True)
        if verified is False:
            count_mismatch(arrival, "its checksum is not that of the source", self._metrics)

    def _checksums_agree(self, source: S3Object, confirmed: Confirmation) -> bool | None:
        """Compare full-object checksums; None where nothing can be told, or the source changed since."""
        try:
            ours = self._sender.send(lambda: self._source.head_object(source.key, checksums=True))
        except CopyError as error:
            log.warning("not verified", key=source.key, code=error.code, error=error.message)
            return None
        if ours is None or not same_content(source, ours.object.etag):
            return None
        return by_checksums(ours.checksums, confirmed.checksums)

    def _look_again(
        self, entry: int | None, source: S3Object, key: str, error: ConditionError
    ) -> S3Object | None:
        """Return the object to copy after a failed precondition; None where nothing is left to do."""
        ours = self._sender.send(lambda: self._source.head_object(source.key))
        theirs = self._sender.send(lambda: self._destination.head_object(key))
        if ours is None:
            raise _gone(source)
        found = theirs.object if theirs else None
        is_same = ours.object.etag.strip('"') == source.etag.strip('"')
        if is_same and error.attempts > 1 and is_copied_earlier(source, found, self._job.run_started):
            self._metrics.record_file_success(source.size)  # our own copy; only its reply was lost
            self.arrivals.append(Arrival(entry=entry, source=source, key=key, etag=None))
            return None
        decision = self._decide.named(ours.object, found, key)
        if isinstance(decision, SkipReason):
            self._metrics.record_skip(decision)
            return None
        return ours.object

    def _request(self, source: S3Object, key: str) -> CopyRequest:
        return CopyRequest(
            source=source,
            source_account=self._job.source.account,
            key=key,
            options=self._job.options,
            only_if_absent=self._job.overwrite is Overwrite.NEVER,
            checksum=self._job.verify == "checksum",
        )

    def _copy_pinned(self, request: CopyRequest) -> Confirmation:
        if request.source.size > self._limits.single_copy_bytes:
            return self._copy_in_parts(request)
        return self._sender.send(lambda: self._destination.copy_object(request))

    def _copy_in_parts(self, request: CopyRequest) -> Confirmation:
        key = request.source.key
        details = self._sender.send(lambda: self._source.head_object(key))
        if details is None:
            raise _gone(request.source)
        if details.object.etag.strip('"') != request.source.etag.strip('"'):
            msg = "the source has another ETag than when it was listed"
            raise ConditionError(msg, code="PreconditionFailed")
        tags = (
            self._sender.send(lambda: self._source.object_tags(key))
            if request.options.tags == "copy"  # HEAD counts them only for who may read them
            else {}
        )
        upload_id = self._sender.send(
            lambda: self._destination.create_multipart_upload(request, details, tags)
        )
        try:
            etags = self._copy_all_parts(request, upload_id)
            return self._sender.send(
                lambda: self._destination.complete_multipart_upload(request, upload_id, etags)
            )
        except BaseException as error:
            self._abort(request, upload_id)
            found = self._completed_after_all(request, details, error)
            if found is None:
                raise
            return Confirmation(etag=found.etag)

    def _copy_all_parts(self, request: CopyRequest, upload_id: str) -> dict[int, str]:
        def copy_part(part: tuple[int, int, int]) -> tuple[int, str]:
            number, first, last = part
            etag = self._sender.send(
                lambda: self._destination.copy_part(request, upload_id, number, first, last)
            )
            return number, etag

        ranges = part_ranges(request.source.size, self._limits)
        futures = [self._parts.submit(copy_part, part) for part in ranges]
        try:
            return dict(future.result() for future in futures)
        finally:
            for future in futures:
                future.cancel()
            for future in futures:
                if not future.cancelled():
                    future.exception()  # an abort must not overtake a part

    def _abort(self, request: CopyRequest, upload_id: str) -> None:
        try:
            self._sender.send(
                lambda: self._destination.abort_multipart_upload(request.key, upload_id), cleans_up=True
            )
        except CopyError as error:
            log.error("multipart upload left behind", key=request.key, upload_id=upload_id, code=error.code)

    def _completed_after_all(
        self, request: CopyRequest, details: ObjectDetails, error: BaseException
    ) -> S3Object | None:
        """Rule 7: a lost reply to the completion looks like a missing upload; the object tells."""
        if not isinstance(error, CopyError) or error.code != "NoSuchUpload":
            return None
        theirs = self._sender.send(lambda: self._destination.head_object(request.key))
        found = theirs.object if theirs else None
        return found if is_copied_earlier(details.object, found, self._job.run_started) else None


def _gone(source: S3Object) -> MissingError:
    return MissingError(f"{source.key!r} is gone", code="NoSuchKey")
