"""Objects above 5 GiB, up to the largest in S3: the bytes of each part, and what is copied with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from s3copy_tasks.core.job import Overwrite
from s3copy_tasks.core.options import ObjectOptions, TransferOptions
from s3copy_tasks.core.store import ABSENT
from tests.faults.bench import DESTINATION, DESTINATION_ACCOUNT, SOURCE_ACCOUNT, FaultBench, connect
from tests.faults.proxy import FaultProxy
from tests.support.s3.small_s3 import GIB, SmallS3

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.s3.small_objects import Part, Stored

LARGEST = 10_000 * 5 * GIB
HEADERS = {
    "cache-control": "max-age=60",
    "content-disposition": 'attachment; filename="a.nc"',
    "content-encoding": "gzip",
    "content-language": "de",
    "content-type": "application/x-netcdf",
    "expires": "Thu, 01 Jan 2032 00:00:00 GMT",
    "x-amz-meta-orbit": "7",
    "x-amz-meta-station": "north",
}
TAGS = {"project": "s3 copy", "sign": "+&="}


@pytest.fixture(scope="module")
def bench_proxy() -> Iterator[FaultProxy]:
    """A proxy without faults: it remembers every request."""
    with FaultProxy(SmallS3()) as proxy:
        yield proxy


@pytest.fixture
def bench(bench_proxy: FaultProxy) -> Iterator[FaultBench]:
    """Both sides on a server with S3's own limits."""
    with FaultBench(bench_proxy, connect(bench_proxy.url), step=0.001) as bench:
        yield bench


def large(bench: FaultBench, size: int, **kept: Any) -> Stored:
    """Put an object of a size, with everything that an object can have."""
    values: dict[str, Any] = {
        "parts": 3,
        "headers": HEADERS,
        "tags": TAGS,
        "storage_class": "STANDARD_IA",
    } | kept
    return bench.put("large", size, **values)


def assert_partition(parts: dict[int, Part], source: Stored) -> None:
    """Parts count from 1 and hold the source's bytes in order: none twice, none missing."""
    (whole,) = source.spans
    place = 0
    assert list(parts) == list(range(1, len(parts) + 1))
    for part in parts.values():
        (span,) = part.spans
        assert (span.write, span.first) == (whole.write, place)
        place = span.last + 1
    assert place == source.size


@pytest.mark.parametrize(
    ("size", "parts"),
    [
        pytest.param(5 * GIB + 1, 21, id="5 GiB + 1"),
        pytest.param(12 * GIB, 48, id="12 GiB"),
        pytest.param(LARGEST, 10_000, id="48.8 TiB"),
    ],
)
def test_a_large_object_arrives_whole(bench: FaultBench, size: int, parts: int) -> None:
    """Parts cover the object once, each pinned to its ETag; metadata and tags are copied, too."""
    source = large(bench, size)
    metrics = bench.run(bench.started(transfer=TransferOptions(concurrency=16)))
    copy = bench.written["large"]
    assert_partition(dict(copy.parts), source)
    assert len(copy.parts) == parts
    assert bench.server.same(copy, source)
    assert (dict(copy.headers), dict(copy.tags), copy.storage_class) == (HEADERS, TAGS, "STANDARD_IA")
    assert (metrics.files_copied_successfully, metrics.files_verified) == (1, 1)
    assert metrics.total_bytes_transferred == size
    assert bench.server.uploads == {}
    assert bench.proxy.kinds()["UploadPartCopy"] == parts
    for request in bench.proxy.of_kind("UploadPartCopy"):
        assert request.headers["x-amz-copy-source-if-match"] == source.etag
        assert request.headers["x-amz-source-expected-bucket-owner"] == SOURCE_ACCOUNT
    for request in bench.proxy.requests:
        owner = DESTINATION_ACCOUNT if f"/{DESTINATION}" in request.target else SOURCE_ACCOUNT
        assert request.headers["x-amz-expected-bucket-owner"] == owner, request.target


def test_5_gib_go_in_one_request(bench: FaultBench) -> None:
    """The largest object for CopyObject is copied with it."""
    source = large(bench, 5 * GIB, parts=0)
    bench.run(bench.started())
    assert bench.server.same(bench.written["large"], source)
    assert bench.proxy.kinds()["CopyObject"] == 1
    assert bench.proxy.kinds()["CreateMultipartUpload"] == 0


def test_a_completion_names_the_size_and_guards_the_destination(bench: FaultBench) -> None:
    """S3 refuses an object of another size, and one that another client wrote meanwhile (rules 3 and 7)."""
    large(bench, 6 * GIB)
    bench.run(bench.started(overwrite=Overwrite.NEVER))
    (completed,) = bench.proxy.of_kind("CompleteMultipartUpload")
    assert completed.headers["x-amz-mp-object-size"] == str(6 * GIB)
    assert completed.headers["if-none-match"] == ABSENT


def test_a_large_copy_replaces_what_was_listed_and_nothing_else(bench: FaultBench) -> None:
    """The completion carries the ETag of the object that it replaces (rule 3)."""
    source = large(bench, 6 * GIB)
    there = bench.server.put(DESTINATION, "out/large", b"older", modified=source.modified - 60)
    bench.run(bench.started())
    (completed,) = bench.proxy.of_kind("CompleteMultipartUpload")
    assert completed.headers["if-match"] == there.etag
    assert bench.server.same(bench.written["large"], source)


def test_checksums_are_asked_for_at_the_start(bench: FaultBench) -> None:
    """`verify: checksum` has S3 check the whole object, and compares it with the source's own (rule 13)."""
    large(bench, 6 * GIB, checksummed=True)
    metrics = bench.run(bench.started(verify="checksum"))
    (created,) = bench.proxy.of_kind("CreateMultipartUpload")
    assert created.headers["x-amz-checksum-algorithm"] == "CRC64NVME"
    assert created.headers["x-amz-checksum-type"] == "FULL_OBJECT"
    assert (metrics.files_copied_successfully, metrics.files_verified) == (1, 1)


def test_options_are_set_at_the_start(bench: FaultBench) -> None:
    """Class, ACL and key of the job go on the upload; dropped tags are not even read (rule 7)."""
    large(bench, 6 * GIB)
    options = ObjectOptions(
        storage_class="INTELLIGENT_TIERING", acl="bucket-owner-full-control", kms_key_id="key-1", tags="drop"
    )
    bench.run(bench.started(options=options))
    (created,) = bench.proxy.of_kind("CreateMultipartUpload")
    assert created.headers["x-amz-acl"] == "bucket-owner-full-control"
    assert created.headers["x-amz-server-side-encryption-aws-kms-key-id"] == "key-1"
    copy = bench.written["large"]
    assert (copy.storage_class, copy.tags, dict(copy.headers)) == ("INTELLIGENT_TIERING", {}, HEADERS)
    assert bench.proxy.kinds()["GetObjectTagging"] == 0


@pytest.mark.parametrize("part", [1, 2, 24], ids=["first", "second", "last"])
def test_a_large_source_that_changes_between_two_parts_is_copied_again(bench: FaultBench, part: int) -> None:
    """No object is a mix of two versions: the second version arrives whole, the upload of the first goes."""
    large(bench, 6 * GIB)
    bench.proxy.add(bench.changes("large", 7 * GIB), "UploadPartCopy", nth=part)
    metrics = bench.run(bench.started(transfer=TransferOptions(concurrency=1)))
    newest = bench.versions("large")[-1]
    assert_partition(dict(bench.written["large"].parts), newest)
    assert bench.server.same(bench.written["large"], newest)
    assert (metrics.files_copied_successfully, metrics.total_bytes_transferred) == (1, 7 * GIB)
    assert bench.server.uploads == {}
    assert bench.proxy.kinds()["AbortMultipartUpload"] == 1


def test_a_second_plan_after_a_large_copy_is_empty(bench: FaultBench) -> None:
    """A copy in parts, which has its own ETag, is recognized as unchanged."""
    large(bench, 12 * GIB, parts=0)
    bench.run(bench.started())
    bench.clock.tick(60)
    assert bench.plan(bench.started()).batches == ()
