"""Makes one copy: in one request, in parts, or through memory; and leaves no upload open."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import structlog

from s3copy_tasks.copy.relay import RELAY_LIMITS, Relay
from s3copy_tasks.copy.uploads import OpenUpload, UploadRecord
from s3copy_tasks.core.decide import is_copied_earlier
from s3copy_tasks.core.multipart import LIMITS, Limits, part_ranges
from s3copy_tasks.core.verify import Confirmation
from s3copy_tasks.errors import ConditionError, CopyError, MissingError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from s3copy_tasks.core.job import EffectiveJob, EntryId
    from s3copy_tasks.core.objects import ObjectDetails, S3Object
    from s3copy_tasks.core.store import CopyRequest
    from s3copy_tasks.engine.paced_store import PacedStores

log = structlog.get_logger(__name__)


class Transfer:
    """Copies what a request names, exactly as it was listed.

    Args:
        job: the run.
        stores: the source looks, and reads for a relay; the destination copies: it needs to read the source,
            too, unless the job is relayed.
        uploads: remembers what is open.
        limits: where a copy becomes a multipart copy; None stands for S3's, or a relay's.
    """

    def __init__(
        self,
        job: EffectiveJob,
        stores: PacedStores,
        uploads: UploadRecord,
        limits: Limits | None = None,
    ) -> None:
        self._run_started = job.run_started
        self._source = stores.source
        self._destination = stores.destination
        self._uploads = uploads
        self._relay = Relay(stores) if job.relayed else None
        self._limits = limits or (RELAY_LIMITS if job.relayed else LIMITS)
        self._parts_at_once = job.transfer.concurrency

    async def copy(self, request: CopyRequest) -> Confirmation:
        """Copy an object; return what S3 confirmed.

        Raises:
            ConditionError: source or destination is another one than the request names.
            CopyError: any other failure; no upload is left open.
        """
        is_small = request.source.size <= self._limits.single_copy_bytes
        if is_small and self._relay is None:
            return await self._destination.copy_object(request)
        if self._relay is not None:
            self._relay.check_size(request.source.size, self._limits)
        tags = await self._tags(request)  # before the details: the last look is pinned
        details = await self._details(request)
        if self._relay is not None and not request.source.size:
            return await self._relay.copy_empty(request, details, tags)
        return await self._copy_in_parts(request, details, tags)

    async def _details(self, request: CopyRequest) -> ObjectDetails:
        """Look at the source for what a multipart copy must carry by itself."""
        origin = request.source
        details = await self._source.head_object(
            origin.key, version_id=origin.version_id, entry=request.entry
        )
        if details is None:
            raise make_missing_error(origin)
        if details.object.etag.strip('"') != origin.etag.strip('"'):
            msg = "the source has another ETag than when it was listed"
            raise ConditionError(msg, code="PreconditionFailed")
        return details

    async def _tags(self, request: CopyRequest) -> Mapping[str, str]:
        if request.options.tags != "copy":  # HEAD counts them only for who may read them
            return {}
        origin = request.source
        return await self._source.object_tags(origin.key, version_id=origin.version_id, entry=request.entry)

    async def _copy_in_parts(
        self, request: CopyRequest, details: ObjectDetails, tags: Mapping[str, str]
    ) -> Confirmation:
        upload_id = await self._destination.create_multipart_upload(request, details, tags)
        upload = OpenUpload(key=request.key, upload_id=upload_id, source_etag=request.source.etag)
        try:
            await asyncio.to_thread(self._uploads.opened, upload)  # it may ask Airflow
            etags = await self._copy_all_parts(request, upload_id)
            confirmed = await self._complete(request, details, upload_id, etags)
        except BaseException as error:
            await self._abort(upload, request.entry)
            if isinstance(error, CopyError) and error.code == "NoSuchUpload":  # somebody else ended it
                raise ConditionError(error.message, code=error.code) from error
            raise
        await asyncio.to_thread(self._uploads.closed, upload)
        return confirmed

    async def _complete(
        self, request: CopyRequest, details: ObjectDetails, upload_id: str, etags: Mapping[int, str]
    ) -> Confirmation:
        try:
            return await self._destination.complete_multipart_upload(request, upload_id, etags)
        except CopyError as error:
            if error.code != "NoSuchUpload" or not error.may_be_done:
                raise
            return await self._completed_after_all(request, details, error)

    async def _copy_all_parts(self, request: CopyRequest, upload_id: str) -> dict[int, str]:
        """Copy parts side by side; after a failure none starts, and those under way are waited for."""
        ranges = part_ranges(request.source.size, self._limits)
        etags: dict[int, str] = {}
        failures: list[BaseException] = []

        async def copy_one_after_the_other() -> None:
            for number, first, last in ranges:
                if failures:
                    return
                try:
                    etags[number] = await self._copy_part(request, upload_id, number, first, last)
                except BaseException as error:  # noqa: BLE001 - an abort must not overtake a part
                    failures.append(error)

        await asyncio.gather(*(copy_one_after_the_other() for _ in range(self._parts_at_once)))
        if failures:
            raise failures[0]
        return etags

    async def _copy_part(
        self, request: CopyRequest, upload_id: str, number: int, first: int, last: int
    ) -> str:
        if self._relay is not None:
            return await self._relay.copy_part(request, upload_id, number, first, last)
        return await self._destination.copy_part(request, upload_id, number, first, last)

    async def _abort(self, upload: OpenUpload, entry: EntryId) -> None:
        try:
            await self._destination.abort_multipart_upload(
                upload.key, upload.upload_id, entry=entry, cleans_up=True
            )
        except CopyError as error:
            log.error("upload left behind", key=upload.key, upload_id=upload.upload_id, code=error.code)
        else:
            await asyncio.to_thread(self._uploads.closed, upload)

    async def _completed_after_all(
        self, request: CopyRequest, details: ObjectDetails, error: CopyError
    ) -> Confirmation:
        """Rule 7: a lost reply to the completion looks like a missing upload; the object tells.

        Raises:
            ConditionError: it was not completed: somebody else ended the upload.
        """
        theirs = await self._destination.head_object(request.key, entry=request.entry)
        found = theirs.object if theirs else None
        if found is None or not is_copied_earlier(details.object, found, self._run_started):
            raise ConditionError(error.message, code=error.code) from error
        return Confirmation(etag=None)  # it may yet be somebody else's


def make_missing_error(source: S3Object) -> MissingError:
    """Return the error for an object that is not there any more."""
    return MissingError(f"{source.key!r} is gone", code="NoSuchKey")
