"""Which files of a list a run reads, and what is refused before any of it is read."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, cast

import pytest

from s3copy_tasks.core.key_list import Column, KeyList, ListFile
from s3copy_tasks.core.location import Location
from s3copy_tasks.errors import AccessError, ConfigError, CopyError, MissingError
from s3copy_tasks.preflight.list_files import FoundList, find_list
from s3copy_tasks.s3.connections import AwsConnectionManager, Sides
from tests.support.builders.bench import SOURCE, impatient, make_job
from tests.support.builders.inventories import ALL_VERSIONS, CURRENT, DATED, FOLDER, make_inventory, make_row
from tests.support.s3.memory import DAY_ONE, Clock, MemoryServer, MemoryStore, fails, on, threaded

if TYPE_CHECKING:
    from collections.abc import Mapping

LISTS = "lists"
LATER = FOLDER + "2026-01-02T01-00Z/"
ROWS = [[make_row(SOURCE, "in/a"), make_row(SOURCE, "in/b")], [make_row(SOURCE, "in/c")]]


class Manager:
    """The connection of a bucket in memory."""

    def __init__(self, server: MemoryServer) -> None:
        self.location = Location(bucket=LISTS)
        self.store = threaded(MemoryStore(server, LISTS))

    def connect(self) -> None:
        """Do nothing."""

    def principal(self) -> str:
        return "arn:aws:iam::111122223333:role/lister"

    def partition(self, _: str) -> str:
        return "aws"


class Bucket:
    """A bucket with lists."""

    def __init__(self) -> None:
        self.server = MemoryServer(Clock(DAY_ONE + timedelta(hours=30)), page_keys=3)
        self.server.buckets[LISTS] = {}

    def put(self, objects: Mapping[str, bytes]) -> None:
        for key, content in objects.items():
            self.server.put(LISTS, key, content)

    def find(self, of: KeyList, **changes: object) -> FoundList:
        manager = cast("AwsConnectionManager", Manager(self.server))
        sides = Sides(source=manager, destination=manager, lists=None if of.location is None else manager)
        job = make_job(keys_from=of, **changes)
        return find_list(job, sides, impatient(), clock=self.server.clock)

    def find_files(self, of: KeyList) -> dict[str, int]:
        return {file.key: file.size for file in _list_of(self.find(of)).files}

    def refusal(self, of: KeyList) -> CopyError:
        with pytest.raises(CopyError) as caught:
            self.find(of)
        return caught.value


def _list_of(found: FoundList) -> KeyList:
    assert found.job.key_list is not None
    return found.job.key_list


@pytest.fixture
def bucket() -> Bucket:
    return Bucket()


def make_list(key: str, **changes: object) -> KeyList:
    return replace(KeyList(location=Location(bucket=LISTS), key=key), **changes)  # type: ignore[arg-type]


INVENTORY = make_list(FOLDER, inventory=True)


def test_a_single_file_is_pinned_by_its_etag(bucket: Bucket) -> None:
    """One HEAD: no listing, and nothing else of the job changes."""
    stored = bucket.server.put(LISTS, "today.csv", b"science,in/a\n")
    of = make_list("today.csv")
    found = bucket.find(of)
    pinned = replace(of, files=(ListFile(key="today.csv", size=13, etag=stored.etag),))
    assert found == FoundList(job=make_job(keys_from=pinned))
    assert [call.verb for call in bucket.server.calls] == ["head_object"]


def test_all_files_below_a_prefix_are_found(bucket: Bucket) -> None:
    """All pages are read; an empty file has no rows, and the marker of a folder is not a file."""
    bucket.put({f"failed/{number}.csv": b"x" * number for number in range(7)})
    bucket.put({"failed/": b"", "failed/older/": b"", "failed/older/1.csv": b"y", "failures.csv": b"z"})
    expected = {f"failed/{number}.csv": number for number in range(7)} | {"failed/older/1.csv": 1}
    assert bucket.find_files(make_list("failed/")) == expected


def test_a_job_without_a_list_of_a_bucket_stays(bucket: Bucket) -> None:
    """A file of this machine is there already, and a job without a list has none: nothing is requested."""
    local = KeyList(location=None, key="failed.csv", files=(ListFile(key="failed.csv", size=1, etag="1"),))
    assert bucket.find(local) == FoundList(job=make_job(keys_from=local))
    assert bucket.server.calls == []


@pytest.mark.parametrize("of", [make_list("gone.csv"), make_list("gone/"), INVENTORY], ids=str)
def test_no_list(bucket: Bucket, of: KeyList) -> None:
    """The place is named; whatever else is in the bucket is not a list."""
    bucket.put({f"{FOLDER}data/1.csv.gz": b"x", f"{FOLDER}hive/dt=2026/symlink.txt": b"x", "gone": b"x"})
    error = bucket.refusal(of)
    assert isinstance(error, MissingError)
    assert error.code == "NothingFound"
    assert str(of) in error.message


def test_a_job_may_allow_a_prefix_without_lists(bucket: Bucket) -> None:
    """As it may allow that its prefixes are empty. A list that is named must exist in any case."""
    found = bucket.find(make_list("failed/"), on_empty="succeed")
    assert _list_of(found).files == ()
    assert found.remarks == ("nothing to copy: no list below s3://lists/failed/",)
    with pytest.raises(MissingError):
        bucket.find(make_list("today.csv"), on_empty="succeed")


def test_the_newest_inventory(bucket: Bucket) -> None:
    """Its files, what its columns hold, and when it was made; `data/`, which has most keys, is not listed."""
    bucket.put(make_inventory(ROWS, source_bucket=SOURCE))
    later = make_inventory([*ROWS, []], source_bucket=SOURCE, made=DAY_ONE + timedelta(days=1), dated=LATER)
    bucket.put(later)
    bucket.put({f"{FOLDER}data/{number}.csv.gz": b"x" for number in range(100)})
    bucket.server.clock.tick(5 * 3_600)
    found = bucket.find(INVENTORY)
    of = _list_of(found)
    assert {file.key: file.size for file in of.files} == {
        key: len(content) for key, content in later.items() if key.endswith(".gz")
    }
    assert of.columns == (
        Column.BUCKET,
        Column.KEY,
        Column.SIZE,
        Column.LAST_MODIFIED,
        Column.ETAG,
        Column.STORAGE_CLASS,
    )
    assert of.made == DAY_ONE + timedelta(days=1)
    (remark,) = found.remarks
    assert f"s3://lists/{LATER} is 11 hours old" in remark
    assert bucket.server.count("list_page") == 2


def test_an_inventory_of_all_versions(bucket: Bucket) -> None:
    """Only current objects are copied, so versions are ignored, and the flags are known."""
    rows = [[make_row(SOURCE, "in/a", VersionId="v1")]]
    bucket.put(make_inventory(rows, source_bucket=SOURCE, fields=ALL_VERSIONS))
    assert _list_of(bucket.find(INVENTORY)).columns == (
        Column.BUCKET,
        Column.KEY,
        Column.IGNORED,
        Column.IS_LATEST,
        Column.IS_DELETE_MARKER,
        Column.SIZE,
        Column.ETAG,
        Column.STORAGE_CLASS,
    )


def test_an_unfinished_inventory_is_passed_over(bucket: Bucket) -> None:
    """S3 writes manifest.checksum last: without it, the one before is read, and a remark says so."""
    bucket.put(make_inventory(ROWS, source_bucket=SOURCE))
    bucket.put({f"{LATER}manifest.json": b"{"})
    found = bucket.find(INVENTORY)
    assert len(_list_of(found).files) == 2
    assert f"s3://lists/{LATER} is passed over: it is not complete yet" in found.remarks


WRONG: dict[str, tuple[dict[str, bytes], str]] = {
    "checksum": (
        make_inventory(ROWS, source_bucket=SOURCE) | {f"{DATED}manifest.checksum": b"0" * 32},
        "is not what manifest.checksum describes",
    ),
    "another bucket": (make_inventory(ROWS, source_bucket="other"), "lists the bucket 'other'"),
    "Parquet": (make_inventory(ROWS, source_bucket=SOURCE, fileFormat="Parquet"), "is Parquet. Configure"),
    "ORC": (make_inventory(ROWS, source_bucket=SOURCE, fileFormat="ORC"), "is ORC. Configure"),
    "no keys": (
        make_inventory(ROWS, source_bucket=SOURCE, fields=["Bucket", "Size"]),
        "has no field Key, but only Bucket, Size",
    ),
    "no files": (
        make_inventory(ROWS, source_bucket=SOURCE, files=None),
        "is not the manifest of an inventory",
    ),
    "no date": (
        make_inventory(ROWS, source_bucket=SOURCE, creationTimestamp="yesterday"),
        "is not the manifest of an inventory",
    ),
    "a file without a key": (
        make_inventory(ROWS, source_bucket=SOURCE, files=[{"key": "", "size": 1}]),
        "a file has no key",
    ),
    "another size": (
        make_inventory(ROWS, source_bucket=SOURCE) | {f"{FOLDER}data/2026-01-01T01-00Z-1.csv.gz": b"cut"},
        "2026-01-01T01-00Z-1.csv.gz: not of the size",
    ),
}


@pytest.mark.parametrize(("objects", "words"), WRONG.values(), ids=WRONG)
def test_an_inventory_that_the_job_cannot_use(bucket: Bucket, objects: dict[str, bytes], words: str) -> None:
    """The error names the inventory, and what is wrong with it."""
    bucket.put(objects)
    error = bucket.refusal(INVENTORY)
    assert isinstance(error, ConfigError)
    assert error.code == "InvalidList"
    assert words in error.message
    assert f"s3://lists/{FOLDER}" in error.message


def test_a_file_of_the_inventory_is_gone(bucket: Bucket) -> None:
    """It was removed since: the error names it, and the inventory."""
    objects = make_inventory(ROWS, source_bucket=SOURCE)
    del objects[f"{FOLDER}data/2026-01-01T01-00Z-1.csv.gz"]
    bucket.put(objects)
    error = bucket.refusal(INVENTORY)
    assert isinstance(error, MissingError)
    assert f"s3://lists/{FOLDER}data/2026-01-01T01-00Z-1.csv.gz: named in s3://lists/{DATED}" in error.message


@pytest.mark.parametrize(("limit_hours", "is_refused"), [(29, True), (30, False), (31, False)])
def test_an_old_inventory(bucket: Bucket, limit_hours: int, is_refused: bool) -> None:  # noqa: FBT001
    """It is refused if it is older than the job allows; the error says how old, and what to do."""
    bucket.put(make_inventory(ROWS, source_bucket=SOURCE))
    of = replace(INVENTORY, max_age_seconds=limit_hours * 3_600)
    if not is_refused:
        assert len(_list_of(bucket.find(of)).files) == 2
        return
    error = bucket.refusal(of)
    assert (type(error), error.code) == (ConfigError, "ListTooOld")
    assert "is 1 day 6 hours old, and from.max_age is 1 day 5 hours" in error.message
    assert "raise from.max_age" in error.message


def test_an_access_point_has_another_name_than_its_bucket() -> None:
    """An inventory has the bucket's own name, so it can't be compared with that of an access point."""
    bucket = Bucket()
    bucket.put(make_inventory(ROWS, source_bucket="science"))
    point = Location(bucket="arn:aws:s3:us-west-2:111122223333:accesspoint/science")
    assert len(_list_of(bucket.find(INVENTORY, source=point)).files) == 2


# The verb that is refused, a list -> action, resource, and the condition on a prefix.
DENIED: dict[str, tuple[str, KeyList, str, str, str | None]] = {
    "file": ("head_object", make_list("today.csv"), "s3:GetObject", "lists/today.csv", None),
    "prefix": ("list_page", make_list("failed/"), "s3:ListBucket", "lists", "failed/*"),
    "inventory": ("list_page", INVENTORY, "s3:ListBucket", "lists", f"{FOLDER}*"),
    "manifest.json": ("get_bytes", INVENTORY, "s3:GetObject", f"lists/{FOLDER}*", None),
    "file of an inventory": ("head_object", INVENTORY, "s3:GetObject", f"lists/{FOLDER}*", None),
}


@pytest.mark.parametrize(("verb", "of", "action", "resource", "prefix"), DENIED.values(), ids=DENIED)
def test_a_refusal_names_what_is_missing(
    bucket: Bucket, verb: str, of: KeyList, action: str, resource: str, prefix: str | None
) -> None:
    """Principal, action and resource; the statement allows all that the list needs of its kind."""
    bucket.put(make_inventory(ROWS, source_bucket=SOURCE))
    bucket.server.before.append(on(verb, fails(AccessError("Access Denied", code="AccessDenied")), times=9))
    error = bucket.refusal(of)
    assert isinstance(error, AccessError)
    assert f"role/lister is not allowed to perform {action} on arn:aws:s3:::{resource} " in error.message
    assert "Missing from the policy of the role" in error.message
    assert (f'"s3:prefix": "{prefix}"' in error.message) is (prefix is not None)


@pytest.mark.parametrize("of", [make_list("today.csv"), make_list("failed/"), INVENTORY], ids=str)
def test_the_bucket_does_not_exist(bucket: Bucket, of: KeyList) -> None:
    """The bucket is named, and the field that names it."""
    del bucket.server.buckets[LISTS]
    error = bucket.refusal(of)
    assert (type(error), error.code) == (MissingError, "NoSuchBucket")
    assert "from: bucket 'lists' does not exist" in error.message


def test_fields_of_an_inventory_that_are_not_used(bucket: Bucket) -> None:
    """Fields that AWS may add are ignored."""
    rows = [[make_row(SOURCE, "in/a", ReplicationStatus="", NewField="1")]]
    bucket.put(make_inventory(rows, source_bucket=SOURCE, fields=(*CURRENT, "ReplicationStatus", "NewField")))
    assert _list_of(bucket.find(INVENTORY)).columns[-2:] == (Column.IGNORED, Column.IGNORED)
