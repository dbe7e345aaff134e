"""Objects are read from listings, and writes are confirmed, only as S3 does it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from s3copy_tasks.errors import Code, RequestError, TransientError
from s3copy_tasks.s3.results import (
    check_confirmed,
    parse_confirmation,
    parse_objects,
    parse_page,
    parse_part_etag,
)

ROW = {
    "Key": "a",
    "Size": 1,
    "LastModified": datetime(2026, 1, 1, tzinfo=UTC),
    "ETag": '"9b2cf535f27731c974343645a3985328"',
}


def test_a_page_of_objects() -> None:
    """Objects keep their order; the class is S3's default if none is listed."""
    first, second = parse_objects("bucket", [ROW, {**ROW, "Key": "b", "StorageClass": "GLACIER"}])
    assert (first.bucket, first.key, first.storage_class, first.is_archived) == (
        "bucket",
        "a",
        "STANDARD",
        False,
    )
    assert (second.key, second.is_archived) == ("b", True)
    assert parse_objects("bucket", []) == ()


@pytest.mark.parametrize(
    "change", [{"ETag": '""'}, {"ETag": None}, {"Size": -1}, {"Size": "1"}, {"Key": ""}, {"Size": None}]
)
def test_a_row_that_is_not_from_s3(change: dict[str, Any]) -> None:
    """One row that S3 would never send makes the page an error with bucket and key: it is another server."""
    odd = {name: value for name, value in {**ROW, "Key": "odd", **change}.items() if value is not None}
    with pytest.raises(RequestError, match=f"bucket describes {odd['Key']!r} as S3 never does") as raised:
        parse_objects("bucket", [ROW, odd])
    assert raised.value.code == Code.NOT_S3


@pytest.mark.parametrize(
    ("rows", "page", "words"),
    [
        pytest.param(("in/a",), {"IsTruncated": True}, "does not support ListObjectsV2", id="no token"),
        pytest.param(("in/a", "other/b"), {"IsTruncated": False}, "'other/b'", id="another prefix"),
    ],
)
def test_a_page_that_is_not_from_s3(rows: tuple[str, ...], page: dict[str, Any], words: str) -> None:
    """A page that can't be continued, or has keys that were not asked for, is an error: nothing is copied."""
    reply = {**page, "Contents": [{**ROW, "Key": key} for key in rows]}
    with pytest.raises(RequestError, match=words) as raised:
        parse_page("bucket", "in/", reply)
    assert raised.value.code == Code.NOT_S3


IDS = {"VersionId": "v1", "ResponseMetadata": {"RequestId": "4442587FB7D0A2F9"}}
CONFIRMED: dict[str, dict[str, Any]] = {
    "CopyObject": {"CopyObjectResult": {"ETag": '"e"', "ChecksumCRC32": "AAAAAA=="}, **IDS},
    "UploadPartCopy": {"CopyPartResult": {"ETag": '"e"'}, **IDS},
    "CompleteMultipartUpload": {"ETag": '"e"', "ChecksumCRC32": "AAAAAA==", **IDS},
    "PutObject": {"ETag": '"e"', "ChecksumCRC32": "AAAAAA==", **IDS},
    "UploadPart": {"ETag": '"e"', **IDS},
}
UNCONFIRMED: list[tuple[str, dict[str, Any]]] = [
    *((operation, {}) for operation in CONFIRMED),
    *((operation, {"ETag": ""}) for operation in CONFIRMED),
    ("CopyObject", {"ETag": '"e"'}),
    ("CopyObject", {"CopyObjectResult": {}}),
    ("CopyObject", {"CopyObjectResult": {"ETag": ""}}),
    ("UploadPartCopy", {"ETag": '"e"'}),
    ("UploadPartCopy", {"CopyPartResult": {"ETag": ""}}),
]


@pytest.mark.parametrize(("operation", "reply"), CONFIRMED.items(), ids=CONFIRMED)
def test_confirmed_writes(operation: str, reply: dict[str, Any]) -> None:
    """A write is confirmed by an ETag, in the part of the reply where S3 puts it."""
    check_confirmed(operation, reply)
    assert parse_part_etag(operation, reply) == parse_confirmation(operation, reply).etag == '"e"'


@pytest.mark.parametrize("operation", ["CopyObject", "CompleteMultipartUpload", "PutObject"])
def test_checksums_of_a_new_object(operation: str) -> None:
    """Checksums of the whole object come with the confirmation."""
    assert parse_confirmation(operation, CONFIRMED[operation]).checksums == {"ChecksumCRC32": "AAAAAA=="}


@pytest.mark.parametrize("operation", ["CopyObject", "CompleteMultipartUpload", "PutObject"])
def test_ids_of_a_new_object(operation: str) -> None:
    """The version that was made and S3's id of the request come with it; a server may have neither."""
    confirmed = parse_confirmation(operation, CONFIRMED[operation])
    assert (confirmed.version_id, confirmed.request_id) == ("v1", "4442587FB7D0A2F9")
    without = {name: value for name, value in CONFIRMED[operation].items() if name != "VersionId"}
    confirmed = parse_confirmation(operation, {**without, "ResponseMetadata": {"RequestId": ""}})
    assert (confirmed.version_id, confirmed.request_id) == (None, None)


@pytest.mark.parametrize(("operation", "reply"), UNCONFIRMED, ids=map(str, UNCONFIRMED))
def test_unconfirmed_writes(operation: str, reply: dict[str, Any]) -> None:
    """A write without an ETag in its place has not succeeded, and can be retried (rule 1)."""
    with pytest.raises(TransientError) as raised:
        check_confirmed(operation, reply)
    assert raised.value.code == Code.EMPTY_REPLY


@pytest.mark.parametrize("operation", ["HeadObject", "ListObjectsV2", "AbortMultipartUpload"])
def test_what_writes_nothing_needs_no_etag(operation: str) -> None:
    """Only writes are confirmed."""
    check_confirmed(operation, {})
