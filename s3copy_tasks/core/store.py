"""The verbs of a bucket: what the runner asks of S3, and what a test can do without it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    from s3copy_tasks.core.job import EntryId, ObjectOptions
    from s3copy_tasks.core.objects import ObjectDetails, S3Object
    from s3copy_tasks.core.verify import Confirmation

ABSENT = "*"
"""The guard of a copy to a key that the destination does not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of a listing.

    Attributes:
        objects: at most 1,000, in S3's order.
        token: opens the next page; None after the last.
    """

    objects: tuple[S3Object, ...]
    token: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedUpload:
    """A multipart upload that a listing found open.

    Attributes:
        key: of the destination.
        upload_id: S3's.
        initiated: when it was started, by the server's clock.
        initiator: ARN of the role or the user that started it; None where the server names none.
    """

    key: str
    upload_id: str
    initiated: datetime
    initiator: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadMarker:
    """A place in a listing of uploads.

    Attributes:
        key: what comes before it, and the key itself, is left out.
        upload_id: of the uploads to that key, those after this one are listed after all; None lists none.
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


@dataclass(slots=True, kw_only=True)
class CopyRequest:
    """One object to be copied by the server. Nobody changes one; see `S3Object`.

    Attributes:
        source: as it was listed; its ETag pins the copy.
        source_account: sent as the source bucket's expected owner.
        key: destination key.
        options: what the copy sets.
        guard: what the destination must hold for the copy to be made: `ABSENT` for nothing, else the ETag
            of the object that is replaced; None for whatever it holds (rule 3).
        checksum: have S3 compute a checksum of the full object, also of one in parts.
        requester_pays: agree to pay for reading the source.
        entry: of the job that the object belongs to; its requests are counted for that.
    """

    source: S3Object
    source_account: str | None
    key: str
    options: ObjectOptions
    guard: str | None = None
    checksum: bool = False
    requester_pays: bool = False
    entry: EntryId = None


class Store(Protocol):
    """A bucket of S3, seen with one set of credentials. Every verb is one request, without retries."""

    async def list_page(self, prefix: str, *, after: str | None, token: str | None, recursive: bool) -> Page:
        """Return a page of the keys that start with `prefix` and come after the whole key `after`."""

    async def head_object(
        self, key: str, *, version_id: str | None = None, checksums: bool = False
    ) -> ObjectDetails | None:
        """Return an object's details, None where there is no such object.

        Asking for checksums needs the key's permissions where an object is encrypted by KMS.
        """

    async def object_tags(self, key: str, *, version_id: str | None = None) -> Mapping[str, str]:
        """Return an object's tags."""

    async def server_time(self, prefix: str = "") -> datetime:
        """Return the server's clock, from the Date header of a listing below `prefix`; whole seconds."""

    async def copy_object(self, request: CopyRequest) -> Confirmation:
        """Copy an object of at most 5 GiB; return what S3 confirmed."""

    async def create_multipart_upload(
        self, request: CopyRequest, details: ObjectDetails, tags: Mapping[str, str]
    ) -> str:
        """Start a multipart copy that carries everything a small copy carries; return the upload id."""

    async def copy_part(
        self, request: CopyRequest, upload_id: str, number: int, first_byte: int, last_byte: int
    ) -> str:
        """Copy a part, both bytes inclusive; return its ETag."""

    async def complete_multipart_upload(
        self, request: CopyRequest, upload_id: str, etags: Mapping[int, str]
    ) -> Confirmation:
        """Make the object of its parts, ETags by part number; return what S3 confirmed."""

    async def abort_multipart_upload(self, key: str, upload_id: str) -> None:
        """Drop an upload and its parts; no error where it is gone already."""

    async def list_uploads(self, prefix: str, *, after: UploadMarker | None) -> UploadPage:
        """Return a page of the open uploads to keys that start with `prefix` and come after a place."""

    async def get_bytes(self, source: S3Object, first_byte: int, last_byte: int) -> bytes:
        """Return a range of an object that has still the ETag it was listed with, both bytes inclusive."""

    async def put_object(
        self, request: CopyRequest, details: ObjectDetails, tags: Mapping[str, str], body: bytes
    ) -> Confirmation:
        """Write an object that carries everything a small copy carries; return what S3 confirmed."""

    async def put_part(self, request: CopyRequest, upload_id: str, number: int, body: bytes) -> str:
        """Write a part; return its ETag."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """Both sides of a job. The destination signs the copies.

    Attributes:
        source: the source bucket with the source's credentials.
        destination: the destination bucket with the destination's.
    """

    source: Store
    destination: Store
