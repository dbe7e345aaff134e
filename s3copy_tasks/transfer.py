"""Makes one copy: in one request, in parts, or through memory; and leaves no upload open."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import structlog

from s3copy_tasks.attempt import OpenUpload, UploadRecord
from s3copy_tasks.core.arrival import Confirmation
from s3copy_tasks.core.keys import is_copied_earlier
from s3copy_tasks.core.multipart import LIMITS, Limits, part_ranges
from s3copy_tasks.errors import ConditionError, CopyError, MissingError
from s3copy_tasks.relay import RELAY_LIMITS, Relay

if TYPE_CHECKING:
    from collections.abc import Mapping

    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.objects import ObjectDetails, S3Object
    from s3copy_tasks.core.store import CopyRequest
    from s3copy_tasks.listing import Stores
    from s3copy_tasks.sender import Sender

log = structlog.get_logger(__name__)


class Transfer:
    """Copies what a request names, exactly as it was listed.

    Args:
        job: the run.
        stores: the source looks, and reads for a relay; the destination copies: it needs to read the source,
            too, unless the job is relayed.
        sender: the budget of requests.
        uploads: remembers what is open.
        limits: where a copy becomes a multipart copy; None stands for S3's, or a relay's.
    """

    def __init__(
        self,
        job: EffectiveJob,
        stores: Stores,
        sender: Sender,
        uploads: UploadRecord,
        limits: Limits | None = None,
    ) -> None:
        self._run_started = job.run_started
        self._source = stores.source
        self._destination = stores.destination
        self._sender = sender
        self._uploads = uploads
        self._relay = Relay(stores.source, stores.destination, sender) if job.relayed else None
        self._limits = limits or (RELAY_LIMITS if job.relayed else LIMITS)
        self._parts = ThreadPoolExecutor(job.transfer.concurrency, thread_name_prefix="s3copy-part")

    def close(self) -> None:
        """Wait for the parts under way; no other starts."""
        self._parts.shutdown(wait=True, cancel_futures=True)

    def copy(self, request: CopyRequest) -> Confirmation:
        """Copy an object; return what S3 confirmed.

        Raises:
            ConditionError: source or destination is another one than the request names.
            CopyError: any other failure; no upload is left open.
        """
        is_small = request.source.size <= self._limits.single_copy_bytes
        if is_small and self._relay is None:
            return self._sender.send(lambda: self._destination.copy_object(request))
        if self._relay is not None:
            self._relay.check_size(request.source.size, self._limits)
        tags, details = self._tags(request), self._details(request)  # in this order: the last look is pinned
        if self._relay is not None and not request.source.size:
            return self._relay.copy_empty(request, details, tags)
        return self._copy_in_parts(request, details, tags)

    def _details(self, request: CopyRequest) -> ObjectDetails:
        """Look at the source for what a multipart copy must carry by itself."""
        origin = request.source
        details = self._sender.send(
            lambda: self._source.head_object(origin.key, version_id=origin.version_id)
        )
        if details is None:
            raise gone(origin)
        if details.object.etag.strip('"') != origin.etag.strip('"'):
            msg = "the source has another ETag than when it was listed"
            raise ConditionError(msg, code="PreconditionFailed")
        return details

    def _tags(self, request: CopyRequest) -> Mapping[str, str]:
        if request.options.tags != "copy":  # HEAD counts them only for who may read them
            return {}
        origin = request.source
        return self._sender.send(lambda: self._source.object_tags(origin.key, version_id=origin.version_id))

    def _copy_in_parts(
        self, request: CopyRequest, details: ObjectDetails, tags: Mapping[str, str]
    ) -> Confirmation:
        upload_id = self._sender.send(
            lambda: self._destination.create_multipart_upload(request, details, tags)
        )
        upload = OpenUpload(key=request.key, upload_id=upload_id, source_etag=request.source.etag)
        try:
            self._uploads.opened(upload)
            etags = self._copy_all_parts(request, upload_id)
            confirmed = self._sender.send(
                lambda: self._destination.complete_multipart_upload(request, upload_id, etags)
            )
        except BaseException as error:
            self._abort(upload)
            if not isinstance(error, CopyError) or error.code != "NoSuchUpload":
                raise
            return self._completed_after_all(request, details, error)
        self._uploads.closed(upload)
        return confirmed

    def _copy_all_parts(self, request: CopyRequest, upload_id: str) -> dict[int, str]:
        def copy_part(part: tuple[int, int, int]) -> tuple[int, str]:
            number, first, last = part
            if self._relay is not None:
                return number, self._relay.copy_part(request, upload_id, number, first, last)
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

    def _abort(self, upload: OpenUpload) -> None:
        try:
            self._sender.send(
                lambda: self._destination.abort_multipart_upload(upload.key, upload.upload_id), cleans_up=True
            )
        except CopyError as error:
            log.error("upload left behind", key=upload.key, upload_id=upload.upload_id, code=error.code)
        else:
            self._uploads.closed(upload)

    def _completed_after_all(
        self, request: CopyRequest, details: ObjectDetails, error: CopyError
    ) -> Confirmation:
        """Rule 7: a lost reply to the completion looks like a missing upload; the object tells.

        Raises:
            ConditionError: it was not completed: somebody else ended the upload.
        """
        theirs = self._sender.send(lambda: self._destination.head_object(request.key))
        found = theirs.object if theirs else None
        if found is None or not is_copied_earlier(details.object, found, self._run_started):
            raise ConditionError(error.message, code=error.code) from error
        return Confirmation(etag=found.etag)


def gone(source: S3Object) -> MissingError:
    """Return the error for an object that is not there any more."""
    return MissingError(f"{source.key!r} is gone", code="NoSuchKey")
