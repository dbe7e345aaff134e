"""On servers with checksums and conditional requests: copies are verified, and changes are noticed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from s3copy_tasks.core.job import ObjectEntry, Overwrite
from s3copy_tasks.core.multipart import Limits
from s3copy_tasks.core.options import ObjectOptions

if TYPE_CHECKING:
    from mypy_boto3_s3.type_defs import HeadObjectOutputTypeDef

    from tests.support.s3.proxy import Proxy, Reply, Request
    from tests.support.s3.sides import Sides

needs = pytest.mark.needs
LIMITS = Limits(single_copy_bytes=6 * 2**20, part_bytes=5 * 2**20)
PART = bytes(range(256)) * 4 * 1024 * 5
BODY = PART + PART[::-1] + PART + b"end"
CARRIED: dict[str, Any] = {
    "ContentType": "application/x-netcdf",
    "ContentEncoding": "gzip",
    "ContentLanguage": "de",
    "ContentDisposition": "attachment",
    "CacheControl": "no-store",
    "Metadata": {"orbit": "7", "pass": "ascending"},
}
TAGS = [{"Key": "kind", "Value": "granule"}, {"Key": "level", "Value": "2 b"}]


def put_checked(sides: Sides, key: str, body: bytes) -> None:
    """Put an object of which the server itself computes the CRC64NVME, as S3 does for every new object."""
    sides.put(key, body, Tagging="kind=granule&level=2+b", **CARRIED)
    place: Any = {"Bucket": sides.source_bucket, "Key": key}
    sides.source.copy_object(
        **place,
        CopySource=place,
        ChecksumAlgorithm="CRC64NVME",
        MetadataDirective="REPLACE",
        **CARRIED,
    )


def heads(sides: Sides) -> tuple[HeadObjectOutputTypeDef, HeadObjectOutputTypeDef]:
    """Return the heads of `data/a` and its copy, with checksums."""
    return (
        sides.source.head_object(Bucket=sides.source_bucket, Key="data/a", ChecksumMode="ENABLED"),
        sides.destination.head_object(Bucket=sides.destination_bucket, Key="copy/a", ChecksumMode="ENABLED"),
    )


def writes_meanwhile(sides: Sides, kind: str) -> Any:
    """Let another client write the destination just before the first request of a kind arrives."""
    done: list[str] = []

    def answer(request: Request) -> Reply | None:
        if (request.kind, request.key) == (kind, "copy/a") and not done:
            done.append(kind)
            sides.destination.put_object(Bucket=sides.destination_bucket, Key="copy/a", Body=b"another's")
        return None

    return answer


@needs("full_object_checksums", "parts_by_role")
def test_all_of_an_object_arrives_in_parts(sides: Sides, proxy: Proxy) -> None:
    """A copy of four parts has its source's bytes, headers, metadata, tags and checksum: it is verified."""
    put_checked(sides, "data/a", BODY)
    metrics = sides.run(sides.job(verify="checksum"), limits=LIMITS)
    assert proxy.kinds()["UploadPartCopy"] == 4
    assert (metrics.files_copied_successfully, metrics.files_verified) == (1, 1)
    assert sides.copied() == {"copy/a": BODY}
    source, copy = heads(sides)
    assert {name: copy[name] for name in CARRIED} == CARRIED  # type: ignore[literal-required]
    assert copy["ChecksumCRC64NVME"] == source["ChecksumCRC64NVME"]
    assert copy["ChecksumType"] == "FULL_OBJECT"
    tags = sides.destination.get_object_tagging(Bucket=sides.destination_bucket, Key="copy/a")["TagSet"]
    assert sorted(tags, key=lambda tag: tag["Key"]) == TAGS


@needs("full_object_checksums", "parts_by_role")
@pytest.mark.parametrize(("verify", "failed"), [("checksum", 1), ("size", 0)])
def test_a_wrong_part_is_found_by_checksum(sides: Sides, proxy: Proxy, verify: str, failed: int) -> None:
    """A copy whose second part is the first again has the right size: only its checksum shows the error."""
    put_checked(sides, "data/a", BODY)

    def first_part_again(request: Request) -> Reply | None:
        if request.kind != "UploadPartCopy" or request.query["partNumber"] != "2":
            return None
        wrong = {**request.headers, "x-amz-copy-source-range": f"bytes=0-{len(PART) - 1}"}
        return proxy.forward(replace(request, headers=wrong))

    proxy.answer = first_part_again
    metrics = sides.run(sides.job(verify=verify), limits=LIMITS)
    assert sides.copied() == {"copy/a": PART + PART + PART + b"end"}
    assert metrics.files_failed == failed
    assert metrics.errors_encountered.by_code == ({"VerificationFailed": 1} if failed else {})


@needs("full_object_checksums")
def test_small_copies_are_verified(sides: Sides) -> None:
    """Every copy of a small object is verified, and each is counted."""
    for number in range(10):
        put_checked(sides, f"data/{number}", bytes([number]))
    metrics = sides.run(sides.job(verify="checksum"))
    assert (metrics.files_copied_successfully, metrics.files_verified) == (10, 10)


@needs("copy_if_match")
def test_a_source_that_changes_is_refused_by_the_server(sides: Sides, proxy: Proxy) -> None:
    """A source that changes before its copy is refused with 412, headed again, and copied (rule 2)."""
    sides.put("data/a", b"old")
    changes = iter([b"newer"])

    def change(request: Request) -> Reply | None:
        if request.kind == "CopyObject":
            for body in changes:
                sides.put("data/a", body)
        return None

    proxy.answer = change
    metrics = sides.run(sides.job())
    assert proxy.kinds()["CopyObject"] == 2
    assert sides.copied() == {"copy/a": b"newer"}
    assert (metrics.files_copied_successfully, metrics.total_bytes_transferred) == (1, 5)


@needs("complete_if_none_match", "parts_by_role")
def test_what_another_client_writes_meanwhile_stays(sides: Sides, proxy: Proxy) -> None:
    """`never` in parts: the server refuses to complete, the object counts as there, no upload stays."""
    sides.put("data/a", BODY)
    proxy.answer = writes_meanwhile(sides, "CompleteMultipartUpload")
    metrics = sides.run(sides.job(overwrite=Overwrite.NEVER), limits=LIMITS)
    assert sides.copied() == {"copy/a": b"another's"}
    assert (metrics.files_failed, dict(metrics.files_skipped)) == (0, {"exists": 1})
    assert sides.open_uploads() == []


@needs("archive")
def test_restored_objects_are_copied(sides: Sides) -> None:
    """A single object in an archive is copied once it is restored: HEAD says so, and the server allows it."""
    sides.put("data/a", b"cold", StorageClass="GLACIER")
    entry = ObjectEntry(source="data/a", destination="copy/a")
    job = sides.job(prefixes=(), objects=(entry,), options=ObjectOptions(storage_class="STANDARD"))
    assert sides.run(job).errors_encountered.by_code == {"InvalidObjectState": 1}
    request: Any = {"Days": 1}
    sides.source.restore_object(Bucket=sides.source_bucket, Key="data/a", RestoreRequest=request)
    sides.run(job)
    assert sides.copied() == {"copy/a": b"cold"}
