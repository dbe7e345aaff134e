"""A bucket of S3: the operations of `core.store`, one request each, with this package's errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from s3copy_tasks.errors import (
    AccessError,
    Code,
    CopyError,
    MissingError,
    RequestError,
    TransientError,
    UnsupportedError,
)
from s3copy_tasks.iam.statements import (
    LIST_UPLOADS,
    add_remedy,
    bucket_arn,
    build_remedy,
    build_statement,
    escape_wildcards,
    explain_refusal,
)
from s3copy_tasks.s3.bucket_deletes import BucketDeletes
from s3copy_tasks.s3.parameters import (
    body_params,
    copy_params,
    copy_source_params,
    guard_params,
    match_params,
    new_object_params,
    option_params,
    payer_params,
)
from s3copy_tasks.s3.results import (
    parse_confirmation,
    parse_object_details,
    parse_page,
    parse_part_etag,
    parse_server_time,
    parse_uploads,
    require_field,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from s3copy_tasks.core.location import Location
    from s3copy_tasks.core.objects import ObjectDetails, S3Object
    from s3copy_tasks.core.options import ObjectOptions
    from s3copy_tasks.core.store import CopyRequest, Page, UploadMarker, UploadPage
    from s3copy_tasks.core.verify import Confirmation
    from s3copy_tasks.s3.client import Client

_NO_FIRST_BYTE = frozenset({"InvalidRange", "416"})
"""An empty object has no first byte, and is readable."""


class BucketStore:
    """One bucket, accessed with one set of credentials.

    Args:
        client: carries out the requests.
        bucket: its name.
        account: twelve digits, sent as the bucket's expected owner; None sends nothing.
        requester_pays: agree to pay for reads.
        partition: returns the partition of AWS that the bucket is in, for policies.
    """

    def __init__(
        self,
        client: Client,
        bucket: str,
        account: str | None,
        *,
        requester_pays: bool = False,
        partition: Callable[[], str] = lambda: "aws",
    ) -> None:
        self.bucket, self._client, self._partition = bucket, client, partition
        self._asked = {"Bucket": bucket, **({"ExpectedBucketOwner": account} if account else {})}
        self._read = self._asked | payer_params(agreed=requester_pays)
        deletes = BucketDeletes(self._call, self._asked, partition)
        self.is_versioned, self.list_versions = deletes.is_versioned, deletes.list_versions
        self.delete_object, self.delete_objects = deletes.delete_object, deletes.delete_objects
        self.delete_marker = deletes.delete_marker

    async def list_page(self, prefix: str, *, after: str | None, token: str | None, recursive: bool) -> Page:
        """Return a page of the keys that start with `prefix` and come after the whole key `after`."""
        where: dict[str, Any] = {"Prefix": prefix, "OptionalObjectAttributes": ["RestoreStatus"]}
        if token is not None:
            where["ContinuationToken"] = token
        elif after is not None:
            where["StartAfter"] = after
        if not recursive:
            where["Delimiter"] = "/"
        try:
            reply = await self._call("ListObjectsV2", self._read | where)
        except CopyError as error:
            if error.may_be_done is False:  # no request was sent: it is not about this prefix
                raise
            msg = f"s3://{self.bucket}/{prefix}: {error.reason}"
            raise type(error)(msg, code=error.code, remedy=error.remedy) from None
        return parse_page(self.bucket, prefix, reply)

    async def head_object(
        self, key: str, *, version_id: str | None = None, checksums: bool = False
    ) -> ObjectDetails | None:
        """Return an object's details, None if it does not exist."""
        which = {"Key": key, **_version(version_id)}
        if checksums:
            which["ChecksumMode"] = "ENABLED"
        try:
            reply = await self._call("HeadObject", self._read | which)
        except MissingError as error:
            if error.code == Code.DELETE_MARKER and version_id:
                msg = (
                    f"version {version_id} of s3://{self.bucket}/{key} is a delete marker: it says that the "
                    "object was deleted, and has no content. Name an older version in version_id"
                )
                raise MissingError(msg, code=error.code) from None
            return None
        except RequestError as error:
            refusal = RequestError(f"s3://{self.bucket}/{key}: {error.reason}", code=error.code)
            refusal.request_id = error.request_id
            raise refusal from None
        return parse_object_details(self.bucket, key, version_id, reply)

    async def object_tags(self, key: str, *, version_id: str | None = None) -> Mapping[str, str]:
        """Return an object's tags."""
        which = {"Key": key, **_version(version_id)}
        try:
            reply = await self._call("GetObjectTagging", self._read | which)
        except AccessError as error:  # preflight can't check this: most objects have no tags
            action = "s3:GetObjectVersionTagging" if version_id else "s3:GetObjectTagging"
            allowed = build_statement(
                [action], bucket_arn(self._partition(), self.bucket, escape_wildcards(key))
            )
            remedy = build_remedy("the policy of the role that reads the tags", allowed)
            raise add_remedy(error, remedy) from None
        except UnsupportedError as error:
            msg = f"{error.reason}. The server has no tags of objects: write object.tags: drop"
            raise UnsupportedError(msg, code=error.code) from None
        return {tag["Key"]: tag["Value"] for tag in require_field(reply, "TagSet")}

    async def server_time(self, prefix: str = "") -> datetime | None:
        """Return the server's time in whole seconds, from the Date header of a listing below `prefix`.

        None if the header is missing or not a valid date.
        """
        try:
            reply = await self._call("ListObjectsV2", self._read | {"Prefix": prefix, "MaxKeys": 1})
        except MissingError as error:
            raise MissingError(f"s3://{self.bucket}: {error.reason}", code=error.code) from None
        return parse_server_time(reply)

    async def copy_object(self, request: CopyRequest) -> Confirmation:
        """Copy an object of at most 5 GiB; return what S3 confirmed."""
        asked = {
            **self._asked,
            "Key": request.key,
            **copy_source_params(request),
            **copy_params(request),
            **guard_params(request),
        }
        reply = await self._call("CopyObject", asked)
        return parse_confirmation("CopyObject", reply)

    async def create_multipart_upload(
        self, request: CopyRequest, details: ObjectDetails, tags: Mapping[str, str]
    ) -> str:
        """Start a multipart copy that sets everything a small copy would; return the upload id."""
        options = new_object_params(request, details, tags)
        if request.checksum:
            options |= {"ChecksumAlgorithm": "CRC64NVME", "ChecksumType": "FULL_OBJECT"}
        return await self._create_upload(request.key, options)

    async def try_upload(self, key: str, options: ObjectOptions) -> str:
        """Start an upload with only a job's options, to check whether writing is allowed."""
        return await self._create_upload(key, option_params(options))

    async def copy_part(
        self, request: CopyRequest, upload_id: str, number: int, first_byte: int, last_byte: int
    ) -> str:
        """Copy a part, both bytes inclusive; return its ETag."""
        part = _part(request, upload_id, number) | {"CopySourceRange": f"bytes={first_byte}-{last_byte}"}
        reply = await self._call("UploadPartCopy", self._asked | part | copy_source_params(request))
        return parse_part_etag("UploadPartCopy", reply)

    async def complete_multipart_upload(
        self, request: CopyRequest, upload_id: str, etags: Mapping[int, str]
    ) -> Confirmation:
        """Make the object of its parts, ETags by part number; return what S3 confirmed."""
        parts = [{"PartNumber": number, "ETag": etags[number]} for number in sorted(etags)]
        asked = {
            **self._asked,
            "Key": request.key,
            "UploadId": upload_id,
            "MpuObjectSize": request.source.size,
            "MultipartUpload": {"Parts": parts},
            **guard_params(request),
        }
        return parse_confirmation(
            "CompleteMultipartUpload", await self._call("CompleteMultipartUpload", asked)
        )

    async def abort_multipart_upload(self, key: str, upload_id: str) -> None:
        """Drop an upload and its parts; no error if it is already gone."""
        try:
            await self._call("AbortMultipartUpload", {**self._asked, "Key": key, "UploadId": upload_id})
        except RequestError as error:
            if error.code != "NoSuchUpload":
                raise

    async def list_uploads(self, prefix: str, *, after: UploadMarker | None) -> UploadPage:
        """Return a page of the open uploads to keys that start with `prefix`, after a marker."""
        where: dict[str, Any] = {"Prefix": prefix, "EncodingType": "url"}
        if after is not None:
            where["KeyMarker"] = after.key
            if after.upload_id is not None:
                where["UploadIdMarker"] = after.upload_id
        try:
            reply = await self._call("ListMultipartUploads", self._asked | where)
        except AccessError as error:
            allowed = build_statement([LIST_UPLOADS], bucket_arn(self._partition(), self.bucket))
            raise add_remedy(error, build_remedy("the policy of the role that copies", allowed)) from None
        return parse_uploads(self.bucket, reply)

    async def get_bytes(self, source: S3Object, first_byte: int, last_byte: int) -> bytes:
        """Return a range of an object if it still has its listed ETag; both bytes inclusive."""
        asked = {
            **self._read,
            "Key": source.key,
            **match_params("IfMatch", source.etag),
            "Range": f"bytes={first_byte}-{last_byte}",
            **_version(source.version_id),
        }
        body: bytes = (await self._call("GetObject", asked))["Body"]
        if len(body) != last_byte - first_byte + 1:
            msg = f"GetObject: requested {last_byte - first_byte + 1} bytes, received {len(body)}"
            raise TransientError(msg, code=Code.EMPTY_REPLY)
        return body

    async def put_object(
        self, request: CopyRequest, details: ObjectDetails, tags: Mapping[str, str], body: bytes
    ) -> Confirmation:
        """Write an object with everything a copy would set; return what S3 confirmed."""
        asked = (
            self._asked
            | {"Key": request.key}
            | new_object_params(request, details, tags)
            | guard_params(request)
        )
        return parse_confirmation("PutObject", await self._call("PutObject", asked | body_params(body)))

    async def put_bytes(self, key: str, body: bytes, content_type: str) -> None:
        """Write an object of this run's own, such as its results."""
        asked = self._asked | {"Key": key, "ContentType": content_type} | body_params(body)
        await self._call("PutObject", asked)

    async def put_part(self, request: CopyRequest, upload_id: str, number: int, body: bytes) -> str:
        """Write a part; return its ETag."""
        part = _part(request, upload_id, number) | body_params(body)
        return parse_part_etag("UploadPart", await self._call("UploadPart", self._asked | part))

    async def read_first_byte(self, location: Location, key: str, version_id: str | None = None) -> None:
        """Read one byte of an object in any bucket, to prove that these credentials may copy it."""
        asked = {"Bucket": location.bucket, "Key": key, "Range": "bytes=0-0", **_version(version_id)}
        if location.account:
            asked["ExpectedBucketOwner"] = location.account
        try:
            await self._call("GetObject", asked | payer_params(agreed=location.requester_pays))
        except RequestError as error:
            if error.code not in _NO_FIRST_BYTE:
                raise

    async def _call(self, operation: str, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        try:
            return await self._client.call(operation, asked)
        except AccessError as error:
            raise explain_refusal(error) from None

    async def _create_upload(self, key: str, options: Mapping[str, Any]) -> str:
        reply = await self._call("CreateMultipartUpload", {**self._asked, "Key": key, **options})
        upload_id: str = require_field(reply, "UploadId")
        return upload_id


def _version(version_id: str | None) -> dict[str, Any]:
    return {"VersionId": version_id} if version_id else {}


def _part(request: CopyRequest, upload_id: str, number: int) -> dict[str, Any]:
    return {"Key": request.key, "UploadId": upload_id, "PartNumber": number}
