"""Copies are verified by ETags, a listing or checksums; only proven copies count as verified."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3copy_tasks.core.job import ObjectEntry
from s3copy_tasks.core.multipart import Limits
from s3copy_tasks.core.options import TransferOptions
from s3copy_tasks.errors import AccessError
from s3copy_tasks.report.summary import verdict
from tests.support.builders.bench import DESTINATION, SOURCE, Bench
from tests.support.s3.memory import fails, on

if TYPE_CHECKING:
    from s3copy_tasks.core.metrics import TransferMetrics

DENIED = AccessError("no", code="AccessDenied")
PARTS = Limits(single_copy_bytes=4, part_bytes=4)
LARGE = b"0123456789"


def proofs(metrics: TransferMetrics) -> tuple[int, int, int]:
    """Return how many were verified, unverified and mismatched."""
    found = metrics.as_dict()
    return found["files_verified"], found["files_unverified"], found["files_mismatched"]


def large(bench: Bench, count: int = 3) -> None:
    bench.put(*(f"in/{number}" for number in range(count)), content=LARGE)


def test_equal_etags_prove_a_copy_without_a_request() -> None:
    """An object copied by one request has the source's ETag: nothing is listed again."""
    bench = Bench()
    bench.put("in/a", "in/b")
    job = bench.started()
    plan = bench.plan(job)
    listed = bench.server.count("list_page", DESTINATION)
    metrics = bench.run(job, plan)
    assert proofs(metrics) == (2, 0, 0)
    assert bench.server.count("list_page", DESTINATION) == listed + 1, "the batch's own listing"


def test_copies_in_parts_are_found_in_a_listing() -> None:
    """An object in parts has another ETag: one page of a listing verifies all of them."""
    bench = Bench()
    large(bench)
    job = bench.started()
    plan = bench.plan(job)
    listed = bench.server.count("list_page", DESTINATION)
    assert proofs(bench.run(job, plan, limits=PARTS)) == (3, 0, 0)
    assert bench.server.count("list_page", DESTINATION) == listed + 2


def test_single_objects_are_found_in_a_listing() -> None:
    """Objects that the job names are found by listing their key: a HEAD would need another permission."""
    bench = Bench()
    large(bench)
    bench.server.put(DESTINATION, "x0-other", b"")
    objects = tuple(ObjectEntry(source=f"in/{n}", destination=f"x{n}") for n in range(3))
    assert proofs(bench.run(bench.started(objects=objects), limits=PARTS)) == (3, 0, 0)


CHANGES: dict[str, tuple[bytes | None, str]] = {
    "size": (b"short", "the destination has 5 bytes, the source 10"),
    "content": (b"9876543210", "the copy was confirmed with"),
    "gone": (None, "the destination has no such object"),
}


@pytest.mark.parametrize(("written", "words"), CHANGES.values(), ids=CHANGES)
def test_what_is_something_else_is_a_failure_by_name(written: bytes | None, words: str) -> None:
    """A copy that differs from what S3 confirmed is counted as failed, never as copied, and is named."""
    bench = Bench()
    large(bench)
    job = bench.started()
    plan = bench.plan(job)

    def change() -> None:
        if written is None:
            bench.server.buckets[DESTINATION].pop("out/1")
        else:
            bench.server.put(DESTINATION, "out/1", written)

    bench.server.before.append(on("list_page", change, bucket=DESTINATION, spare=1))
    metrics = bench.run(job, plan, limits=PARTS)
    assert proofs(metrics) == (2, 0, 1)
    assert (metrics.files_copied_successfully, metrics.files_failed) == (2, 1)
    assert metrics.total_bytes_transferred == 2 * len(LARGE)
    assert metrics.errors_encountered.by_code == {"VerificationFailed": 1}
    (named,) = metrics.errors_encountered.first
    assert named.key == "in/1"
    assert words in named.message
    assert verdict(metrics, 0) is not None
    assert metrics.errors_encountered.transient == 0, "trying again would take the wrong object for a copy"


def test_what_can_not_be_listed_stays_unverified() -> None:
    """If the listing fails after the copies, they are copied and unverified: the run does not fail."""
    bench = Bench()
    large(bench)
    job = bench.started()
    plan = bench.plan(job)
    bench.server.before.append(on("list_page", fails(DENIED), bucket=DESTINATION, spare=1))
    metrics = bench.run(job, plan, limits=PARTS)
    assert proofs(metrics) == (0, 3, 0)
    assert verdict(metrics, 0) is None


def test_single_objects_that_can_not_be_listed_stay_unverified() -> None:
    """A listing that fails after the copies does not end the batch."""
    bench = Bench()
    large(bench)
    objects = tuple(ObjectEntry(source=f"in/{n}", destination=f"out/{n}") for n in range(3))
    job = bench.started(objects=objects)
    plan = bench.plan(job)
    bench.server.before.append(on("list_page", fails(DENIED), times=99))
    assert proofs(bench.run(job, plan, limits=PARTS)) == (0, 3, 0)


@pytest.mark.parametrize(
    ("checksum", "expected"), [(True, (3, 0, 0)), (False, (0, 3, 0))], ids=["there", "none"]
)
def test_checksums_prove_content(checksum: bool, expected: tuple[int, int, int]) -> None:  # noqa: FBT001 - a table's column
    """`verify: checksum` verifies objects that have a checksum on both sides, and no others."""
    bench = Bench()
    bench.put("in/0", "in/1", "in/2", content=LARGE, checksum=checksum)
    assert proofs(bench.run(bench.started(verify="checksum"), limits=PARTS)) == expected


def test_a_wrong_checksum_is_a_mismatch() -> None:
    """A copy whose checksum differs from the source's is named, and counted as failed."""
    bench = Bench()
    large(bench, 1)
    job = bench.started(verify="checksum")
    plan = bench.plan(job)
    stored = bench.server.buckets[SOURCE]["in/0"]
    wrong = dict.fromkeys(stored.checksums, "AAAA")
    bench.server.before.append(
        on("complete_multipart_upload", lambda: object.__setattr__(stored, "checksums", wrong))
    )
    metrics = bench.run(job, plan, limits=PARTS)
    assert proofs(metrics) == (0, 0, 1)
    assert "its checksum is not that of the source" in metrics.errors_encountered.first[0].message


def test_copies_of_an_earlier_attempt_are_verified_as_far_as_possible() -> None:
    """A retry has no reply: equal ETags prove a copy; an ETag of parts proves only the size."""
    bench = Bench()
    large(bench, 2)
    bench.put("in/small")
    job = bench.started()
    (batch,) = bench.plan(job).batches
    bench.copy(job, batch, limits=PARTS)
    metrics = bench.copy(job, batch, retried=True, limits=PARTS)
    assert metrics.files_copied_earlier == 3
    assert proofs(metrics) == (1, 2, 0)


@settings(max_examples=40)
@given(
    sizes=st.lists(st.integers(0, 12), max_size=12),
    batch_objects=st.integers(1, 5),
    page_keys=st.integers(1, 4),
    unproven=st.integers(1, 5),
    verify=st.sampled_from(["size", "checksum"]),
)
def test_everything_that_was_copied_is_proven(
    sizes: list[int], batch_objects: int, page_keys: int, unproven: int, verify: str
) -> None:
    """Whatever the sizes, batches and pages: on a correct server every copy is verified."""
    bench = Bench(page_keys=page_keys)
    for number, size in enumerate(sizes):
        bench.put(f"in/{number:02}", content=b"x" * size)
    options: dict[str, Any] = {"transfer": TransferOptions(concurrency=2, batch_objects=batch_objects)}
    limits = replace(PARTS, unproven=unproven)
    metrics = bench.run(bench.started(verify=verify, **options), limits=limits)
    assert proofs(metrics) == (len(sizes), 0, 0)


def test_copies_are_verified_before_too_many_wait() -> None:
    """A batch limits its unproven copies: it verifies them in between, each once."""
    bench = Bench()
    large(bench, 30)
    job = bench.started(transfer=TransferOptions(concurrency=1))
    plan = bench.plan(job)
    written: list[int] = []
    bench.server.before.append(
        on("list_page", lambda: written.append(len(bench.written)), bucket=DESTINATION, spare=1, times=9)
    )
    assert proofs(bench.run(job, plan, limits=replace(PARTS, unproven=4))) == (30, 0, 0)
    waited = [after - before for before, after in pairwise([0, *written])]
    assert len(written) >= 3
    assert max(waited) <= 4 + 4, "the limit, and those that the workers had taken"


def test_a_source_that_can_not_be_checked_leaves_its_copy_unverified() -> None:
    """The copy was confirmed: a HEAD that is denied afterwards leaves it unverified, not failed."""
    bench = Bench()
    large(bench, 1)
    job = bench.started(verify="checksum")
    plan = bench.plan(job)
    bench.server.before.append(on("head_object", fails(DENIED), bucket=SOURCE, spare=1))
    assert proofs(bench.run(job, plan, limits=PARTS)) == (0, 1, 0)


def test_a_source_that_changed_after_its_copy_proves_nothing() -> None:
    """The checksum of a newer version says nothing about the copied one."""
    bench = Bench()
    large(bench, 1)
    job = bench.started(verify="checksum")
    plan = bench.plan(job)
    bench.server.after.append(
        on("complete_multipart_upload", lambda: bench.server.put(SOURCE, "in/0", b"another!!!"))
    )
    assert proofs(bench.run(job, plan, limits=PARTS)) == (0, 1, 0)


def test_a_mismatch_takes_all_its_counts_back() -> None:
    """A copy of an earlier attempt that is gone when it is verified counts as failed, not as copied."""
    bench = Bench()
    large(bench, 1)
    job = bench.started()
    (batch,) = bench.plan(job).batches
    bench.copy(job, batch, limits=PARTS)
    bench.server.before.append(
        on("list_page", bench.server.buckets[DESTINATION].clear, bucket=DESTINATION, spare=1)
    )
    metrics = bench.copy(job, batch, retried=True, limits=PARTS)
    assert (metrics.files_copied_successfully, metrics.files_copied_earlier) == (0, 0)
    assert (metrics.files_failed, metrics.files_mismatched) == (1, 1)


def test_single_objects_are_verified_by_their_keys_alone() -> None:
    """One copy in parts among fifty objects costs one more listing."""
    bench = Bench()
    bench.put(*(f"in/{number}" for number in range(50)))
    bench.put("in/large", content=LARGE)
    names = [*range(50), "large"]
    objects = tuple(ObjectEntry(source=f"in/{name}", destination=f"x{name}") for name in names)
    assert proofs(bench.run(bench.started(objects=objects), limits=PARTS)) == (51, 0, 0)
    assert bench.server.count("list_page", DESTINATION) == 1
