"""What an attempt of a batch knows: of earlier attempts, whose uploads it aborts, and of its own plan."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import structlog

from s3copy_tasks.core.objects import LEFT_OUT
from s3copy_tasks.core.pages import PageTrail
from s3copy_tasks.core.store import UploadMarker
from s3copy_tasks.core.uploads import EarlierUploads, RowSource, UploadOwner, find_upload_spans
from s3copy_tasks.engine.loop import wait_for
from s3copy_tasks.errors import CopyError
from s3copy_tasks.plan.kept import KeptDecisions
from s3copy_tasks.plan.row_keys import RowKeys

if TYPE_CHECKING:
    from collections.abc import Sequence

    from s3copy_tasks.core.batch import Batch
    from s3copy_tasks.core.job import EffectiveJob, EntryId
    from s3copy_tasks.core.request_counts import Requests
    from s3copy_tasks.core.store import ListedUpload
    from s3copy_tasks.core.uploads import UploadSpan
    from s3copy_tasks.engine.paced_store import PacedStore, PacedStores

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenUpload:
    """A multipart upload that was started and neither completed nor aborted.

    Attributes:
        key: of the destination.
        upload_id: S3's.
        source_etag: of what it copies; None if that is not known.
    """

    key: str
    upload_id: str
    source_etag: str | None = None


class UploadRecord(Protocol):
    """Remembers open uploads across the attempts of one task; called from many threads."""

    def left(self, batch: Batch, /) -> Sequence[OpenUpload]:
        """Return the uploads that earlier attempts left open, at least those of this batch."""

    def opened(self, upload: OpenUpload) -> None:
        """Remember an upload, before its first part."""

    def closed(self, upload: OpenUpload) -> None:
        """Forget an upload that was completed or aborted."""


class NoRecord:
    """Remembers nothing: for tasks that are never retried."""

    def left(self, _: Batch, /) -> Sequence[OpenUpload]:
        """Return nothing."""
        return ()

    def opened(self, upload: OpenUpload) -> None:
        """Do nothing."""

    def closed(self, upload: OpenUpload) -> None:
        """Do nothing."""


class ListedUploads(NoRecord):
    """Finds what earlier attempts left by listing the destination's uploads: for tasks that remember nothing.

    Args:
        job: the run; only uploads that were started after it are checked.
        stores: both sides: the destination has the uploads; an upload to a key that the source lacks is not
            this run's.
        initiator: ARN of the principal that signs the copies, as listings show it; None if it is not known.
    """

    def __init__(self, job: EffectiveJob, stores: PacedStores, initiator: str | None) -> None:
        self._job = job
        self._stores = stores
        self._source = stores.source
        self._destination = stores.destination
        self._initiator = initiator

    def left(self, batch: Batch, /) -> Sequence[OpenUpload]:
        """Return the uploads to keys of the batch that this run's principal started in this run.

        Returns nothing, and logs a warning, if they can't be listed: a batch does not fail for that.
        """
        try:
            earlier = EarlierUploads(self._job, batch, self._initiator, self._read_rows(batch))
            found = wait_for(self._list_spans(find_upload_spans(self._job, batch), earlier))
        except CopyError as error:
            log.warning("uploads of earlier tries are not known", code=error.code, error=error.message)
            return ()
        for upload, owner in found.items():
            if owner is UploadOwner.UNKNOWN:
                log.warning(
                    "upload left alone: it may be of others", key=upload.key, upload_id=upload.upload_id
                )
        return [
            OpenUpload(key=upload.key, upload_id=upload.upload_id)
            for upload, owner in found.items()
            if owner is UploadOwner.THIS_RUN
        ]

    def _read_rows(self, batch: Batch) -> dict[str, RowSource]:
        """Return the rows of the batch's ranges, if a list names its keys."""
        if self._job.key_list is None:
            return {}
        keys = RowKeys(self._job, self._job.key_list, self._stores)
        return {
            found.key: RowSource(found.entry, found.source_key, found.version_id)
            for key_range in batch.ranges
            for found in keys.find_range(key_range)
            if found.decision not in LEFT_OUT
        }

    async def _list_spans(
        self, spans: Sequence[UploadSpan], earlier: EarlierUploads
    ) -> dict[ListedUpload, UploadOwner]:
        """List the first range alone: if that is denied, so are the others."""
        found = await self._list_span(spans[0], earlier)
        for more in await asyncio.gather(*(self._list_span(span, earlier) for span in spans[1:])):
            found |= more
        return found

    async def _list_span(self, span: UploadSpan, earlier: EarlierUploads) -> dict[ListedUpload, UploadOwner]:
        """Return the uploads of a range, without those of other clients: there may be many."""
        found: dict[ListedUpload, UploadOwner] = {}
        marker = None if span.after is None else UploadMarker(key=span.after)
        trail = PageTrail()
        while True:
            page = await self._destination.list_uploads(span.prefix, after=marker, entry=span.entry)
            judged = ((upload, earlier.find_owner(upload)) for upload in page.uploads)
            found |= {upload: owner for upload, owner in judged if owner is not UploadOwner.OTHERS}
            if page.marker is None or page.marker.key > span.through:
                return await self._confirm(found, span.entry, earlier)
            error = trail.check(page.marker, leads_on=False)
            if error is not None:
                raise error
            marker = page.marker

    async def _confirm(
        self, found: dict[ListedUpload, UploadOwner], entry: EntryId, earlier: EarlierUploads
    ) -> dict[ListedUpload, UploadOwner]:
        """Keep as this run's only uploads to keys that the source has: other jobs may use the same role."""
        own = [upload for upload, owner in found.items() if owner is UploadOwner.THIS_RUN]
        at_source = await asyncio.gather(*(self._is_at_source(upload.key, entry, earlier) for upload in own))
        missing = (upload for upload, is_there in zip(own, at_source, strict=True) if not is_there)
        return found | dict.fromkeys(missing, UploadOwner.UNKNOWN)

    async def _is_at_source(self, key: str, entry: EntryId, earlier: EarlierUploads) -> bool:
        """Say whether the batch has an object to copy to a key; if that can't be checked, say no."""
        for source, version_id in earlier.find_sources(key):
            try:
                if await self._source.head_object(source, version_id=version_id, entry=entry) is not None:
                    return True
            except CopyError as error:
                log.warning("source of an upload is not known", key=source, code=error.code)
        return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt of a batch, or of a run.

    Attributes:
        retried: an earlier attempt may have copied something.
        uploads: those that earlier attempts left, and those of this attempt.
        requests: those that earlier attempts sent; None means that they are not known, if there were any.
        kept: decisions of the plan that was made for this attempt; its ranges are not listed again.
    """

    retried: bool = False
    uploads: UploadRecord = field(default_factory=NoRecord)
    requests: Requests | None = None
    kept: KeptDecisions = field(default_factory=KeptDecisions)

    def abort_left(self, destination: PacedStore, batch: Batch) -> None:
        """Abort exactly the uploads that earlier attempts of this task left, and no others (rule 7).

        Args:
            destination: has the uploads.
            batch: about to be copied; the requests are counted for its first entry.
        """
        for upload in self.uploads.left(batch):
            try:
                wait_for(
                    destination.abort_multipart_upload(
                        upload.key, upload.upload_id, entry=batch.ranges[0].entry
                    )
                )
            except CopyError as error:
                log.error("upload left behind", key=upload.key, upload_id=upload.upload_id, code=error.code)
            else:
                log.info("upload of an earlier try aborted", key=upload.key, upload_id=upload.upload_id)
                self.uploads.closed(upload)
