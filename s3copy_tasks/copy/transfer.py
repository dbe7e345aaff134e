"""Makes one copy: in one request, in parts, or through memory. Leaves no upload open."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import TYPE_CHECKING

import structlog

from s3copy_tasks.copy.relay import Relay
from s3copy_tasks.copy.uploads import OpenUpload, UploadRecord
from s3copy_tasks.core.decide import is_copied_earlier
from s3copy_tasks.core.multipart import LIMITS, RELAY_LIMITS, Limits, part_bytes, part_ranges, takes_parts
from s3copy_tasks.core.objects import same_etag
from s3copy_tasks.core.verify import Confirmation
from s3copy_tasks.errors import AccessError, ConditionError, CopyError, MissingError, RequestError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from s3copy_tasks.core.job import EffectiveJob, EntryId
    from s3copy_tasks.core.objects import ObjectDetails, S3Object
    from s3copy_tasks.core.store import CopyRequest
    from s3copy_tasks.engine.paced_store import PacedStores

log = structlog.get_logger(__name__)


class Transfer:
    """Copies the object of a request, exactly in the version that was listed.

    Args:
        job: the run.
        stores: the source sends HEADs, and reads for a relay. The destination copies: it must be allowed to
            read the source, unless the job is relayed.
        uploads: remembers open uploads.
        limits: at which a copy becomes a multipart copy; None means S3's, or the relay's.
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
        self._starting_parts = asyncio.Lock()
        self._are_parts_refused = False

    async def copy(self, request: CopyRequest) -> Confirmation:
        """Copy an object; return what S3 confirmed.

        Raises:
            ConditionError: source or destination is not the object that the request names.
            CopyError: any other failure; no upload is left open.
        """
        source = request.source
        if self._relay is not None:
            self._relay.check_size(source.size, self._limits)
        elif source.size <= self._limits.single_copy_bytes:
            if takes_parts(source.size, self._limits, is_multipart=source.is_multipart):
                return await self._try_in_parts(request)
            return await self._destination.copy_object(request)
        return await self._copy_in_parts(request, await self._read_tags(request))

    async def _try_in_parts(self, request: CopyRequest) -> Confirmation:
        """Copy in parts because that is faster; in one request if parts are refused, or may lose tags.

        Parts need more rights and more of a server: docs/design/large-objects.md.
        """
        refused: CopyError | None = None
        if not self._are_parts_refused:
            try:
                tags = await self._read_tags(request)
                if not tags:
                    return await self._copy_in_parts(request, tags)
            except (AccessError, RequestError) as error:
                refused = error
        confirmed = await self._destination.copy_object(request)
        if refused is not None:
            self._are_parts_refused = True
            log.warning("parts refused", key=request.key, code=refused.code, error=refused.message)
        return confirmed

    async def _copy_in_parts(self, request: CopyRequest, tags: Mapping[str, str]) -> Confirmation:
        details = await self._head_source(request)  # after the tags: only its version is copied
        if self._relay is not None and not request.source.size:
            return await self._relay.copy_empty(request, details, tags)
        return await self._upload_parts(request, details, tags)

    async def _head_source(self, request: CopyRequest) -> ObjectDetails:
        """Head the source for the details that a multipart copy must set itself.

        A size that is wrong, as a list may have it, would cut the copy.
        """
        origin = request.source
        details = await self._source.head_object(
            origin.key, version_id=origin.version_id, entry=request.entry
        )
        if details is None:
            raise make_missing_error(origin)
        if not same_etag(details.object.etag, origin.etag) or details.object.size != origin.size:
            msg = "the source has another ETag or size than when it was listed"
            raise ConditionError(msg, code="PreconditionFailed")
        return details

    async def _read_tags(self, request: CopyRequest) -> Mapping[str, str]:
        if request.options.tags != "copy":  # a HEAD counts them only for principals that may read them
            return {}
        origin = request.source
        return await self._source.object_tags(origin.key, version_id=origin.version_id, entry=request.entry)

    async def _upload_parts(
        self, request: CopyRequest, details: ObjectDetails, tags: Mapping[str, str]
    ) -> Confirmation:
        upload_id = await self._destination.create_multipart_upload(request, details, tags)
        upload = OpenUpload(key=request.key, upload_id=upload_id, source_etag=request.source.etag)
        try:
            await asyncio.to_thread(self._uploads.opened, upload)  # it may call Airflow
            etags = await self._copy_all_parts(request, upload_id)
            confirmed = await self._complete(request, details, upload_id, etags)
        except BaseException as error:
            await self._abort(upload, request.entry)
            if isinstance(error, CopyError) and error.code == "NoSuchUpload":  # another client ended it
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
            return await self._check_completed(request, details, error)

    async def _copy_all_parts(self, request: CopyRequest, upload_id: str) -> dict[int, str]:
        """Copy parts in parallel; after a failure no part starts, and this waits for those in progress.

        One part of all objects waits for its start at a time, as one small object does: else small objects
        would wait behind all parts of a large one. Objects start their parts one after the other, so few are
        incomplete when a batch is interrupted (docs/design/large-objects.md).
        """
        etags: dict[int, str] = {}
        failures: list[BaseException] = []

        async def copy_part(number: int, first: int, last: int, started: asyncio.Event) -> None:
            try:
                etags[number] = await self._copy_part(request, upload_id, number, first, last, started.set)
            except BaseException as error:  # noqa: BLE001 - an abort must not overtake a part
                failures.append(error)
            finally:
                started.set()

        is_one = request.source.size <= part_bytes(request.source.size, self._limits)
        async with asyncio.TaskGroup() as parts, nullcontext() if is_one else self._starting_parts:
            for number, first, last in part_ranges(request.source.size, self._limits):
                started = asyncio.Event()
                parts.create_task(copy_part(number, first, last, started))
                await started.wait()
                if failures:
                    break
        if failures:
            raise failures[0]
        return etags

    async def _copy_part(
        self,
        request: CopyRequest,
        upload_id: str,
        number: int,
        first: int,
        last: int,
        on_start: Callable[[], None],
    ) -> str:
        copier = self._destination if self._relay is None else self._relay
        return await copier.copy_part(request, upload_id, number, first, last, on_start=on_start)

    async def _abort(self, upload: OpenUpload, entry: EntryId) -> None:
        try:
            await self._destination.abort_multipart_upload(
                upload.key, upload.upload_id, entry=entry, cleans_up=True
            )
        except CopyError as error:
            log.error("upload left behind", key=upload.key, upload_id=upload.upload_id, code=error.code)
        else:
            await asyncio.to_thread(self._uploads.closed, upload)

    async def _check_completed(
        self, request: CopyRequest, details: ObjectDetails, error: CopyError
    ) -> Confirmation:
        """Check the object: if the reply to the completion was lost, the upload seems to be missing (rule 7).

        Raises:
            ConditionError: it was not completed: another client ended the upload.
        """
        destination = await self._destination.head_object(request.key, entry=request.entry)
        found = destination.object if destination else None
        if found is None or not is_copied_earlier(details.object, found, self._run_started):
            raise ConditionError(error.message, code=error.code) from error
        return Confirmation(etag=None)  # not verified: another client may have written it


def make_missing_error(source: S3Object) -> MissingError:
    """Return the error for an object that is gone."""
    return MissingError(f"{source.key!r} is gone", code="NoSuchKey")
