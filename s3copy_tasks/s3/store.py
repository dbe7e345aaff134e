"""A bucket over boto3: the verbs of `core.store`, each one request, each failure one of our errors."""

from __future__ import annotations

from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from s3copy_tasks.core.store import Page
from s3copy_tasks.errors import (
    EMPTY_REPLY,
    AccessError,
    ExpiredError,
    MissingError,
    RequestError,
    TransientError,
)
from s3copy_tasks.s3.errors import from_client_error, from_transport
from s3copy_tasks.s3.parameters import (
    carried,
    content,
    copy_source,
    guard,
    payer,
    set_by_options,
    set_on_copy,
)
from s3copy_tasks.s3.policies import bucket_arn, explained, lacking, statement
from s3copy_tasks.s3.results import confirmation, confirmed_etag, listed_object, object_details, told

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from mypy_boto3_s3.client import S3Client

    from s3copy_tasks.core.arrival import Confirmation
    from s3copy_tasks.core.job import Location, ObjectOptions
    from s3copy_tasks.core.objects import ObjectDetails, S3Object
    from s3copy_tasks.core.store import CopyRequest

UNREADABLE = "the reply can't be read"
"""Never with the reply's text: it may be one of STS, which holds credentials."""


class Connect(Protocol):
    """Makes a client of boto3."""

    def __call__(self, *, anew: bool = False) -> S3Client:
        """Return a client; `anew` with credentials fetched again."""


class BucketStore:
    """One bucket, seen with one set of credentials; safe to use from many threads.

    Args:
        connect: makes a client; called again, with `anew`, when its credentials have expired.
        bucket: its name.
        account: twelve digits, sent as the bucket's expected owner; None sends nothing.
        requester_pays: agree to pay for what is read.
    """

    def __init__(
        self, connect: Connect, bucket: str, account: str | None, *, requester_pays: bool = False
    ) -> None:
        self._connect = connect
        self._expired = False
        self._lock = Lock()
        self._current: S3Client | None = None
        self.bucket = bucket
        self._owner: dict[str, Any] = {"ExpectedBucketOwner": account} if account else {}
        self._reader = self._owner | payer(agreed=requester_pays)

    def list_page(self, prefix: str, *, after: str | None, token: str | None, recursive: bool) -> Page:
        """Return a page of the keys that start with `prefix` and come after the whole key `after`."""
        where: dict[str, Any] = {
            "Bucket": self.bucket,
            "Prefix": prefix,
            "OptionalObjectAttributes": ["RestoreStatus"],
            **self._reader,
        }
        if token is not None:
            where["ContinuationToken"] = token
        elif after is not None:
            where["StartAfter"] = after
        if not recursive:
            where["Delimiter"] = "/"
        with self._requests() as client:
            reply = client.list_objects_v2(**where)
        return Page(
            objects=tuple(listed_object(self.bucket, row) for row in reply.get("Contents", ())),
            token=told(reply, "NextContinuationToken") if told(reply, "IsTruncated") else None,
        )

    def head_object(
        self, key: str, *, version_id: str | None = None, checksums: bool = False
    ) -> ObjectDetails | None:
        """Return an object's details, None where there is no such object."""
        options: dict[str, Any] = {"ChecksumMode": "ENABLED"} if checksums else {}
        if version_id:
            options["VersionId"] = version_id
        try:
            with self._requests() as client:
                reply: dict[str, Any] = dict(
                    client.head_object(Bucket=self.bucket, Key=key, **options, **self._reader)
                )
        except MissingError:
            return None
        return object_details(self.bucket, key, version_id, reply)

    def object_tags(self, key: str, *, version_id: str | None = None) -> Mapping[str, str]:
        """Return an object's tags."""
        version: dict[str, Any] = {"VersionId": version_id} if version_id else {}
        try:
            with self._requests() as client:
                reply = client.get_object_tagging(Bucket=self.bucket, Key=key, **version, **self._reader)
        except AccessError as error:  # preflight can't prove this one: most objects have no tags
            action = "s3:GetObjectVersionTagging" if version_id else "s3:GetObjectTagging"
            allowed = statement([action], bucket_arn("", self.bucket, key))
            raise lacking(error, f"the policy of the role that looks at the object: {allowed}") from None
        return {tag["Key"]: tag["Value"] for tag in told(reply, "TagSet")}

    def server_time(self, prefix: str = "") -> datetime:
        """Return the server's clock, from the Date header of a listing below `prefix`; whole seconds."""
        with self._requests() as client:
            reply = client.list_objects_v2(Bucket=self.bucket, Prefix=prefix, MaxKeys=1, **self._reader)
        return parsedate_to_datetime(reply["ResponseMetadata"]["HTTPHeaders"]["date"])

    def copy_object(self, request: CopyRequest) -> Confirmation:
        """Copy an object of at most 5 GiB; return what S3 confirmed."""
        options = {**copy_source(request), **set_on_copy(request), **guard(request)}
        with self._requests() as client:
            reply = client.copy_object(Bucket=self.bucket, Key=request.key, **options, **self._owner)
        return confirmation(reply.get("CopyObjectResult", {}), "CopyObject")

    def create_multipart_upload(
        self, request: CopyRequest, details: ObjectDetails, tags: Mapping[str, str]
    ) -> str:
        """Start a multipart copy that carries everything a small copy carries; return the upload id."""
        options = carried(request, details, tags)
        if request.checksum:
            options |= {"ChecksumAlgorithm": "CRC64NVME", "ChecksumType": "FULL_OBJECT"}
        return self._create_upload(request.key, options)

    def try_upload(self, key: str, options: ObjectOptions) -> str:
        """Start an upload with a job's options and nothing else, to learn whether S3 would let us write."""
        return self._create_upload(key, set_by_options(options))

    def copy_part(
        self, request: CopyRequest, upload_id: str, number: int, first_byte: int, last_byte: int
    ) -> str:
        """Copy a part, both bytes inclusive; return its ETag."""
        with self._requests() as client:
            reply = client.upload_part_copy(
                Bucket=self.bucket,
                Key=request.key,
                UploadId=upload_id,
                PartNumber=number,
                CopySourceRange=f"bytes={first_byte}-{last_byte}",
                **copy_source(request),
                **self._owner,
            )
        return confirmed_etag(reply.get("CopyPartResult", {}), "UploadPartCopy")

    def complete_multipart_upload(
        self, request: CopyRequest, upload_id: str, etags: Mapping[int, str]
    ) -> Confirmation:
        """Make the object of its parts, ETags by part number; return what S3 confirmed."""
        with self._requests() as client:
            reply = client.complete_multipart_upload(
                Bucket=self.bucket,
                Key=request.key,
                UploadId=upload_id,
                MpuObjectSize=request.source.size,
                MultipartUpload={"Parts": [{"PartNumber": n, "ETag": etags[n]} for n in sorted(etags)]},
                **guard(request),
                **self._owner,
            )
        return confirmation(reply, "CompleteMultipartUpload")

    def abort_multipart_upload(self, key: str, upload_id: str) -> None:
        """Drop an upload and its parts; no error where it is gone already."""
        try:
            with self._requests() as client:
                client.abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=upload_id, **self._owner)
        except RequestError as error:
            if error.code != "NoSuchUpload":
                raise

    def get_bytes(self, source: S3Object, first_byte: int, last_byte: int) -> bytes:
        """Return a range of an object that has still the ETag it was listed with, both bytes inclusive."""
        options: dict[str, Any] = {"VersionId": source.version_id} if source.version_id else {}
        with self._requests() as client:
            reply = client.get_object(
                Bucket=self.bucket,
                Key=source.key,
                IfMatch=source.etag,
                Range=f"bytes={first_byte}-{last_byte}",
                **options,
                **self._reader,
            )
            body = reply["Body"].read()
        if len(body) != last_byte - first_byte + 1:
            msg = f"GetObject: asked for {last_byte - first_byte + 1} bytes, {len(body)} came"
            raise TransientError(msg, code=EMPTY_REPLY)
        return body

    def put_object(
        self, request: CopyRequest, details: ObjectDetails, tags: Mapping[str, str], body: bytes
    ) -> Confirmation:
        """Write an object that carries everything a small copy carries; return what S3 confirmed."""
        options = carried(request, details, tags) | content(body) | guard(request)
        with self._requests() as client:
            reply = client.put_object(Bucket=self.bucket, Key=request.key, **options, **self._owner)
        return confirmation(reply, "PutObject")

    def put_part(self, request: CopyRequest, upload_id: str, number: int, body: bytes) -> str:
        """Write a part; return its ETag."""
        with self._requests() as client:
            reply = client.upload_part(
                Bucket=self.bucket,
                Key=request.key,
                UploadId=upload_id,
                PartNumber=number,
                **content(body),
                **self._owner,
            )
        return confirmed_etag(reply, "UploadPart")

    def read_first_byte(self, location: Location, key: str, version_id: str | None = None) -> None:
        """Read one byte of an object of any bucket: proves that these credentials may copy it."""
        options = payer(agreed=location.requester_pays)
        if location.account:
            options["ExpectedBucketOwner"] = location.account
        if version_id:
            options["VersionId"] = version_id
        try:
            with self._requests() as client:
                reply = client.get_object(Bucket=location.bucket, Key=key, Range="bytes=0-0", **options)
                reply["Body"].close()
        except RequestError as error:
            if error.code not in {
                "InvalidRange",
                "416",
            }:  # an empty object has no first byte, and is readable
                raise

    def _create_upload(self, key: str, options: Mapping[str, Any]) -> str:
        with self._requests() as client:
            reply = client.create_multipart_upload(Bucket=self.bucket, Key=key, **options, **self._owner)
        upload_id: str = told(reply, "UploadId")
        return upload_id

    @contextmanager
    def _requests(self) -> Iterator[S3Client]:
        """Yield the client; what it raises comes out as one of our errors."""
        client = self._client()
        try:
            yield client
        except ClientError as error:
            ours = from_client_error(error)
            if isinstance(ours, ExpiredError):
                self._drop(client)
            raise explained(ours) from None
        except BotoCoreError as error:
            raise from_transport(error) from None
        except ResponseParserError:
            raise TransientError(UNREADABLE, code=EMPTY_REPLY) from None

    def _client(self) -> S3Client:
        with self._lock:
            if self._current is None:
                self._current = self._connect(anew=self._expired)
            return self._current

    def _drop(self, expired: S3Client) -> None:
        """Forget an expired client, unless another thread has replaced it already."""
        with self._lock:
            if self._current is expired:
                self._current, self._expired = None, True
