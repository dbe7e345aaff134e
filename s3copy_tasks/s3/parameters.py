"""What a request says beyond its bucket and key, by S3's own names of parameters."""

from __future__ import annotations

from base64 import b64encode
from hashlib import md5
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from s3copy_tasks.core.store import ABSENT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from s3copy_tasks.core.job import ObjectOptions
    from s3copy_tasks.core.objects import ObjectDetails
    from s3copy_tasks.core.store import CopyRequest


def copy_source(request: CopyRequest) -> dict[str, Any]:
    """Name the source of a copy, or of a part, and pin it (rules 2 and 4)."""
    origin = request.source
    copied = {"Bucket": origin.bucket, "Key": origin.key}
    if origin.version_id:
        copied["VersionId"] = origin.version_id
    source: dict[str, Any] = {"CopySource": copied, "CopySourceIfMatch": origin.etag}
    if request.source_account:
        source["ExpectedSourceBucketOwner"] = request.source_account
    return source | payer(agreed=request.requester_pays)


def payer(*, agreed: bool) -> dict[str, Any]:
    """Agree to pay for a request to a bucket whose owner does not."""
    return {"RequestPayer": "requester"} if agreed else {}


def guard(request: CopyRequest) -> dict[str, Any]:
    """Ask S3 to refuse a destination that somebody else wrote meanwhile (rule 3)."""
    if request.guard is None:
        return {}
    return {"IfNoneMatch": ABSENT} if request.guard == ABSENT else {"IfMatch": request.guard}


def set_on_copy(request: CopyRequest) -> dict[str, Any]:
    """Say what a CopyObject sets; nothing where the job asks for S3's default (rules 8 and 11)."""
    options = _with_class(request)
    if request.options.tags == "drop":
        options["TaggingDirective"] = "REPLACE"
    return options


def carried(request: CopyRequest, details: ObjectDetails, tags: Mapping[str, str]) -> dict[str, Any]:
    """Say everything that a new object has and a CopyObject would carry by itself (rule 7)."""
    options: dict[str, Any] = {**details.headers, **_with_class(request)}
    if tags:
        options["Tagging"] = urlencode(tags)
    return options


def set_by_options(options: ObjectOptions) -> dict[str, Any]:
    """Say what a job's options set, whatever the object."""
    chosen: dict[str, Any] = {}
    if options.storage_class not in {"preserve", "STANDARD"}:
        chosen["StorageClass"] = options.storage_class
    if options.acl:
        chosen["ACL"] = options.acl
    if options.kms_key_id:
        chosen |= {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": options.kms_key_id}
    return chosen


def content(body: bytes) -> dict[str, Any]:
    """Return a body with its MD5, by which S3 refuses another one."""
    return {"Body": body, "ContentMD5": b64encode(md5(body, usedforsecurity=False).digest()).decode()}


def _with_class(request: CopyRequest) -> dict[str, Any]:
    options = set_by_options(request.options)
    if request.options.storage_class == "preserve" and request.source.storage_class != "STANDARD":
        options["StorageClass"] = request.source.storage_class
    return options
