"""Objects that would have to be restored first: skipped or failed as the job says, never requested."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from s3copy_tasks.core.job import ObjectEntry
from s3copy_tasks.core.objects import SkipReason
from s3copy_tasks.core.options import ObjectOptions
from s3copy_tasks.engine.loop import wait_for
from tests.support.s3.proxy import Reply

if TYPE_CHECKING:
    from tests.support.s3.proxy import Proxy, Request
    from tests.support.s3.sides import Sides

SKIP = ObjectOptions(archived="skip")


@pytest.fixture
def archive(sides: Sides) -> Sides:
    """A source with an object in each archive, one that is read at once, and an ordinary one."""
    for name in ("GLACIER", "DEEP_ARCHIVE", "GLACIER_IR", "STANDARD"):
        sides.put(f"data/{name}", StorageClass=name)
    return sides


@pytest.mark.needs("archive")
def test_skipped_with_their_own_reason(archive: Sides, proxy: Proxy) -> None:
    """`archived: skip` leaves them out and counts them; what can be read is copied."""
    metrics = archive.run(archive.job(options=SKIP))
    assert metrics.files_skipped == {SkipReason.ARCHIVED: 2}
    assert metrics.files_copied_successfully == 2
    assert set(archive.copied()) == {"copy/GLACIER_IR", "copy/STANDARD"}
    assert proxy.kinds()["CopyObject"] == 2


@pytest.mark.needs("archive")
def test_failed_without_a_request(archive: Sides, proxy: Proxy) -> None:
    """By default they fail with S3's own code, without a request."""
    metrics = archive.run(archive.job())
    assert metrics.errors_encountered.by_code == {"InvalidObjectState": 2}
    assert metrics.files_copied_successfully == 2
    assert proxy.kinds()["CopyObject"] == 2
    assert "archived as GLACIER: restore it first" in str(metrics.errors_encountered.first[1])


@pytest.mark.needs("storage_classes")
@pytest.mark.parametrize("code", ["InvalidObjectState", "ObjectNotInActiveTierError"])
@pytest.mark.parametrize(("archived", "skipped", "failed"), [("skip", 1, 0), ("fail", 0, 1)])
def test_an_archive_that_no_listing_shows(
    sides: Sides, proxy: Proxy, code: str, archived: str, skipped: int, failed: int
) -> None:
    """A refused copy is the first sign of an archive tier of Intelligent-Tiering: it counts like others."""
    sides.put("data/a", StorageClass="INTELLIGENT_TIERING")
    sides.put("data/b")
    tier = Reply.error(403, code, "not valid for the object's access tier")
    proxy.answer = lambda request: tier if request.kind == "CopyObject" and request.key == "copy/a" else None
    metrics = sides.run(sides.job(options=ObjectOptions(archived=archived)))
    assert metrics.files_skipped == ({SkipReason.ARCHIVED: skipped} if skipped else {})
    assert (metrics.files_failed, metrics.files_copied_successfully) == (failed, 1)
    assert "restore it first" in str(metrics.errors_encountered.first) or not failed


@pytest.mark.needs("archive")
def test_an_archived_source_that_is_copied_already_is_unchanged(archive: Sides) -> None:
    """Only an object that would be read now fails as archived; the others are decided as usual."""
    archive.put("data/old", b"old")
    archive.run(archive.job(options=SKIP))
    archive.put("data/old", b"old", StorageClass="GLACIER")
    archive.destination.put_object(Bucket=archive.destination_bucket, Key="copy/old", Body=b"old")
    metrics = archive.run(archive.job(options=SKIP))
    assert metrics.files_skipped == {SkipReason.ARCHIVED: 2, SkipReason.UNCHANGED: 3}


@pytest.mark.needs("archive")
def test_single_objects(archive: Sides) -> None:
    """A named object is headed, with the same result."""
    one = ObjectEntry(source="data/GLACIER", destination="copy/one")
    metrics = archive.run(archive.job(prefixes=(), objects=(one,), options=SKIP))
    assert metrics.files_skipped == {SkipReason.ARCHIVED: 1}


LISTING = """<?xml version="1.0"?><ListBucketResult><Name>b</Name><KeyCount>2</KeyCount>
<MaxKeys>1000</MaxKeys><IsTruncated>false</IsTruncated>{rows}</ListBucketResult>"""
ROW = """<Contents><Key>data/{key}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>
<ETag>&quot;9dd4e461268c8034f5c8564e155c67a6&quot;</ETag><Size>1</Size><StorageClass>GLACIER</StorageClass>
<RestoreStatus>{status}</RestoreStatus></Contents>"""
RESTORING = "<IsRestoreInProgress>true</IsRestoreInProgress>"
RESTORED = RESTORING.replace("true", "false") + "<RestoreExpiryDate>2027-01-01T00:00:00Z</RestoreExpiryDate>"


def test_restored_ones_are_copied(sides: Sides, proxy: Proxy) -> None:
    """Listings include the state of a restore; when it has ended, the object can be read."""
    rows = ROW.format(key="restored", status=RESTORED) + ROW.format(key="restoring", status=RESTORING)

    def answer(request: Request) -> Reply | None:
        if request.kind == "ListObjectsV2" and sides.source_bucket in request.target:
            assert request.headers["x-amz-optional-object-attributes"] == "RestoreStatus"
            return Reply(200, LISTING.format(rows=rows).encode(), {"Content-Type": "application/xml"})
        return None

    proxy.answer = answer
    job = sides.job(options=SKIP)
    (entry,) = sides.plan(job).entries
    assert (entry.objects, entry.skipped) == (1, {SkipReason.ARCHIVED: 1})


@pytest.mark.parametrize(
    ("headers", "archived"),
    [
        ({"x-amz-storage-class": "GLACIER"}, True),
        ({"x-amz-storage-class": "GLACIER", "x-amz-restore": 'ongoing-request="true"'}, True),
        (
            {
                "x-amz-storage-class": "DEEP_ARCHIVE",
                "x-amz-restore": 'ongoing-request="false", expiry-date="Fri, 01 Jan 2027 00:00:00 GMT"',
            },
            False,
        ),
        ({"x-amz-storage-class": "INTELLIGENT_TIERING", "x-amz-archive-status": "ARCHIVE_ACCESS"}, True),
        ({"x-amz-storage-class": "INTELLIGENT_TIERING"}, False),
    ],
    ids=["archived", "restoring", "restored", "archive tier", "other tier"],
)
def test_head_shows_what_is_archived(
    sides: Sides,
    proxy: Proxy,
    headers: dict[str, str],
    archived: bool,  # noqa: FBT001
) -> None:
    """Class, tier and restore in a HEAD decide whether an object can be read."""
    always = {
        "Content-Length": "1",
        "Last-Modified": "Thu, 01 Jan 2026 00:00:00 GMT",
        "ETag": '"9dd4e461268c8034f5c8564e155c67a6"',
    }
    proxy.answer = lambda request: Reply(200, b"", always | headers) if request.kind == "HeadObject" else None
    found = wait_for(sides.stores(sides.job()).source.head_object("data/a"))
    assert found is not None
    assert found.object.is_archived is archived
