"""A bucket over boto3: the verbs of `core.store`, each one request, each failure one of our errors."""

from __future__ import annotations

from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlencode

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from s3copy_tasks.core.arrival import Confirmation
from s3copy_tasks.core.objects import ObjectDetails, S3Object
from s3copy_tasks.core.store import Page
from s3copy_tasks.errors import EMPTY_REPLY, NOT_S3, MissingError, RequestError, TransientError
from s3copy_tasks.s3.errors import EXPIRED, from_client_error, from_transport

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from mypy_boto3_s3.client import S3Client

    from s3copy_tasks.core.job import ObjectOptions
    from s3copy_tasks.core.store import CopyRequest

_CARRIED_HEADERS = (
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ContentType",
    "Expires",
    "Metadata",
)
UNREADABLE = "the reply can't be read"
"""Never with the reply's text: it may be one of STS, which holds credentials."""
_CHECKSUMS = ("ChecksumCRC64NVME", "ChecksumCRC32", "ChecksumCRC32C", "ChecksumSHA1", "ChecksumSHA256")


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
    """

    def __init__(self, connect: Connect, bucket: str, account: str | None) -> None:
        self._connect = connect
        self._expired = False
        self._lock = Lock()
        self._current: S3Client | None = None
        self.bucket = bucket
        self._owner: dict[str, Any] = {"ExpectedBucketOwner": account} if account else {}

    def list_page(self, prefix: str, *, after: str | None, token: str | None, recursive: bool) -> Page:
        """Return a page of the keys that start with `prefix` and come after the whole key `after`."""
        where: dict[str, Any] = {
            "Bucket": self.bucket,
            "Prefix": prefix,
            "OptionalObjectAttributes": ["RestoreStatus"],
            **self._owner,
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
            objects=tuple(self._listed(row) for row in reply.get("Contents", ())),
            token=reply.get("NextContinuationToken") if reply.get("IsTruncated") else None,
        )

    def head_object(self, key: str, *, checksums: bool = False) -> ObjectDetails | None:
        """Return an object's details, None where there is no such object."""
        options: dict[str, Any] = {"ChecksumMode": "ENABLED"} if checksums else {}
        try:
            with self._requests() as client:
                reply: dict[str, Any] = dict(
                    client.head_object(Bucket=self.bucket, Key=key, **options, **self._owner)
                )
        except MissingError:
            return None
        with self._as_s3_would(key):
            found = S3Object(
                bucket=self.bucket,
                key=key,
                size=reply["ContentLength"],
                last_modified=reply["LastModified"],
                etag=reply["ETag"],
                storage_class=reply.get("StorageClass", "STANDARD"),
                metadata=reply["Metadata"],
                is_archived=_is_archived(reply) and 'ongoing-request="false"' not in reply.get("Restore", ""),
            )
        return ObjectDetails(
            object=found,
            headers={name: reply[name] for name in _CARRIED_HEADERS if reply.get(name)},
            checksums=_full_object_checksums(reply),
            tag_count=reply.get("TagCount", 0),
        )

    def object_tags(self, key: str) -> Mapping[str, str]:
        """Return an object's tags."""
        with self._requests() as client:
            reply = client.get_object_tagging(Bucket=self.bucket, Key=key, **self._owner)
        return {tag["Key"]: tag["Value"] for tag in reply["TagSet"]}

    def server_time(self, prefix: str = "") -> datetime:
        """Return the server's clock, from the Date header of a listing below `prefix`; whole seconds."""
        with self._requests() as client:
            reply = client.list_objects_v2(Bucket=self.bucket, Prefix=prefix, MaxKeys=1, **self._owner)
        return parsedate_to_datetime(reply["ResponseMetadata"]["HTTPHeaders"]["date"])

    def copy_object(self, request: CopyRequest) -> Confirmation:
        """Copy an object of at most 5 GiB; return what S3 confirmed."""
        options = {**self._copy_source(request), **_set_on_copy(request)}
        if request.only_if_absent:
            options["IfNoneMatch"] = "*"
        with self._requests() as client:
            reply = client.copy_object(Bucket=self.bucket, Key=request.key, **options, **self._owner)
        return _confirmation(reply.get("CopyObjectResult", {}), "CopyObject")

    def create_multipart_upload(
        self, request: CopyRequest, details: ObjectDetails, tags: Mapping[str, str]
    ) -> str:
        """Start a multipart copy that carries everything a small copy carries; return the upload id."""
        options: dict[str, Any] = {**details.headers, **_common_options(request)}
        if request.checksum:
            options |= {"ChecksumAlgorithm": "CRC64NVME", "ChecksumType": "FULL_OBJECT"}
        if tags:
            options["Tagging"] = urlencode(tags)
        return self._create_upload(request.key, options)

    def try_upload(self, key: str, options: ObjectOptions) -> str:
        """Start an upload with a job's options and nothing else, to learn whether S3 would let us write."""
        return self._create_upload(key, _set_by_options(options))

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
                **self._copy_source(request),
                **self._owner,
            )
        return _etag(reply.get("CopyPartResult", {}), "UploadPartCopy")

    def complete_multipart_upload(
        self, request: CopyRequest, upload_id: str, etags: Mapping[int, str]
    ) -> Confirmation:
        """Make the object of its parts, ETags by part number; return what S3 confirmed."""
        options: dict[str, Any] = {"IfNoneMatch": "*"} if request.only_if_absent else {}
        with self._requests() as client:
            reply = client.complete_multipart_upload(
                Bucket=self.bucket,
                Key=request.key,
                UploadId=upload_id,
                MultipartUpload={"Parts": [{"PartNumber": n, "ETag": etags[n]} for n in sorted(etags)]},
                **options,
                **self._owner,
            )
        return _confirmation(reply, "CompleteMultipartUpload")

    def abort_multipart_upload(self, key: str, upload_id: str) -> None:
        """Drop an upload and its parts; no error where it is gone already."""
        try:
            with self._requests() as client:
                client.abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=upload_id, **self._owner)
        except RequestError as error:
            if error.code != "NoSuchUpload":
                raise

    def read_first_byte(self, bucket: str, key: str, account: str | None) -> None:
        """Read one byte of an object of any bucket: proves that these credentials may copy it."""
        owner: dict[str, Any] = {"ExpectedBucketOwner": account} if account else {}
        try:
            with self._requests() as client:
                client.get_object(Bucket=bucket, Key=key, Range="bytes=0-0", **owner)["Body"].close()
        except RequestError as error:
            if error.code not in {
                "InvalidRange",
                "416",
            }:  # an empty object has no first byte, and is readable
                raise

    def _create_upload(self, key: str, options: Mapping[str, Any]) -> str:
        with self._requests() as client:
            reply = client.create_multipart_upload(Bucket=self.bucket, Key=key, **options, **self._owner)
        return reply["UploadId"]

    def _copy_source(self, request: CopyRequest) -> dict[str, Any]:
        source: dict[str, Any] = {
            "CopySource": {"Bucket": request.source.bucket, "Key": request.source.key},
            "CopySourceIfMatch": request.source.etag,
        }
        if request.source_account:
            source["ExpectedSourceBucketOwner"] = request.source_account
        return source

    def _listed(self, row: Any) -> S3Object:
        with self._as_s3_would(row.get("Key")):
            return S3Object(
                bucket=self.bucket,
                key=row["Key"],
                size=row["Size"],
                last_modified=row["LastModified"],
                etag=row["ETag"],
                storage_class=row.get("StorageClass", "STANDARD"),
                is_archived=_is_archived(row) and "RestoreExpiryDate" not in row.get("RestoreStatus", {}),
            )

    @contextmanager
    def _as_s3_would(self, key: str | None) -> Iterator[None]:
        """Refuse what a server tells of an object otherwise than S3 does."""
        try:
            yield
        except (ValueError, KeyError) as error:
            msg = f"{self.bucket} tells of {key!r} as S3 would not: {error}"
            raise RequestError(msg, code=NOT_S3) from None

    @contextmanager
    def _requests(self) -> Iterator[S3Client]:
        """Yield the client; what it raises comes out as one of our errors."""
        client = self._client()
        try:
            yield client
        except ClientError as error:
            if str(error.response.get("Error", {}).get("Code")) in EXPIRED:
                self._drop(client)
            raise from_client_error(error) from None
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


def _is_archived(reply: Mapping[str, Any]) -> bool:
    """Say whether an object is of an archive's class, or in an archive's tier, restored or not (rule 10)."""
    return reply.get("StorageClass") in {"GLACIER", "DEEP_ARCHIVE"} or "ArchiveStatus" in reply


def _full_object_checksums(reply: Mapping[str, Any]) -> dict[str, str]:
    """A checksum of checksums (type COMPOSITE, ending in -N) depends on the parts: it proves nothing here."""
    if reply.get("ChecksumType") == "COMPOSITE":
        return {}
    return {name: reply[name] for name in _CHECKSUMS if name in reply and "-" not in reply[name]}


def _confirmation(result: Any, operation: str) -> Confirmation:
    return Confirmation(etag=_etag(result, operation), checksums=_full_object_checksums(result))


def _etag(result: Any, operation: str) -> str:
    """Rule 1: a copy succeeded only if its reply says so; botocore takes an empty 200 for success."""
    etag = result.get("ETag")
    if not etag:
        msg = f"{operation}: S3 answered 200 without a result"
        raise TransientError(msg, code=EMPTY_REPLY)
    return str(etag)


def _set_on_copy(request: CopyRequest) -> dict[str, Any]:
    """Headers of a CopyObject; none where the job asks for nothing but S3's default (rules 8 and 11)."""
    options = _common_options(request)
    if request.options.tags == "drop":
        options["TaggingDirective"] = "REPLACE"
    return options


def _common_options(request: CopyRequest) -> dict[str, Any]:
    options = _set_by_options(request.options)
    if request.options.storage_class == "preserve" and request.source.storage_class != "STANDARD":
        options["StorageClass"] = request.source.storage_class
    return options


def _set_by_options(options: ObjectOptions) -> dict[str, Any]:
    chosen: dict[str, Any] = {}
    if options.storage_class not in {"preserve", "STANDARD"}:
        chosen["StorageClass"] = options.storage_class
    if options.acl:
        chosen["ACL"] = options.acl
    if options.kms_key_id:
        chosen |= {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": options.kms_key_id}
    return chosen
