"""Copies one object: small or large, looked at again when somebody else writes meanwhile."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import structlog

from s3copy_tasks import events
from s3copy_tasks.core.job import Overwrite
from s3copy_tasks.core.keys import Decider, is_copied_earlier
from s3copy_tasks.core.metrics import Failure
from s3copy_tasks.core.multipart import LIMITS, part_ranges
from s3copy_tasks.core.objects import Action, SkipReason
from s3copy_tasks.core.store import CopyRequest
from s3copy_tasks.errors import (
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
            self._carry_out(decision, source, key)
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

    def _carry_out(self, decision: Decision, source: S3Object, key: str) -> None:
        if isinstance(decision, SkipReason):
            self._metrics.record_skip(decision)
        elif decision is Action.COPIED_EARLIER:
            self._metrics.record_file_success(source.size, earlier=True)
        elif decision is Action.KEY_TOO_LONG:
            msg = f"the destination key has more than 1,024 bytes: {key[:100]}..."
            raise RequestError(msg, code=KEY_TOO_LONG)
        elif decision is Action.COMPARE:
            self._compare(source, key)
        else:
            self._copy(source, key)

    def _compare(self, source: S3Object, key: str) -> None:
        """Rule 12: only checksums of both sides prove a multipart source unchanged."""
        ours = self._sender.send(lambda: self._source.head_object(source.key, checksums=True))
        theirs = self._sender.send(lambda: self._destination.head_object(key, checksums=True))
        if ours is None:
            raise _gone(source)
        both = set(ours.checksums) & set(theirs.checksums) if theirs else set()
        if theirs and both and all(ours.checksums[name] == theirs.checksums[name] for name in both):
            self._metrics.record_skip(SkipReason.UNCHANGED)
        else:
            self._copy(ours.object, key, ambiguous=theirs is not None and not both)

    def _copy(self, source: S3Object, key: str, *, ambiguous: bool = False) -> None:
        for look in range(1, LOOKS_MAX + 1):
            try:
                self._copy_pinned(self._request(source, key))
            except ConditionError as error:
                if look == LOOKS_MAX:
                    msg = f"the source changed while it was copied, {look} times: {error.message}"
                    raise TransientError(msg, code=SOURCE_CHANGED) from error
                again = self._look_again(source, key, error)
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
                self._metrics.record_file_success(source.size, ambiguous=ambiguous)
                return

    def _look_again(self, source: S3Object, key: str, error: ConditionError) -> S3Object | None:
        """Return the object to copy after a failed precondition; None where nothing is left to do."""
        ours = self._sender.send(lambda: self._source.head_object(source.key))
        theirs = self._sender.send(lambda: self._destination.head_object(key))
        if ours is None:
            raise _gone(source)
        found = theirs.object if theirs else None
        is_same = ours.object.etag.strip('"') == source.etag.strip('"')
        if is_same and error.attempts > 1 and is_copied_earlier(source, found, self._job.run_started):
            self._metrics.record_file_success(source.size)  # our own copy; only its reply was lost
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
        )

    def _copy_pinned(self, request: CopyRequest) -> None:
        if request.source.size > self._limits.single_copy_bytes:
            self._copy_in_parts(request)
        else:
            self._sender.send(lambda: self._destination.copy_object(request))

    def _copy_in_parts(self, request: CopyRequest) -> None:
        key = request.source.key
        details = self._sender.send(lambda: self._source.head_object(key))
        if details is None:
            raise _gone(request.source)
        if details.object.etag.strip('"') != request.source.etag.strip('"'):
            msg = "the source has another ETag than when it was listed"
            raise ConditionError(msg, code="PreconditionFailed")
        tags = (
            self._sender.send(lambda: self._source.object_tags(key))
            if details.tag_count and request.options.tags == "copy"
            else {}
        )
        upload_id = self._sender.send(
            lambda: self._destination.create_multipart_upload(request, details, tags)
        )
        try:
            etags = self._copy_all_parts(request, upload_id)
            self._sender.send(lambda: self._destination.complete_multipart_upload(request, upload_id, etags))
        except BaseException as error:
            self._abort(request, upload_id)
            if not self._completed_after_all(request, details, error):
                raise

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
    ) -> bool:
        """Rule 7: a lost reply to the completion looks like a missing upload; the object tells."""
        if not isinstance(error, CopyError) or error.code != "NoSuchUpload":
            return False
        theirs = self._sender.send(lambda: self._destination.head_object(request.key))
        found = theirs.object if theirs else None
        return is_copied_earlier(details.object, found, self._job.run_started)


def _gone(source: S3Object) -> MissingError:
    return MissingError(f"{source.key!r} is gone", code="NoSuchKey")
