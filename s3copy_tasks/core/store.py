"""The interface to a bucket: S3 implements it, and so do fakes in tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    from s3copy_tasks.core.job import EntryId
    from s3copy_tasks.core.objects import ObjectDetails, S3Object
    from s3copy_tasks.core.options import ObjectOptions
    from s3copy_tasks.core.queue import MessageQueue
    from s3copy_tasks.core.verify import Confirmation
    from s3copy_tasks.errors import CopyError

ABSENT = "*"
"""The guard of a copy to a key that does not exist at the destination."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of a listing.

    Attributes:
        objects: at most 1,000, in S3's order.
        token: opens the next page; None after the last.
        server_time: when the server answered, in whole seconds; None if it does not say.
    """

    objects: tuple[S3Object, ...]
    token: str | None
    server_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedUpload:
    """An open multipart upload, as a listing returns it.

    Attributes:
        key: of the destination.
        upload_id: S3's.
        initiated: when it was started, by the server's clock.
        initiator: ARN of the role or the user that started it; None if the server does not name it.
    """

    key: str
    upload_id: str
    initiated: datetime
    initiator: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadMarker:
    """A place in a listing of uploads.

    Attributes:
        key: only uploads to keys after it are listed, except for the next line.
        upload_id: uploads to this key that come after this id are listed, too; None lists none of them.
    """

    key: str
    upload_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadPage:
    """A page of a listing of uploads.

    Attributes:
        uploads: at most 1,000, by key.
        marker: the next page begins after it; None after the last.
    """

    uploads: tuple[ListedUpload, ...]
    marker: UploadMarker | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedVersion:
    """A version of an object, or a delete marker, as a listing returns it.

    Attributes:
        key: whole key.
        version_id: S3's; "null" for what was written while versioning was not enabled.
        is_latest: what a reader of the key gets now.
        is_marker: it says that the object was deleted, and has no content.
        last_modified: by the server's clock.
        etag: with or without quotes; empty for a delete marker.
    """

    key: str
    version_id: str
    is_latest: bool
    is_marker: bool
    last_modified: datetime
    etag: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionPlace:
    """A place in a listing of versions.

    Attributes:
        key: only versions of keys after it are listed, except for the next line.
        version_id: older versions of this key than this one are listed, too; None lists none of them.
    """

    key: str
    version_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionPage:
    """A page of a listing of versions.

    Attributes:
        versions: at most 1,000; those of one key with the newest first, its delete markers apart.
        next: the next page begins after it; None after the last.
    """

    versions: tuple[ListedVersion, ...]
    next: VersionPlace | None


@dataclass(slots=True, kw_only=True)
class CopyRequest:
    """One object for the server to copy. Never changed after it is made: see `S3Object`.

    Attributes:
        source: as it was listed; only an object with its ETag is copied.
        source_account: sent as the source bucket's expected owner.
        key: destination key.
        options: what the copy sets.
        guard: what the destination must have for the copy to be made: `ABSENT` for no object, or the ETag of
            the object to replace; None means anything (rule 3).
        checksum: have S3 compute a checksum of the full object, even in a multipart copy.
        requester_pays: agree to pay for reading the source.
        entry: entry of the job that the object belongs to; its requests are counted for it.
    """

    source: S3Object
    source_account: str | None
    key: str
    options: ObjectOptions
    guard: str | None = None
    checksum: bool = False
    requester_pays: bool = False
    entry: EntryId = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteRequest:
    """One object to delete, if it still is the one that was listed.

    Attributes:
        key: whole key.
        etag: as it was listed, with or without quotes; an object that has another one now is kept.
        is_conditional: False leaves that to the caller, for a server that lacks conditional deletes.
    """

    key: str
    etag: str
    is_conditional: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Deleted:
    """What S3 confirmed of a delete.

    Attributes:
        marker_version_id: version of the delete marker that was made; "null" where versioning is suspended;
            None if none was made, as in a bucket without versioning.
        was_absent: the object was gone before. AWS says so; a server that ignores the ETag may not.
    """

    marker_version_id: str | None = None
    was_absent: bool = False


class Store(Protocol):
    """An S3 bucket with one set of credentials. Every method is one request, without retries."""

    async def list_page(self, prefix: str, *, after: str | None, token: str | None, recursive: bool) -> Page:
        """Return a page of the keys that start with `prefix` and come after the whole key `after`."""

    async def head_object(
        self, key: str, *, version_id: str | None = None, checksums: bool = False
    ) -> ObjectDetails | None:
        """Return an object's details; None if there is no such object.

        To get the checksums of an object that is encrypted by KMS needs permission to use its key.
        """

    async def object_tags(self, key: str, *, version_id: str | None = None) -> Mapping[str, str]:
        """Return an object's tags."""

    async def server_time(self, prefix: str = "") -> datetime | None:
        """Return the server's time in whole seconds, by a listing below `prefix`; None if it names none."""

    async def copy_object(self, request: CopyRequest) -> Confirmation:
        """Copy an object of at most 5 GiB; return what S3 confirmed."""

    async def create_multipart_upload(
        self, request: CopyRequest, details: ObjectDetails, tags: Mapping[str, str]
    ) -> str:
        """Start a multipart copy that keeps everything that a small copy keeps; return the upload id."""

    async def copy_part(
        self, request: CopyRequest, upload_id: str, number: int, first_byte: int, last_byte: int
    ) -> str:
        """Copy a part, both bytes inclusive; return its ETag."""

    async def complete_multipart_upload(
        self, request: CopyRequest, upload_id: str, etags: Mapping[int, str]
    ) -> Confirmation:
        """Make the object from its parts, given ETags by part number; return what S3 confirmed."""

    async def abort_multipart_upload(self, key: str, upload_id: str) -> None:
        """Drop an upload and its parts; not an error if it is already gone."""

    async def list_uploads(self, prefix: str, *, after: UploadMarker | None) -> UploadPage:
        """Return a page of the open uploads to keys that start with `prefix` and come after a marker."""

    async def get_bytes(self, source: S3Object, first_byte: int, last_byte: int) -> bytes:
        """Return a range of an object that still has its listed ETag, both bytes inclusive."""

    async def put_object(
        self, request: CopyRequest, details: ObjectDetails, tags: Mapping[str, str], body: bytes
    ) -> Confirmation:
        """Write an object that keeps everything that a small copy keeps; return what S3 confirmed."""

    async def put_bytes(self, key: str, body: bytes, content_type: str) -> None:
        """Write an object of this run's own, such as its results."""

    async def put_part(self, request: CopyRequest, upload_id: str, number: int, body: bytes) -> str:
        """Write a part; return its ETag."""

    async def is_versioned(self) -> bool:
        """Return whether the bucket's versioning is enabled; suspended is not enabled."""

    async def delete_object(self, request: DeleteRequest) -> Deleted:
        """Delete the current version of an object, with `If-Match`.

        Raises:
            ConditionError: it is another one now (412), or is being written (409), or its ETag is weak or
                missing, so that no condition can name it: then nothing is sent.
        """

    async def delete_objects(self, requests: Sequence[DeleteRequest]) -> Mapping[str, Deleted | CopyError]:
        """Delete at most 1,000 objects, each with its ETag; return what became of each by its key.

        A key that the reply lacks is a `TransientError`, and may be deleted. A key that `can_be_in_xml`
        refuses is a `RequestError`, and is not sent: delete it by `delete_object`. So is a `ConditionError`
        for an ETag that is weak or missing.

        Raises:
            CopyError: S3 refused the whole request, or did not reply, or its reply has a key that was not
                sent. Any of the objects may be deleted if the error's `may_be_done` says so.
        """

    async def list_versions(self, prefix: str, *, after: VersionPlace | None) -> VersionPage:
        """Return a page of the versions and delete markers of keys that start with `prefix`."""

    async def delete_marker(self, key: str, version_id: str) -> None:
        """Delete a delete marker for good; not an error if it is already gone.

        S3 would delete an object's version as well: `version_id` must be that of a marker.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """Both sides of a job. The destination signs the copies.

    Attributes:
        source: the source bucket with the source's credentials.
        destination: the destination bucket with the destination's.
        lists: the bucket of the list that names the keys; None if prefixes are listed.
        results: the bucket where results are written; None if none are.
        queue: the queue that names the keys; None if there is none.
    """

    source: Store
    destination: Store
    lists: Store | None = None
    results: Store | None = None
    queue: MessageQueue | None = None
