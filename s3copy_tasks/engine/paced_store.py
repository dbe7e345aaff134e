"""A store whose requests wait for their turn, are retried, and are counted.

Each method names its kind of request here, so the counts match what is sent.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from s3copy_tasks.engine.head_sender import HeadSender
from s3copy_tasks.engine.many_deletes import ManyDeletes, OneDelete

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
    from datetime import datetime

    from s3copy_tasks.core.job import EntryId
    from s3copy_tasks.core.objects import ObjectDetails, S3Object
    from s3copy_tasks.core.queue import MessageQueue
    from s3copy_tasks.core.store import (
        CopyRequest,
        Deleted,
        DeleteRequest,
        Page,
        Store,
        Stores,
        UploadMarker,
        UploadPage,
        VersionPage,
        VersionPlace,
    )
    from s3copy_tasks.core.verify import Confirmation
    from s3copy_tasks.engine.sender import Sender
    from s3copy_tasks.errors import CopyError


class PacedStore:
    """The methods of a store, with each request sent by a `Sender`: see there for attempts and errors.

    Requests are counted by the job's entries. The entry is the argument `entry`, an index of a prefix or None
    for the job's `objects`, or else the request's.

    Args:
        store: makes one request for each method.
        sender: the budget of requests.
        behind_seconds: added to the date of each object: the server's clock is so far behind.
    """

    def __init__(self, store: Store, sender: Sender, *, behind_seconds: int = 0) -> None:
        self._store = store
        self._sender = sender
        self._behind = timedelta(seconds=behind_seconds)
        self._send = sender.send
        self._count_sent = sender.count_sent
        self._heads = HeadSender(store, sender)

    def list_page(
        self, prefix: str, *, after: str | None, token: str | None, recursive: bool, entry: EntryId = None
    ) -> Coroutine[Any, Any, Page]:
        """Return a page of the keys that start with `prefix` and come after the whole key `after`."""
        call = partial(self._store.list_page, prefix, after=after, token=token, recursive=recursive)
        if self._behind:
            call = partial(_correct_page, call, self._behind)
        return self._send("ListObjectsV2", call, entry=entry)

    async def known_page(self, page: Page, entry: EntryId = None) -> Page:
        """Return a page that was requested before, and count its request."""
        self._count_sent("ListObjectsV2", entry)
        return page

    def head_object(
        self, key: str, *, version_id: str | None = None, checksums: bool = False, entry: EntryId = None
    ) -> Coroutine[Any, Any, ObjectDetails | None]:
        """Return an object's details; None if there is no such object: see `HeadSender`."""
        call = partial(self._store.head_object, key, version_id=version_id, checksums=checksums)
        if self._behind:
            call = partial(_correct_details, call, self._behind)
        return self._heads.send(call, key, entry)

    def object_tags(
        self, key: str, *, version_id: str | None = None, entry: EntryId = None
    ) -> Coroutine[Any, Any, Mapping[str, str]]:
        """Return an object's tags."""
        call = partial(self._store.object_tags, key, version_id=version_id)
        return self._send("GetObjectTagging", call, entry=entry)

    def server_time(self, prefix: str = "") -> Coroutine[Any, Any, datetime | None]:
        """Return the server's time, from the reply to a listing below `prefix`; None if it does not say."""
        return self._send("ListObjectsV2", partial(self._store.server_time, prefix))

    def copy_object(self, request: CopyRequest) -> Coroutine[Any, Any, Confirmation]:
        """Copy an object of at most 5 GiB; return what S3 confirmed."""
        call = partial(self._store.copy_object, request)
        return self._send("CopyObject", call, entry=request.entry, size=request.source.size)

    def create_multipart_upload(
        self, request: CopyRequest, details: ObjectDetails, tags: Mapping[str, str]
    ) -> Coroutine[Any, Any, str]:
        """Start a multipart copy that keeps everything that a small copy keeps; return the upload id."""
        call = partial(self._store.create_multipart_upload, request, details, tags)
        return self._send("CreateMultipartUpload", call, entry=request.entry)

    def copy_part(
        self,
        request: CopyRequest,
        upload_id: str,
        number: int,
        first_byte: int,
        last_byte: int,
        *,
        on_start: Callable[[], None] = lambda: None,
    ) -> Coroutine[Any, Any, str]:
        """Copy a part, both bytes inclusive; return its ETag. Each attempt calls `on_start` at its start."""

        def call() -> Awaitable[str]:
            on_start()
            return self._store.copy_part(request, upload_id, number, first_byte, last_byte)

        return self._send("UploadPartCopy", call, entry=request.entry, size=last_byte - first_byte + 1)

    def complete_multipart_upload(
        self, request: CopyRequest, upload_id: str, etags: Mapping[int, str]
    ) -> Coroutine[Any, Any, Confirmation]:
        """Make the object from its parts, given ETags by part number; return what S3 confirmed."""
        call = partial(self._store.complete_multipart_upload, request, upload_id, etags)
        return self._send("CompleteMultipartUpload", call, entry=request.entry)

    def abort_multipart_upload(
        self, key: str, upload_id: str, *, entry: EntryId = None, cleans_up: bool = False
    ) -> Coroutine[Any, Any, None]:
        """Drop an upload and its parts; with `cleans_up` even after the sender was stopped."""
        call = partial(self._store.abort_multipart_upload, key, upload_id)
        return self._send("AbortMultipartUpload", call, entry=entry, cleans_up=cleans_up)

    def list_uploads(
        self, prefix: str, *, after: UploadMarker | None, entry: EntryId = None
    ) -> Coroutine[Any, Any, UploadPage]:
        """Return a page of the open uploads to keys that start with `prefix` and come after a marker."""
        call = partial(self._store.list_uploads, prefix, after=after)
        return self._send("ListMultipartUploads", call, entry=entry)

    def get_bytes(
        self, source: S3Object, first_byte: int, last_byte: int, *, entry: EntryId = None
    ) -> Coroutine[Any, Any, bytes]:
        """Return a range of an object that still has its listed ETag, both bytes inclusive."""
        call = partial(self._store.get_bytes, source, first_byte, last_byte)
        return self._send("GetObject", call, entry=entry)

    def put_object(
        self, request: CopyRequest, details: ObjectDetails, tags: Mapping[str, str], body: bytes
    ) -> Coroutine[Any, Any, Confirmation]:
        """Write an object that keeps everything that a small copy keeps; return what S3 confirmed."""
        call = partial(self._store.put_object, request, details, tags, body)
        return self._send("PutObject", call, entry=request.entry, size=len(body))

    def put_bytes(
        self, key: str, body: bytes, content_type: str, *, entry: EntryId = None, cleans_up: bool = False
    ) -> Coroutine[Any, Any, None]:
        """Write an object of this run's own; with `cleans_up` even after the sender was stopped."""
        call = partial(self._store.put_bytes, key, body, content_type)
        return self._send("PutObject", call, entry=entry, cleans_up=cleans_up)

    def put_part(
        self, request: CopyRequest, upload_id: str, number: int, body: bytes
    ) -> Coroutine[Any, Any, str]:
        """Write a part; return its ETag."""
        call = partial(self._store.put_part, request, upload_id, number, body)
        return self._send("UploadPart", call, entry=request.entry, size=len(body))

    def is_versioned(self) -> Coroutine[Any, Any, bool]:
        """Return whether the bucket's versioning is enabled; suspended is not enabled."""
        return self._send("GetBucketVersioning", self._store.is_versioned)

    def delete_object(self, request: DeleteRequest, *, entry: EntryId = None) -> Coroutine[Any, Any, Deleted]:
        """Delete the current version of an object, if it still has its ETag."""
        call = OneDelete(self._store, request, partial(self._count_sent, "HeadObject", entry))
        return self._send("DeleteObject", call, entry=entry)

    def delete_objects(
        self, requests: Sequence[DeleteRequest], *, entry: EntryId = None
    ) -> Coroutine[Any, Any, Mapping[str, Deleted | CopyError]]:
        """Delete at most 1,000 objects, each if it still has its ETag; return what became of each.

        For the rate, each of them counts as a request. Those that S3 asks to slow down are sent again.
        """
        return ManyDeletes(self._store, requests).send(self._sender, entry)

    def list_versions(
        self, prefix: str, *, after: VersionPlace | None, entry: EntryId = None
    ) -> Coroutine[Any, Any, VersionPage]:
        """Return a page of the versions and delete markers of keys that start with `prefix`."""
        call = partial(self._store.list_versions, prefix, after=after)
        return self._send("ListObjectVersions", call, entry=entry)

    def delete_marker(self, key: str, version_id: str, *, entry: EntryId = None) -> Coroutine[Any, Any, None]:
        """Delete a delete marker for good; not an error if it is already gone."""
        return self._send("DeleteObject", partial(self._store.delete_marker, key, version_id), entry=entry)


@dataclass(frozen=True, slots=True, kw_only=True)
class PacedStores:
    """Both sides of a job, with one budget of requests. The destination signs the copies.

    Attributes:
        source: the source bucket with the source's credentials.
        destination: the destination bucket with the destination's.
        lists: the bucket of the list that names the keys; None if prefixes are listed.
        results: the bucket where results are written; None if none are.
        queue: the queue that names the keys; None if there is none. Its requests are not paced.
    """

    source: PacedStore
    destination: PacedStore
    lists: PacedStore | None = None
    results: PacedStore | None = None
    queue: MessageQueue | None = None


def pace_stores(stores: Stores, sender: Sender, *, source_behind_seconds: int = 0) -> PacedStores:
    """Return both sides, with all requests sent by one sender; the source's objects by the other's clock."""
    return PacedStores(
        source=PacedStore(stores.source, sender, behind_seconds=source_behind_seconds),
        destination=PacedStore(stores.destination, sender),
        lists=None if stores.lists is None else PacedStore(stores.lists, sender),
        results=None if stores.results is None else PacedStore(stores.results, sender),
        queue=stores.queue,
    )


async def _correct_page(call: Callable[[], Awaitable[Page]], behind: timedelta) -> Page:
    page = await call()
    return replace(page, objects=tuple(_correct(listed, behind) for listed in page.objects))


async def _correct_details(
    call: Callable[[], Awaitable[ObjectDetails | None]], behind: timedelta
) -> ObjectDetails | None:
    details = await call()
    return details and replace(details, object=_correct(details.object, behind))


def _correct(found: S3Object, behind: timedelta) -> S3Object:
    return replace(found, last_modified=found.last_modified + behind)
