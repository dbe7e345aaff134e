"""An audit finds what a plan can't see, and copies nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from s3copy_tasks.audit import Audited, Tally, audit, list_extraneous
from s3copy_tasks.core.job import Filters, Mirror, ObjectEntry
from s3copy_tasks.core.options import ObjectOptions
from s3copy_tasks.engine.sender import Sender
from tests.support.s3.proxy import Reply

if TYPE_CHECKING:
    from s3copy_tasks.core.job import EffectiveJob
    from tests.support.s3.proxy import Proxy
    from tests.support.s3.sides import Sides

needs = pytest.mark.needs
HEADERS: dict[str, Any] = {"ContentType": "application/x-netcdf", "Metadata": {"orbit": "7"}}


def audited(sides: Sides, job: EffectiveJob) -> tuple[dict[str, Audited], Tally]:
    """Return what differs by source key, and the counts."""
    tally = Tally()
    found = {one.key: one for one in audit(job, sides.stores(job), Sender(8), tally)}
    return found, tally


def test_a_clean_run_audits_clean(sides: Sides, proxy: Proxy) -> None:
    """After a run nothing differs, and every object is proven by more than its size."""
    for i in range(30):
        sides.put(f"data/{i:02}", bytes([i]), **HEADERS)
    sides.run(sides.job())
    proxy.forget()
    found, tally = audited(sides, sides.job())
    assert found == {}
    assert tally == Tally(compared=30, same=30)
    assert tally.is_clean
    assert set(proxy.kinds()) == {"ListObjectsV2", "HeadObject"}


# What another client writes over the copy -> what differs.
CHANGES = [
    pytest.param({"Body": b"X"}, {"ChecksumCRC32"}, marks=needs("checksums"), id="content of the same size"),
    pytest.param({"Body": b"xx"}, {"size", "ChecksumCRC32"}, marks=needs("checksums"), id="size"),
    pytest.param({"Metadata": {"orbit": "8"}}, {"Metadata"}, id="metadata"),
    pytest.param({"ContentType": "text/plain"}, {"ContentType"}, id="type"),
    pytest.param({"CacheControl": "no-store"}, {"CacheControl"}, id="header"),
    pytest.param(
        {"StorageClass": "STANDARD_IA"}, {"storage_class"}, marks=needs("storage_classes"), id="class"
    ),
    pytest.param({"Tagging": "a=b"}, {"tags"}, marks=needs("tag_counts"), id="tags"),
]


@pytest.mark.parametrize(("changes", "names"), CHANGES)
def test_differences_are_named(sides: Sides, changes: dict[str, Any], names: set[str]) -> None:
    """Each difference is reported by name with both values, and no other."""
    sides.put("data/a", b"x", ChecksumAlgorithm="CRC32", **HEADERS)
    written: dict[str, Any] = {"Body": b"x", "ChecksumAlgorithm": "CRC32"} | HEADERS | changes
    sides.destination.put_object(Bucket=sides.destination_bucket, Key="copy/a", **written)
    found, tally = audited(sides, sides.job())
    assert set(found["data/a"].differences) == names
    assert (tally.different, tally.same, tally.is_clean) == (1, 0, False)


def test_a_missing_copy(sides: Sides) -> None:
    """An object without a copy is reported as missing, with its size."""
    sides.put("data/a", b"abc")
    found, _ = audited(sides, sides.job())
    assert found["data/a"] == Audited(
        key="data/a", destination_key="copy/a", differences={"missing": (3, None)}
    )


def test_single_objects_and_one_that_is_gone(sides: Sides) -> None:
    """Named objects are compared, too; one that is gone is reported as such."""
    sides.put("a", b"x")
    sides.destination.put_object(Bucket=sides.destination_bucket, Key="b", Body=b"x")
    objects = (ObjectEntry(source="a", destination="b"), ObjectEntry(source="gone", destination="c"))
    found, tally = audited(sides, sides.job(prefixes=(), objects=objects))
    assert found["gone"].error == "the source object is gone"
    assert (tally.compared, tally.same, tally.failed) == (2, 1, 1)


@pytest.mark.needs("storage_classes")
def test_filters_and_options_are_the_jobs(sides: Sides) -> None:
    """What the filters leave out is not compared; a class that the job sets is expected."""
    sides.put("data/a.nc", b"x", Tagging="a=b")
    sides.put("data/a.tmp", b"x")
    job = sides.job(
        filters=Filters(exclude=("*.tmp",)), options=ObjectOptions(storage_class="STANDARD_IA", tags="drop")
    )
    sides.destination.put_object(
        Bucket=sides.destination_bucket, Key="copy/a.nc", Body=b"x", StorageClass="STANDARD_IA"
    )
    found, tally = audited(sides, job)
    assert found == {}
    assert tally == Tally(compared=1, same=1, left_out=1)


def test_content_that_nothing_proves_is_counted_apart(sides: Sides, proxy: Proxy) -> None:
    """Same size, other ETag, no common checksum: neither different nor equal, so it is named."""
    sides.put("data/a", b"x")
    sides.destination.put_object(Bucket=sides.destination_bucket, Key="copy/a", Body=b"x")
    plain = {
        "Content-Length": "1",
        "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT",
        "Content-Type": "binary/octet-stream",
    }

    def answer(request: Any) -> Reply | None:
        if request.kind != "HeadObject":
            return None
        letter = "a" if sides.source_bucket in request.target else "b"
        return Reply(200, b"", plain | {"ETag": f'"{letter * 32}-2"'})

    proxy.answer = answer
    found, tally = audited(sides, sides.job())
    assert found == {"data/a": Audited(key="data/a", destination_key="copy/a")}
    assert (tally, tally.is_clean) == (Tally(compared=1, unproven=1), True)


def test_a_refusal_is_not_a_difference(sides: Sides, proxy: Proxy) -> None:
    """An object that may not be headed is counted as failed, with S3's code."""
    sides.put("data/a")
    proxy.answer = lambda request: Reply.error(403, "AccessDenied") if request.kind == "HeadObject" else None
    found, tally = audited(sides, sides.job())
    assert (tally.failed, tally.different) == (1, 0)
    assert "403" in (found["data/a"].error or "")


def test_what_only_the_destination_of_a_mirror_has(sides: Sides) -> None:
    """It is listed and counted, and both sides are not the same; other jobs do not ask for it."""
    sides.put("data/a")
    sides.run(sides.job())
    sides.destination.put_object(Bucket=sides.destination_bucket, Key="copy/old", Body=b"x")
    mirror = Mirror(max_deleted_objects=0, max_deleted_percent=10, prefixes=sides.job().prefixes)
    for job, keys, tally in (
        (sides.job(mirror=mirror), ["copy/old"], Tally(extraneous=1)),
        (sides.job(), [], Tally()),
    ):
        found: list[str] = []
        counted = Tally()
        list_extraneous(job, sides.stores(job), Sender(8), counted, found.append)
        assert (found, counted, counted.is_clean) == (keys, tally, not keys)
