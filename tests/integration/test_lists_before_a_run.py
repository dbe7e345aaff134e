"""Preflight of a job that takes its keys from a list and writes results, over HTTP."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from s3copy_tasks.core.job import EffectiveJob, ObjectEntry, Overwrite, PrefixEntry
from s3copy_tasks.core.key_list import Column, KeyList, ResultsPlace
from s3copy_tasks.core.location import Location
from s3copy_tasks.core.options import TransferOptions
from s3copy_tasks.engine.sender import make_sender
from s3copy_tasks.errors import AccessError, ConfigError, CopyError, MissingError
from s3copy_tasks.plan.ahead import ListingAhead
from s3copy_tasks.preflight.preflight import Preflight, preflight
from s3copy_tasks.run import InProcessRun
from tests.support.builders.inventories import ALL_VERSIONS, CURRENT, DATED, FOLDER, make_inventory, make_row
from tests.support.s3.proxy import Reply, Request
from tests.support.s3.servers import put_many
from tests.support.s3.signers import only_the_source_may_read

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.support.s3.proxy import Proxy
    from tests.support.s3.sides import Sides

DENIED = Reply.error(403, "AccessDenied", "Access Denied")
BUCKET_AND_KEY = (Column.BUCKET, Column.KEY)


@dataclass
class Lists:
    """A bucket of the source's account with lists, and one of the destination's for results."""

    sides: Sides
    bucket: str = field(init=False)
    results: str = field(init=False)

    def __post_init__(self) -> None:
        self.bucket = f"{self.sides.source_bucket}-lists"
        self.results = f"{self.sides.destination_bucket}-results"
        self.sides.source.create_bucket(Bucket=self.bucket)
        self.sides.destination.create_bucket(Bucket=self.results)

    def put(self, objects: Mapping[str, bytes]) -> None:
        for key, content in objects.items():
            self.sides.source.put_object(Bucket=self.bucket, Key=key, Body=content)

    def put_inventory(self, **changes: object) -> None:
        """Put an inventory of what the source has now."""
        rows = [
            make_row(self.sides.source_bucket, key, content)
            for key, content in self.sides.originals().items()
        ]
        values = {"source_bucket": self.sides.source_bucket, "made": datetime.now(UTC)} | changes
        self.put(make_inventory([rows[::2], rows[1::2]], **values))  # type: ignore[arg-type]

    def rows(self, *keys: str) -> bytes:
        """Return a manifest with a bucket and a key in each row."""
        return "".join(f"{self.sides.source_bucket},{key}\n" for key in keys).encode()

    def list(self, key: str, **changes: object) -> KeyList:
        location = Location(bucket=self.bucket, connection="aws_source")
        of = KeyList(location=location, key=key, columns=BUCKET_AND_KEY)
        return replace(of, **changes)  # type: ignore[arg-type]

    def job(self, of: KeyList, **changes: object) -> EffectiveJob:
        return self.sides.job(keys_from=of, **changes)

    def inventory(self, **changes: object) -> EffectiveJob:
        return self.job(self.list(FOLDER, inventory=True, **changes))

    def preflight(self, *keys: str, **changes: object) -> Preflight:
        """Check a job whose manifest has these keys."""
        self.put({"today.csv": self.rows(*keys)})
        return self.sides.preflight(self.job(self.list("today.csv"), **changes))

    def refusal(self, job: EffectiveJob) -> CopyError:
        with pytest.raises(CopyError) as caught:
            self.sides.preflight(job)
        return caught.value


@pytest.fixture
def lists(sides: Sides) -> Lists:
    return Lists(sides)


def refuse(kind: str, place: str) -> Callable[[Request], Reply | None]:
    """Deny requests of a kind to a bucket, or to keys that contain something."""
    return lambda request: DENIED if request.kind == kind and place in request.target else None


def allowed_by(error: CopyError) -> dict[str, object]:
    """Return the statement that a refusal ends with."""
    assert isinstance(error, AccessError)
    statement: dict[str, object] = json.loads(error.message[error.message.index('{"Effect"') :])
    return statement


def test_a_manifest(lists: Lists, proxy: Proxy) -> None:
    """Only what it names is copied; its first rows show that reading is allowed, with one byte."""
    for key in "abc":
        lists.sides.put(f"data/{key}", key.encode())
    proven = lists.preflight("data/a", "data/c")
    assert (proven.not_proven, proven.on_list) == ((), ())
    of = proven.job.key_list
    assert of is not None
    (file,) = of.files
    assert file.etag.strip('"') == hashlib.md5(lists.rows("data/a", "data/c")).hexdigest()
    reads = [request.key for request in proxy.of_kind("GetObject")]
    assert reads == ["today.csv", "data/a"]
    assert lists.sides.open_uploads() == []
    assert lists.sides.run(lists.job(lists.list("today.csv"))).files_copied_successfully == 2
    assert lists.sides.copied() == {"copy/a": b"a", "copy/c": b"c"}


def test_manifests_below_a_prefix(lists: Lists) -> None:
    """All of them are read, such as the lists of failed objects of an earlier run."""
    for key in "abc":
        lists.sides.put(f"data/{key}")
    lists.put({"failed/": b"", "failed/1.csv": b"", "failed/2.csv": lists.rows("data/a")})
    lists.put({"failed/3.csv": lists.rows("data/b"), "other.csv": lists.rows("data/c")})
    assert lists.sides.run(lists.job(lists.list("failed/"))).files_copied_successfully == 2
    assert set(lists.sides.copied()) == {"copy/a", "copy/b"}


@pytest.mark.parametrize("fields", [CURRENT, ALL_VERSIONS], ids=["current only", "all versions"])
def test_an_inventory(lists: Lists, fields: tuple[str, ...]) -> None:
    """Every object that is current in it is copied; a remark says how old it is."""
    contents = {f"data/{key}": key.encode() for key in ("a", "b c", "é/d", "e+f")}
    for key, content in contents.items():
        lists.sides.put(key, content)
    rows = [[make_row(lists.sides.source_bucket, key, content)] for key, content in contents.items()]
    rows[0].append(make_row(lists.sides.source_bucket, "data/old", IsLatest="false"))
    rows[0].append(make_row(lists.sides.source_bucket, "data/gone", IsDeleteMarker="true"))
    if fields is CURRENT:
        del rows[0][1:]
    made = datetime.now(UTC) - timedelta(hours=5, minutes=1, seconds=30)
    bucket = lists.sides.source_bucket
    lists.put(make_inventory(rows, source_bucket=bucket, fields=fields, made=made))
    job = lists.inventory()
    (remark,) = lists.sides.preflight(job).on_list
    assert f"s3://{lists.bucket}/{DATED} is 5 hours 1 minute old" in remark
    assert lists.sides.run(job).total_files_found == 4
    assert lists.sides.copied() == {
        f"copy/{key.removeprefix('data/')}": content for key, content in contents.items()
    }


def test_an_unfinished_inventory(lists: Lists) -> None:
    """The one before is read, and a remark says so."""
    lists.sides.put("data/a")
    lists.put_inventory()
    lists.put({f"{FOLDER}2026-01-02T01-00Z/manifest.json": b"{}"})
    assert "2026-01-02T01-00Z/ is passed over" in lists.sides.preflight(lists.inventory()).on_list[1]


def test_a_damaged_inventory(lists: Lists) -> None:
    """A manifest.json that is not the one of its checksum is refused."""
    lists.sides.put("data/a")
    lists.put_inventory()
    lists.put({f"{DATED}manifest.checksum": b"0" * 32})
    error = lists.refusal(lists.inventory())
    assert (type(error), error.code) == (ConfigError, "InvalidList")
    assert f"s3://{lists.bucket}/{DATED}manifest.json: is not what manifest.checksum" in error.message


WRONG = {
    "source bucket": ({"source_bucket": "elsewhere"}, "InvalidList", "lists the bucket 'elsewhere'"),
    "Parquet": ({"fileFormat": "Parquet"}, "InvalidList", "Configure the inventory as CSV"),
    "too old": ({"made": datetime(2026, 1, 1, tzinfo=UTC)}, "ListTooOld", "from.max_age is 2 days"),
}


@pytest.mark.parametrize(("changes", "code", "words"), WRONG.values(), ids=WRONG)
def test_an_inventory_that_the_job_cannot_use(
    lists: Lists, changes: dict[str, object], code: str, words: str
) -> None:
    """It is refused before anything is planned."""
    lists.sides.put("data/a")
    lists.put_inventory(**changes)
    error = lists.refusal(lists.inventory(max_age_seconds=2 * 86_400))
    assert (type(error), error.code) == (ConfigError, code)
    assert words in error.message


@pytest.mark.parametrize("key", ["gone.csv", "gone/"])
def test_no_list(lists: Lists, key: str) -> None:
    """It is named. The source may have no object at all: nothing is copied from listings of it."""
    error = lists.refusal(lists.job(lists.list(key)))
    assert (type(error), error.code) == (MissingError, "NothingFound")
    assert f"s3://{lists.bucket}/{key}" in error.message


def test_a_list_that_the_columns_do_not_describe(lists: Lists) -> None:
    """The first wrong rows are named with file and line, before anything is planned."""
    lists.sides.put("data/a")
    lists.put({"today.csv": lists.rows("data/a") + b"data/b\n"})
    error = lists.refusal(lists.job(lists.list("today.csv")))
    assert (type(error), error.code) == (ConfigError, "InvalidList")
    assert f"s3://{lists.bucket}/today.csv:2: has 1 column" in error.message


def test_a_prefix_without_objects_is_not_an_error(lists: Lists, proxy: Proxy) -> None:
    """A key that is gone is a remark; so is a prefix of which the first rows name no key."""
    prefixes = (
        PrefixEntry(source="data/", destination="copy/"),
        PrefixEntry(source="more/", destination="copy-more/"),
    )
    objects = (ObjectEntry(source="single", destination="copied"),)
    proven = lists.preflight("data/gone", "elsewhere/a", prefixes=prefixes, objects=objects)
    bucket = lists.sides.source_bucket
    gone, unnamed = sorted(proven.not_proven)
    assert unnamed == (
        "read access not proven: the first rows of the list name no key of "
        f"s3://{bucket}/more/*, s3://{bucket}/single"
    )
    assert gone.startswith(f"read access not proven with s3://{bucket}/data/gone: ")
    assert "single" not in [request.key for request in proxy.requests]


def test_versions_have_an_action_of_their_own(lists: Lists, proxy: Proxy) -> None:
    """A row with a version and one without are both read; a refusal names the action of its kind."""
    bucket = lists.sides.source_bucket
    lists.sides.source.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    first = lists.sides.source.put_object(Bucket=bucket, Key="data/a", Body=b"1")["VersionId"]
    lists.sides.put("data/a", b"2")
    lists.put({"today.csv": f"{bucket},data/a,{first}\n{bucket},data/a,\n".encode()})
    job = lists.job(lists.list("today.csv", columns=(*BUCKET_AND_KEY, Column.VERSION)))
    assert lists.sides.preflight(job).not_proven == ()
    reads = [request.query.get("versionId") for request in proxy.of_kind("GetObject")[1:]]
    assert set(reads) == {first, None}
    proxy.answer = lambda request: (
        DENIED if request.kind == "GetObject" and "versionId" in request.query else None
    )
    assert allowed_by(lists.refusal(job))["Action"] == ["s3:GetObjectVersion", "s3:GetObjectVersionTagging"]


def test_the_source_heads_what_a_list_does_not_describe(lists: Lists, proxy: Proxy) -> None:
    """Its role needs to read, too, and that is checked; not so if the rows say all that is needed."""
    lists.sides.put("data/a")
    bucket = lists.sides.source_bucket
    proxy.answer = refuse("HeadObject", f"{bucket}/data/a")
    lists.put({"today.csv": lists.rows("data/a")})
    statement = allowed_by(lists.refusal(lists.job(lists.list("today.csv"))))
    assert statement["Resource"] == f"arn:aws:s3:::{bucket}/data/*"
    assert "Principal" not in statement
    etag = hashlib.md5(b"x").hexdigest()
    lists.put({"today.csv": f"{bucket},data/a,1,{etag},STANDARD\n".encode()})
    described = (*BUCKET_AND_KEY, Column.SIZE, Column.ETAG, Column.STORAGE_CLASS)
    of = lists.list("today.csv", columns=described)
    assert lists.sides.preflight(lists.job(of, overwrite=Overwrite.ALWAYS)).not_proven == ()


def test_a_relay_is_found_by_the_keys_of_a_list(lists: Lists, proxy: Proxy) -> None:
    """If the destination's role may not read them, the bytes go through the worker."""
    lists.sides.put("data/a")
    proxy.answer = only_the_source_may_read(lists.sides, proxy)
    proven = lists.preflight("data/a", transfer=TransferOptions(concurrency=8, relay="auto"))
    assert proven.job.relayed
    assert "may not read the source" in (proven.relay or "")


# The request that is refused, part of its target, the key of the list -> action, and keys of the resource.
DENIED_LISTS = {
    "file": ("HeadObject", "today.csv", "today.csv", "s3:GetObject", "/today.csv"),
    "its rows": ("GetObject", "today.csv", "today.csv", "s3:GetObject", "/today.csv"),
    "prefix": ("ListObjectsV2", "-lists", "failed/", "s3:ListBucket", ""),
    "rows below it": ("GetObject", "failed/", "failed/", "s3:GetObject", "/failed/*"),
    "manifest.json": ("GetObject", "manifest.json", FOLDER, "s3:GetObject", f"/{FOLDER}*"),
    "file of an inventory": ("HeadObject", "csv.gz", FOLDER, "s3:GetObject", f"/{FOLDER}*"),
}


@pytest.mark.needs("caller_identity")
@pytest.mark.parametrize("name", DENIED_LISTS)
def test_a_denied_list(lists: Lists, proxy: Proxy, name: str) -> None:
    """The error names the principal of the list, the action, and the key or all keys below a prefix."""
    kind, place, key, action, resource = DENIED_LISTS[name]
    lists.sides.put("data/a")
    lists.put({"today.csv": lists.rows("data/a"), "failed/1.csv": lists.rows("data/a")})
    lists.put_inventory()
    proxy.answer = refuse(kind, place)
    error = lists.refusal(lists.job(lists.list(key, inventory=key == FOLDER)))
    statement = allowed_by(error)
    assert "assumed-role/reader/" in error.message
    assert statement["Action"] == [action]
    assert statement["Resource"] == f"arn:aws:s3:::{lists.bucket}{resource}"
    condition = {"StringLike": {"s3:prefix": f"{key}*"}} if action == "s3:ListBucket" else None
    assert statement.get("Condition") == condition


def with_results(lists: Lists, **changes: object) -> EffectiveJob:
    location = Location(bucket=lists.results, connection="aws_destination")
    return lists.sides.job(results=ResultsPlace(location=location, prefix="copies/"), **changes)


def test_results_can_be_written(lists: Lists, proxy: Proxy) -> None:
    """An upload that is aborted proves it: nothing stays, as at the destination."""
    lists.sides.put("data/a")
    lists.sides.preflight(with_results(lists))
    created = {request.target.split("?")[0] for request in proxy.of_kind("CreateMultipartUpload")}
    assert created == {
        f"/{lists.results}/copies/.s3copy-preflight-run-1",
        f"/{lists.sides.destination_bucket}/copy/.s3copy-preflight-run-1",
    }
    assert proxy.kinds()["AbortMultipartUpload"] == 2
    assert "Uploads" not in lists.sides.destination.list_multipart_uploads(Bucket=lists.results)


@pytest.mark.needs("caller_identity")
@pytest.mark.parametrize(
    ("kind", "actions"),
    [
        ("CreateMultipartUpload", ["s3:PutObject", "s3:AbortMultipartUpload"]),
        ("AbortMultipartUpload", ["s3:AbortMultipartUpload"]),
    ],
)
def test_denied_results(lists: Lists, proxy: Proxy, kind: str, actions: list[str]) -> None:
    """A job that can't write its results does not start; what was started is named."""
    lists.sides.put("data/a")
    proxy.answer = refuse(kind, lists.results)
    error = lists.refusal(with_results(lists))
    assert isinstance(error, AccessError)
    assert f"{' or '.join(actions)} on arn:aws:s3:::{lists.results}/copies/* " in error.message
    assert "assumed-role/writer/" in error.message
    assert ("is left behind" in error.message) is (kind == "AbortMultipartUpload")


def test_no_bucket_for_results(lists: Lists) -> None:
    """The field that names it is named."""
    lists.sides.put("data/a")
    place = ResultsPlace(location=Location(bucket="no-such-bucket", connection="aws_destination"), prefix="")
    error = lists.refusal(lists.sides.job(results=place))
    assert (type(error), error.code) == (MissingError, "NoSuchBucket")
    assert error.message.startswith("results: ")


@pytest.mark.parametrize("field", ["from", "results"])
def test_a_connection_that_does_not_exist(lists: Lists, field: str) -> None:
    """The field of the YAML that names it is named."""
    lists.sides.put("data/a")
    location = Location(bucket=lists.bucket, connection="missing")
    job = (
        lists.job(lists.list("today.csv", location=location))
        if field == "from"
        else lists.sides.job(results=ResultsPlace(location=location, prefix=""))
    )
    assert lists.refusal(job).message.startswith(f"{field}.connection: Airflow has no connection 'missing'")


@pytest.mark.one_server
def test_in_one_process_nothing_is_listed_but_what_proves_the_right(lists: Lists, proxy: Proxy) -> None:
    """The plan reads the list, so of the prefixes only the first page is requested."""
    put_many(lists.sides.source_bucket, {f"data/{number:04}": b"" for number in range(1_001)})
    lists.put({"today.csv": lists.rows("data/0007")})
    job = lists.job(lists.list("today.csv"))
    connected = lists.sides.connected(job)
    sender = make_sender(job.transfer)
    with ListingAhead(job, connected.stores, sender) as ahead:
        proven = preflight(job, connected, on_listed=ahead.begin)
        carried_out = InProcessRun(proven.job, connected.stores, sender, ahead=ahead)
        carried_out.carry_out()
    assert carried_out.metrics.files_copied_successfully == 1
    listed = [request.query["prefix"] for request in proxy.of_kind("ListObjectsV2")]
    assert listed.count("data/") == listed.count("copy/") == 1
