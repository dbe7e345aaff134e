"""Objects and confirmations from S3's replies; a reply that S3 would never send is refused."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from s3copy_tasks.core.headers import drop_chunking, read_header
from s3copy_tasks.core.objects import ForeignObject, ObjectDetails, S3Object, is_md5
from s3copy_tasks.core.store import ListedUpload, Page, UploadMarker, UploadPage
from s3copy_tasks.core.verify import Confirmation
from s3copy_tasks.errors import Code, RequestError, TransientError
from s3copy_tasks.iam.statements import normalize_principal
from s3copy_tasks.s3.fast.xml import unreadable_reply

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_CARRIED_HEADERS = (
    "CacheControl",
    "ContentDisposition",
    "ContentEncoding",
    "ContentLanguage",
    "ContentType",
    "ExpiresString",
)
"""Members of the reply to a HEAD, each as text: `Expires` would be missing if it is not a valid date."""
_CHECKSUMS = ("ChecksumCRC64NVME", "ChecksumCRC32", "ChecksumCRC32C", "ChecksumSHA1", "ChecksumSHA256")
_CONFIRMED_IN = {
    "CopyObject": "CopyObjectResult",
    "UploadPartCopy": "CopyPartResult",
    "CompleteMultipartUpload": None,
    "PutObject": None,
    "UploadPart": None,
}
"""Writes, and the member of the reply in which S3 confirms them with an ETag; None for the reply itself."""
_DEFAULT_CLASS = "STANDARD"
"""S3 leaves it out in the reply to a HEAD; other servers leave it out everywhere, or send an empty class."""
_WRONG = (AttributeError, KeyError, TypeError, ValueError)
_LISTED: Mapping[str, type] = {"Key": str, "Size": int, "LastModified": datetime, "ETag": str}
_HEADED: Mapping[str, type] = {"ContentLength": int, "LastModified": datetime, "ETag": str}
_LISTED_UPLOAD: Mapping[str, type] = {"Key": str, "UploadId": str, "Initiated": datetime}
"""What S3 always says of an object or an upload, by the kind of request."""
_KINDS = {int: "a number", datetime: "a date", str: "text"}
_SHOWN = 40


def parse_page(bucket: str, prefix: str, reply: Mapping[str, Any]) -> Page:
    """Return a page of the listing of a prefix.

    Raises:
        RequestError: the page is not one of S3's.
        TransientError: the reply does not say whether there are more.
    """
    is_truncated, token = require_field(reply, "IsTruncated"), reply.get("NextContinuationToken")
    objects = parse_objects(bucket, reply.get("Contents", ()))
    if is_truncated and not token:
        msg = (
            f"a page of {bucket} is truncated, but has no NextContinuationToken: "
            "this server does not support ListObjectsV2"
        )
        raise RequestError(msg, code=Code.NOT_S3)
    other = next((listed.key for listed in objects if not listed.key.startswith(prefix)), None)
    if other is not None:
        msg = f"the listing of {bucket} below {prefix!r} contains {other!r}: this server ignores prefixes"
        raise RequestError(msg, code=Code.NOT_S3)
    return Page(objects=objects, token=token if is_truncated else None, server_time=parse_server_time(reply))


def parse_server_time(reply: Mapping[str, Any]) -> datetime | None:
    """Return when the server answered, from the Date header; None if that is missing or not a valid date."""
    return parse_date_header(reply["ResponseMetadata"]["HTTPHeaders"].get("date"))


def parse_objects(bucket: str, rows: Sequence[Mapping[str, Any]]) -> tuple[S3Object, ...]:
    """Return the objects of a page of a listing.

    Raises:
        RequestError: a row is not one of S3's.
    """
    try:
        return tuple(_make_listed(S3Object, bucket, row) for row in rows)
    except _WRONG:  # perhaps only because of ETags of another form
        pass
    row: Mapping[str, Any] = {}
    found: list[S3Object] = []
    try:
        for row in rows:
            found.append(_make_listed(ForeignObject, bucket, row))
    except _WRONG:
        raise explain_not_s3(bucket, row.get("Key"), row, _LISTED) from None
    return tuple(found)


def _make_listed(kind: type[S3Object], bucket: str, row: Mapping[str, Any]) -> S3Object:
    return kind(
        bucket=bucket,
        key=row["Key"],
        size=row["Size"],
        last_modified=row["LastModified"],
        etag=row["ETag"],
        storage_class=row.get("StorageClass") or _DEFAULT_CLASS,
        is_archived=_is_archived(row) and "RestoreExpiryDate" not in row.get("RestoreStatus", {}),
    )


def parse_object_details(
    bucket: str, key: str, version_id: str | None, reply: Mapping[str, Any]
) -> ObjectDetails:
    """Return the details in a reply to a HEAD.

    Raises:
        RequestError: the reply is not one of S3's.
    """
    try:
        kind = S3Object if is_md5(reply["ETag"]) else ForeignObject
        found = kind(
            bucket=bucket,
            key=key,
            size=reply["ContentLength"],
            last_modified=reply["LastModified"],
            etag=reply["ETag"],
            storage_class=reply.get("StorageClass") or _DEFAULT_CLASS,
            metadata={name: read_header(text) for name, text in reply["Metadata"].items()},
            is_archived=_is_archived(reply) and 'ongoing-request="false"' not in reply.get("Restore", ""),
            version_id=version_id,
        )
    except _WRONG:
        raise explain_not_s3(bucket, key, reply, _HEADED) from None
    return ObjectDetails(
        object=found,
        headers=dict(_carried_headers(reply)),
        checksums=_full_object_checksums(reply),
        tag_count=reply.get("TagCount", 0),
    )


def parse_uploads(bucket: str, reply: Mapping[str, Any]) -> UploadPage:
    """Return a page of open uploads; botocore decodes the keys of other listings, but not of this one.

    Raises:
        RequestError: a row is not one of S3's.
        TransientError: the reply does not say whether there are more.
    """
    decode = unquote_plus if reply.get("EncodingType") == "url" else str
    found: list[ListedUpload] = []
    row: Mapping[str, Any] = {}
    try:
        for row in reply.get("Uploads") or ():
            listed = ListedUpload(
                key=decode(row["Key"]),
                upload_id=row["UploadId"],
                initiated=row["Initiated"],
                initiator=normalize_principal((row.get("Initiator") or {}).get("ID")),
            )
            found.append(listed)
    except _WRONG:
        raise explain_not_s3(bucket, row.get("Key"), row, _LISTED_UPLOAD) from None
    marker = None
    if require_field(reply, "IsTruncated"):
        key, upload_id = decode(require_text(reply, "NextKeyMarker")), reply.get("NextUploadIdMarker")
        marker = UploadMarker(key=key, upload_id=upload_id or None)
    return UploadPage(uploads=tuple(found), marker=marker)


def require_field(reply: Mapping[str, Any], name: str) -> Any:
    """Return a field that every such reply has; an empty 200 must not end a listing or start an upload.

    Raises:
        TransientError: the field is missing.
    """
    if name not in reply:
        msg = f"S3 answered 200 without {name}"
        raise TransientError(msg, code=Code.EMPTY_REPLY)
    return reply[name]


def require_text(reply: Mapping[str, Any], name: str) -> str:
    """Return a text that every such reply has, and that is not empty.

    Raises:
        TransientError: it is missing or empty.
    """
    text: str = require_field({key: value for key, value in reply.items() if value}, name)
    return text


def parse_date_header(text: str | None) -> datetime | None:
    """Return the time of a Date header; None if it is missing or not a valid date."""
    try:
        found = parsedate_to_datetime(text or "")
        return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
    except (IndexError, OverflowError, TypeError, ValueError):
        return None


def check_confirmed(operation: str, reply: Mapping[str, Any]) -> None:
    """Check rule 1, for every client and nowhere else: a write succeeded only if the reply has an ETag.

    botocore accepts an empty 200 as success. Other operations are not checked.

    Raises:
        TransientError: the reply has no ETag.
    """
    if operation in _CONFIRMED_IN and not _confirmed_part(operation, reply).get("ETag"):
        raise unreadable_reply(operation)


def parse_confirmation(operation: str, reply: Mapping[str, Any]) -> Confirmation:
    """Return what S3 confirms of a new object, in a reply that `check_confirmed` passed."""
    part = _confirmed_part(operation, reply)
    return Confirmation(
        etag=part["ETag"],
        checksums=_full_object_checksums(part),
        version_id=reply.get("VersionId"),
        request_id=reply["ResponseMetadata"].get("RequestId") or None,
    )


def parse_part_etag(operation: str, reply: Mapping[str, Any]) -> str:
    """Return the ETag of a new part, in a reply that `check_confirmed` passed."""
    etag: str = _confirmed_part(operation, reply)["ETag"]
    return etag


def _confirmed_part(operation: str, reply: Mapping[str, Any]) -> Mapping[str, Any]:
    member = _CONFIRMED_IN[operation]
    return (reply.get(member) or {}) if member else reply


def explain_not_s3(
    bucket: str, key: str | None, described: Mapping[str, Any], members: Mapping[str, type]
) -> RequestError:
    """Return the error for a server that describes an object as S3 never does."""
    found = (_find_wrong(described.get(name), name, members[name]) for name in members)
    wrong = next(filter(None, found), "has a field of a wrong type")
    msg = f"{bucket} describes {key!r} as S3 never does: it {wrong}"
    return RequestError(msg, code=Code.NOT_S3)


def _find_wrong(value: Any, name: str, wanted: type) -> str | None:
    """Return what is wrong with a member; None if nothing is."""
    if value is None or (isinstance(value, str) and not value.strip('"')):
        return f"has no {name}"
    if not isinstance(value, wanted):
        return f"has {name} {str(value)[:_SHOWN]!r}, which is not {_KINDS[wanted]}"
    if isinstance(value, int) and value < 0:
        return f"has {name} {value}, and the least is 0"
    if isinstance(value, datetime) and value.tzinfo is None:
        return f"has {name} {value}, which has no time zone"
    return None


def _carried_headers(reply: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the headers to set on a copy by parameter: as text, whatever they should be."""
    for member in _CARRIED_HEADERS:
        text = read_header(reply.get(member) or "")
        if member == "ContentEncoding":
            text = drop_chunking(text)
        if text:
            yield member.removesuffix("String"), text


def _is_archived(reply: Mapping[str, Any]) -> bool:
    """Say whether an object has an archive's class or tier, restored or not (rule 10)."""
    return reply.get("StorageClass") in {"GLACIER", "DEEP_ARCHIVE"} or "ArchiveStatus" in reply


def _full_object_checksums(reply: Mapping[str, Any]) -> dict[str, str]:
    """Leave out a checksum of checksums (type COMPOSITE, ending in -N): it depends on the parts."""
    if reply.get("ChecksumType") == "COMPOSITE":
        return {}
    return {name: reply[name] for name in _CHECKSUMS if name in reply and "-" not in reply[name]}
