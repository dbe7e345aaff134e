"""What S3's listings of versions say; a row that S3 would never send is refused."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

from s3copy_tasks.core.store import ListedVersion, VersionPage, VersionPlace
from s3copy_tasks.s3.results import explain_not_s3, require_field, require_text

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_LISTED: Mapping[str, type] = {"Key": str, "VersionId": str, "LastModified": datetime}


def parse_versions(bucket: str, reply: Mapping[str, Any]) -> VersionPage:
    """Return a page of versions and delete markers, asked for with `EncodingType`.

    Raises:
        RequestError: a row is not one of S3's.
        TransientError: the reply does not say whether there are more.
    """
    decode = unquote_plus if reply.get("EncodingType") == "url" else str
    versions = [
        _parse_row(bucket, row, decode, is_marker=name == "DeleteMarkers")
        for name in ("Versions", "DeleteMarkers")
        for row in reply.get(name) or ()
    ]
    following = None
    if require_field(reply, "IsTruncated"):
        named, version_id = require_text(reply, "NextKeyMarker"), reply.get("NextVersionIdMarker")
        key, keys = decode(named), {version.key for version in versions}
        if key not in keys and named in keys:  # RGW and LocalStack encode keys, but not this one
            key = named
        following = VersionPlace(key=key, version_id=version_id or None)
    return VersionPage(versions=tuple(versions), next=following)


def _parse_row(
    bucket: str, row: Mapping[str, Any], decode: Callable[[str], str], *, is_marker: bool
) -> ListedVersion:
    if not all(isinstance(row.get(name), kind) for name, kind in _LISTED.items()):
        raise explain_not_s3(bucket, row.get("Key"), row, _LISTED)
    return ListedVersion(
        key=decode(row["Key"]),
        version_id=row["VersionId"],
        is_latest=row.get("IsLatest") is True,
        is_marker=is_marker,
        last_modified=row["LastModified"],
        etag="" if is_marker else row.get("ETag", ""),
    )
