"""The parameters of requests beyond bucket and key, by S3's own names."""

from __future__ import annotations

from base64 import b64encode
from hashlib import md5
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from s3copy_tasks.core.headers import encode_words
from s3copy_tasks.core.objects import is_weak
from s3copy_tasks.core.store import ABSENT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from s3copy_tasks.core.objects import ObjectDetails
    from s3copy_tasks.core.options import ObjectOptions
    from s3copy_tasks.core.store import CopyRequest


def copy_source_params(request: CopyRequest) -> dict[str, Any]:
    """Name the source of a copy, or of a part, and pin it (rules 2 and 4)."""
    origin = request.source
    copied = {"Bucket": origin.bucket, "Key": origin.key}
    if origin.version_id:
        copied["VersionId"] = origin.version_id
    source: dict[str, Any] = {"CopySource": copied, **match_params("CopySourceIfMatch", origin.etag)}
    if request.source_account:
        source["ExpectedSourceBucketOwner"] = request.source_account
    return source | payer_params(agreed=request.requester_pays)


def payer_params(*, agreed: bool) -> dict[str, Any]:
    """Agree to pay for a request to a bucket whose owner does not."""
    return {"RequestPayer": "requester"} if agreed else {}


def guard_params(request: CopyRequest) -> dict[str, Any]:
    """Let S3 refuse the write if another client has written the destination since (rule 3)."""
    if request.guard is None:
        return {}
    return {"IfNoneMatch": ABSENT} if request.guard == ABSENT else match_params("IfMatch", request.guard)


def match_params(name: str, etag: str) -> dict[str, Any]:
    """Name the object that a request expects; nothing if its ETag is weak, which matches no object."""
    return {} if is_weak(etag) else {name: etag}


def copy_params(request: CopyRequest) -> dict[str, Any]:
    """Return what a CopyObject sets; nothing where the job has S3's default (rules 8 and 11)."""
    options = _with_class(request)
    if request.options.tags == "drop":
        options["TaggingDirective"] = "REPLACE"
    return options


def new_object_params(
    request: CopyRequest, details: ObjectDetails, tags: Mapping[str, str]
) -> dict[str, Any]:
    """Return all that a CopyObject would copy, for an upload that has to set it (rule 7)."""
    options: dict[str, Any] = {**details.headers, **_with_class(request)}
    if details.object.metadata:
        metadata = details.object.metadata
        options["Metadata"] = {name: encode_words(text) for name, text in metadata.items()}
    if tags:
        options["Tagging"] = urlencode(tags)
    return options


def option_params(options: ObjectOptions) -> dict[str, Any]:
    """Return what a job's options set on every object."""
    chosen: dict[str, Any] = {}
    if options.storage_class not in {"preserve", "STANDARD"}:
        chosen["StorageClass"] = options.storage_class
    if options.acl:
        chosen["ACL"] = options.acl
    if options.encryption or options.kms_key_id:
        chosen["ServerSideEncryption"] = options.encryption or "aws:kms"
    if options.kms_key_id:
        chosen["SSEKMSKeyId"] = options.kms_key_id
    return chosen


def body_params(body: bytes) -> dict[str, Any]:
    """Return a body with its MD5, so that S3 refuses a corrupted body."""
    return {"Body": body, "ContentMD5": hash_md5(body)}


def hash_md5(body: bytes) -> str:
    """Return a body's MD5 as the header Content-MD5 has it."""
    return b64encode(md5(body, usedforsecurity=False).digest()).decode()


def _with_class(request: CopyRequest) -> dict[str, Any]:
    options = option_params(request.options)
    if request.options.storage_class == "preserve" and request.source.storage_class != "STANDARD":
        options["StorageClass"] = request.source.storage_class
    return options
