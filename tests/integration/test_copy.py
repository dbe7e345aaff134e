"""Copies between two accounts of a real S3 server, over HTTP, with assumed roles."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from s3copy_tasks.core.job import Filters, ObjectEntry, Overwrite, PrefixEntry
from s3copy_tasks.core.multipart import Limits
from s3copy_tasks.core.options import ObjectOptions, TransferOptions

if TYPE_CHECKING:
    from tests.support.s3.proxy import Proxy, Request
    from tests.support.s3.sides import Sides

ODD_KEYS = [
    "plain.txt",
    "with space and + plus",
    "per%cent %20 & ? # ' \" quotes",
    "ünï/çødé/日本語/🚀",
    "double//slash",
    "dots/./and/../up",
    "tab\there",
    "trailing/",
    "/leading",
    "<script>alert(1)</script>",
    "a" * 900,
]


def test_prefix_arrives_byte_for_byte_with_its_metadata(sides: Sides) -> None:
    """A recursive prefix keeps structure, bytes, content type and user metadata (FR-001, FR-004, FR-009)."""
    options = {"ContentType": "application/x-netcdf", "CacheControl": "no-store", "Metadata": {"orbit": "7"}}
    for i in range(25):
        sides.put(f"data/{i % 4}/g{i}.nc", bytes(range(i)), **options)
    metrics = sides.run(sides.job())
    assert sides.copied() == {f"copy/{i % 4}/g{i}.nc": bytes(range(i)) for i in range(25)}
    head = sides.destination.head_object(Bucket=sides.destination_bucket, Key="copy/3/g7.nc")
    assert (head["ContentType"], head["CacheControl"], head["Metadata"]) == tuple(options.values())
    assert (metrics.total_files_found, metrics.files_copied_successfully) == (25, 25)
    assert metrics.total_bytes_transferred == sum(range(25))


@pytest.mark.parametrize("key", ODD_KEYS)
def test_odd_keys_are_copied_exactly(sides: Sides, key: str) -> None:
    """Any key that S3 allows is listed, encoded once and copied to the same key (rule 5)."""
    sides.put(f"data/{key}", key.encode())
    metrics = sides.run(sides.job())
    assert sides.copied() == {f"copy/{key}": key.encode()}
    assert metrics.files_copied_successfully == 1
    assert sides.plan(sides.job()).batches == ()


def test_markers_and_empty_objects_are_objects(sides: Sides) -> None:
    """Zero-byte objects, `name/` markers and the object that is the prefix itself count (rule 9)."""
    for key in ("data/", "data/folder/", "data/empty"):
        sides.put(key, b"")
    metrics = sides.run(sides.job())
    assert set(sides.copied()) == {"copy/", "copy/folder/", "copy/empty"}
    assert metrics.files_copied_successfully == 3


def test_second_plan_after_a_clean_run_is_empty(sides: Sides) -> None:
    """Planning again after a clean run finds nothing to copy."""
    for i in range(12):
        sides.put(f"data/{i}")
    sides.run(sides.job())
    plan = sides.plan(sides.job())
    assert plan.batches == ()
    assert plan.outside == {"unchanged": 12}


def test_only_what_changed_is_copied_again(sides: Sides, proxy: Proxy) -> None:
    """After a change of one object, a run sends one copy."""
    for i in range(12):
        sides.put(f"data/{i}")
    sides.run(sides.job())
    sides.put("data/5", b"changed")
    proxy.forget()
    metrics = sides.run(sides.job())
    assert [request.key for request in proxy.of_kind("CopyObject")] == ["copy/5"]
    assert (metrics.files_copied_successfully, dict(metrics.files_skipped)) == (1, {"unchanged": 11})


def test_non_recursive_prefix_takes_direct_children(sides: Sides) -> None:
    """`recursive: false` leaves deeper keys alone."""
    for key in ("data/a", "data/b", "data/deep/c"):
        sides.put(key)
    entry = PrefixEntry(source="data/", destination="copy/", recursive=False)
    sides.run(sides.job(prefixes=(entry,)))
    assert set(sides.copied()) == {"copy/a", "copy/b"}


def test_single_objects_and_filters(sides: Sides) -> None:
    """Objects are copied by key, whatever the filters of the prefixes say (FR-011)."""
    for key in ("data/a.nc", "data/b.tmp", "catalog/index.tmp"):
        sides.put(key, key.encode())
    job = sides.job(
        objects=(ObjectEntry(source="catalog/index.tmp", destination="catalog.tmp"),),
        filters=Filters(exclude=("*.tmp",)),
    )
    metrics = sides.run(job)
    assert sides.copied() == {"copy/a.nc": b"data/a.nc", "catalog.tmp": b"catalog/index.tmp"}
    assert dict(metrics.files_skipped) == {"excluded": 1}


def test_batches_cover_each_key_once(sides: Sides) -> None:
    """A run of several batches copies every key once."""
    for i in range(35):
        sides.put(f"data/{i:05}", b"")
    job = sides.job(transfer=TransferOptions(batch_objects=10, concurrency=8))
    assert len(sides.plan(job).batches) == 4
    metrics = sides.run(job)
    assert metrics.files_copied_successfully == len(sides.copied()) == 35


@pytest.mark.needs("parts_by_role", "storage_classes")
def test_large_objects_go_in_parts_and_carry_everything(sides: Sides, proxy: Proxy) -> None:
    """Above the single-copy limit a copy goes in parts, with metadata and content type (rules 6 and 7)."""
    body = bytes(range(256)) * 4 * 1024 * 11
    sides.put("data/large", body, ContentType="image/tiff", Metadata={"k": "v"}, StorageClass="STANDARD_IA")
    limits = Limits(single_copy_bytes=6 * 2**20, part_bytes=5 * 2**20)
    metrics = sides.run(sides.job(), limits=limits)
    assert sides.copied() == {"copy/large": body}
    head = sides.destination.head_object(Bucket=sides.destination_bucket, Key="copy/large")
    assert (head["ContentType"], head["Metadata"]) == ("image/tiff", {"k": "v"})
    assert proxy.kinds()["UploadPartCopy"] == 3
    created = proxy.of_kind("CreateMultipartUpload")[-1]
    assert created.headers["x-amz-storage-class"] == "STANDARD_IA"
    assert metrics.total_bytes_transferred == len(body)
    assert sides.open_uploads() == []


def test_every_request_names_the_owner(sides: Sides, proxy: Proxy) -> None:
    """Requests to the source carry its account, those to the destination the other; copies both (rule 4)."""
    sides.put("data/a")
    sides.run(sides.job())
    owners = {"source": "111122223333", "destination": "444455556666"}
    for request in proxy.requests:
        if request.target == "/":
            continue  # STS
        side = "source" if request.target.startswith(f"/{sides.source_bucket}") else "destination"
        assert request.headers["x-amz-expected-bucket-owner"] == owners[side], request
    (copy,) = proxy.of_kind("CopyObject")
    assert copy.headers["x-amz-source-expected-bucket-owner"] == owners["source"]


def test_a_copy_is_one_request_that_pins_its_source(sides: Sides, proxy: Proxy) -> None:
    """A small copy sends the listed ETag, and no header for what is S3's default (rules 2, 8 and 11)."""
    sides.put("data/a")
    sides.run(sides.job())
    (copy,) = proxy.of_kind("CopyObject")
    etag = sides.source.head_object(Bucket=sides.source_bucket, Key="data/a")["ETag"]
    assert copy.headers["x-amz-copy-source-if-match"] == etag
    sent = {name for name in copy.headers if name.startswith("x-amz-")}
    assert not sent & {
        "x-amz-acl",
        "x-amz-metadata-directive",
        "x-amz-storage-class",
        "x-amz-tagging-directive",
        "x-amz-server-side-encryption",
    }
    headed = [request.key for request in proxy.of_kind("HeadObject")]
    assert headed == ["copy/.s3copy-preflight-run-1"]  # preflight's, once for the prefix


@pytest.mark.needs("storage_classes", "encryption")
def test_options_become_headers(sides: Sides, proxy: Proxy) -> None:
    """Storage class, ACL, KMS key and dropped tags are sent as S3 names them."""
    sides.put("data/a")
    options = ObjectOptions(
        storage_class="STANDARD_IA", acl="bucket-owner-full-control", kms_key_id="key-1", tags="drop"
    )
    sides.run(sides.job(options=options))
    for kind in ("CopyObject", "CreateMultipartUpload"):
        (request,) = proxy.of_kind(kind)
        assert request.headers["x-amz-storage-class"] == "STANDARD_IA"
        assert request.headers["x-amz-acl"] == "bucket-owner-full-control"
        assert request.headers["x-amz-server-side-encryption-aws-kms-key-id"] == "key-1"
    (copy,) = proxy.of_kind("CopyObject")
    assert copy.headers["x-amz-tagging-directive"] == "REPLACE"


@pytest.mark.needs("storage_classes")
def test_storage_class_is_preserved(sides: Sides, proxy: Proxy) -> None:
    """`preserve` sends the source's class where S3 would use STANDARD (rule 8)."""
    sides.put("data/a", StorageClass="ONEZONE_IA")
    sides.run(sides.job())
    (copy,) = proxy.of_kind("CopyObject")
    assert copy.headers["x-amz-storage-class"] == "ONEZONE_IA"


def test_overwrite_never_leaves_what_is_there_and_guards_the_rest(sides: Sides, proxy: Proxy) -> None:
    """`never` skips what exists, and lets S3 refuse what another client has written meanwhile (rule 3)."""
    sides.put("data/a", b"new")
    sides.put("data/b", b"new")
    sides.destination.put_object(Bucket=sides.destination_bucket, Key="copy/a", Body=b"old")
    metrics = sides.run(sides.job(overwrite=Overwrite.NEVER))
    assert sides.copied() == {"copy/a": b"old", "copy/b": b"new"}
    assert dict(metrics.files_skipped) == {"exists": 1}
    (copy,) = proxy.of_kind("CopyObject")
    assert copy.headers["if-none-match"] == "*"


def test_overwrite_always_copies_again(sides: Sides) -> None:
    """`always` copies unchanged objects, too (FR-015)."""
    sides.put("data/a")
    sides.run(sides.job())
    metrics = sides.run(sides.job(overwrite=Overwrite.ALWAYS))
    assert metrics.files_copied_successfully == 1


def test_dry_run_writes_nothing(sides: Sides, proxy: Proxy) -> None:
    """A plan reads and copies nothing."""
    sides.put("data/a")
    sides.plan(replace(sides.job(), dry_run=True))
    assert proxy.kinds()["CopyObject"] == 0
    assert sides.copied() == {}


def test_source_and_destination_sign_apart(sides: Sides, proxy: Proxy) -> None:
    """The source's role lists and heads; the destination's role copies (rule 14)."""
    sides.put("data/a")
    sides.run(sides.job())

    def signer(request: Request) -> str:
        return request.headers["authorization"].partition("Credential=")[2].partition("/")[0]

    listed = {signer(r) for r in proxy.of_kind("ListObjectsV2") if sides.source_bucket in r.target}
    copied = {signer(r) for r in proxy.of_kind("CopyObject")}
    assert len(listed) >= 1
    assert listed.isdisjoint(copied)


@pytest.mark.needs("parts_by_role")
def test_a_copy_in_parts_is_verified_by_a_listing(sides: Sides, proxy: Proxy) -> None:
    """The destination's listing shows the ETag that S3 confirmed. No checksum is requested."""
    sides.put("data/large", b"x" * (12 * 2**20))
    sides.put("data/small")
    limits = Limits(single_copy_bytes=6 * 2**20, part_bytes=5 * 2**20)
    metrics = sides.run(sides.job(), limits=limits)
    assert (metrics.files_copied_successfully, metrics.files_verified) == (2, 2)
    (created,) = [one for one in proxy.of_kind("CreateMultipartUpload") if one.key == "copy/large"]
    assert not [name for name in created.headers if name.startswith("x-amz-checksum")]


@pytest.mark.needs("parts_by_role")
def test_checksums_of_copies_in_parts_are_of_the_full_object(sides: Sides, proxy: Proxy) -> None:
    """`verify: checksum` has S3 compute one over all parts, and asks the source for its own."""
    sides.put("data/large", b"x" * (12 * 2**20))
    limits = Limits(single_copy_bytes=6 * 2**20, part_bytes=5 * 2**20)
    sides.run(sides.job(verify="checksum"), limits=limits)
    (created,) = [one for one in proxy.of_kind("CreateMultipartUpload") if one.key == "copy/large"]
    assert created.headers["x-amz-checksum-algorithm"] == "CRC64NVME"
    assert created.headers["x-amz-checksum-type"] == "FULL_OBJECT"
    asked = [
        one for one in proxy.of_kind("HeadObject") if one.headers.get("x-amz-checksum-mode") == "ENABLED"
    ]
    assert [one.key for one in asked] == ["data/large"]
