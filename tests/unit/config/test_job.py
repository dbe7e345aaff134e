"""A job holds what its file says, and the documented defaults for the rest."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from s3copy_tasks.config.check.schema import with_defaults
from s3copy_tasks.config.job import AirflowOptions, parse_bytes
from s3copy_tasks.core.job import Filters, Mirror, ObjectEntry, Overwrite, PrefixEntry
from s3copy_tasks.core.key_list import FAILED_COLUMNS, Column, KeyList, ResultsPlace
from s3copy_tasks.core.location import Location
from s3copy_tasks.core.options import ObjectOptions, TransferOptions
from s3copy_tasks.core.queue import Queue
from tests.support.builders.documents import MINIMAL, document, job_of, write

POINT = "arn:aws:s3:eu-central-1:011122223333:accesspoint/lists"


def test_the_smallest_file_is_a_job_of_documented_defaults(tmp_path: Path) -> None:
    """What a file leaves out has the value that the schema documents."""
    job = job_of(write(tmp_path, MINIMAL, "daily.yaml"))
    assert (job.name, job.file) == ("daily", tmp_path / "daily.yaml")
    assert (job.description, job.owner, job.tags) == ("", "airflow", ())
    assert (job.schedule, job.schedule_assets) == (None, ())
    assert (job.timezone, job.start_date) == (ZoneInfo("UTC"), datetime(2026, 1, 1, tzinfo=UTC))
    assert (job.source, job.destination) == (
        Location(bucket="ops-granules"),
        Location(bucket="partner-granules"),
    )
    assert job.prefixes == (PrefixEntry(source="daily/", destination="backup/daily/", recursive=True),)
    assert (job.objects, job.filters, job.modified_since) == ((), Filters(), None)
    assert (job.overwrite, job.max_failed_objects, job.retries) == (Overwrite.CHANGED, 0, 2)


def test_defaults_of_file_and_code_agree(tmp_path: Path) -> None:
    """A run made in code and a run made of a file have the same options."""
    job = job_of(write(tmp_path, MINIMAL))
    assert job.options == ObjectOptions()
    assert job.transfer == TransferOptions()
    assert job.airflow == AirflowOptions()


def test_every_field_of_the_file_reaches_the_job(tmp_path: Path) -> None:
    """No field is read and forgotten."""
    full = document(
        description="Publish",
        owner="data-ops",
        tags=["uat", "daily"],
        schedule="0 2 * * *",
        timezone="Europe/Berlin",
        start_date="2026-03-01",
        source={
            "bucket": "ops-granules",
            "account": "011122223333",
            "role_arn": "arn:aws:iam::011122223333:role/reader",
            "external_id": "abc",
            "region": "us-west-2",
            "endpoint_url": "https://s3.example.org",
        },
        destination={"bucket": "partner-granules", "connection": "aws_destination"},
        prefixes=[{"source": "a/", "destination": "b/", "recursive": False}],
        objects=[{"source": "x", "destination": "y"}],
        filters={"include": ["*.nc"], "exclude": ["*.tmp"], "modified_since": "2026-01-01"},
        overwrite="never",
        on_empty="succeed",
        object={
            "storage_class": "STANDARD_IA",
            "acl": "bucket-owner-full-control",
            "kms_key_id": "k",
            "tags": "drop",
        },
        transfer={
            "batch_objects": 5,
            "batch_bytes": "1 MB",
            "concurrency": 6,
            "max_active_batches": 7,
        },
        airflow={
            "queue": "s3_workers",
            "executor": "CeleryExecutor",
            "pool": "s3_copies",
            "priority_weight": -10,
            "execution_timeout": "2h",
            "retry_delay": "30s",
        },
        failure={"max_failed_objects": 8, "retries": 9},
        results={"to": "s3://ops-results/copies/", "connection": "aws_results"},
        mirror={"max_deleted_objects": 10, "max_deleted_percent": 0.5, "unversioned": "allow"},
    )
    job = job_of(write(tmp_path, full))
    assert (job.description, job.owner, job.tags) == ("Publish", "data-ops", ("uat", "daily"))
    assert (job.schedule, job.start_date) == (
        "0 2 * * *",
        datetime(2026, 3, 1, tzinfo=ZoneInfo("Europe/Berlin")),
    )
    assert job.source == Location(
        bucket="ops-granules",
        account="011122223333",
        role_arn="arn:aws:iam::011122223333:role/reader",
        external_id="abc",
        region="us-west-2",
        endpoint_url="https://s3.example.org",
    )
    assert job.destination == Location(bucket="partner-granules", connection="aws_destination")
    assert job.prefixes == (PrefixEntry(source="a/", destination="b/", recursive=False),)
    assert job.objects == (ObjectEntry(source="x", destination="y"),)
    assert (job.filters, job.modified_since) == (Filters(include=("*.nc",), exclude=("*.tmp",)), "2026-01-01")
    assert job.overwrite is Overwrite.NEVER
    assert job.options == ObjectOptions(
        storage_class="STANDARD_IA", acl="bucket-owner-full-control", kms_key_id="k", tags="drop"
    )
    assert job.transfer == TransferOptions(
        batch_objects=5, batch_bytes=1_000_000, concurrency=6, max_active_batches=7
    )
    assert job.airflow == AirflowOptions(
        queue="s3_workers",
        executor="CeleryExecutor",
        pool="s3_copies",
        priority_weight=-10,
        execution_timeout=timedelta(hours=2),
        retry_delay=timedelta(seconds=30),
    )
    assert (job.max_failed_objects, job.retries, job.on_empty) == (8, 9, "succeed")
    assert job.results == ResultsPlace(
        location=Location(bucket="ops-results", connection="aws_results"), prefix="copies/"
    )
    assert job.mirror == Mirror(max_deleted_objects=10, max_deleted_percent=0.5, allows_unversioned=True)
    assert job.keys_from is None


SOURCE: dict[str, Any] = {
    "bucket": "ops-granules",
    "account": "011122223333",
    "role_arn": "arn:aws:iam::011122223333:role/reader",
    "external_id": "abc",
    "region": "us-west-2",
    "endpoint_url": "https://s3.example.org",
    "requester_pays": True,
}
WAY: dict[str, Any] = {name: SOURCE[name] for name in ("role_arn", "external_id", "region", "endpoint_url")}
LISTS: dict[str, tuple[dict[str, Any], KeyList]] = {
    "a manifest": (
        {"manifest": "s3://ops-lists/{{ ds }}.csv"},
        KeyList(location=Location(bucket="ops-lists", **WAY), key="{{ ds }}.csv", columns=FAILED_COLUMNS),
    ),
    "a manifest that says its form": (
        {
            "manifest": "s3://ops-lists/a/",
            "columns": ["key", "ignored", "size"],
            "keys": "plain",
            "header": True,
            "connection": "aws_lists",
        },
        KeyList(
            location=Location(bucket="ops-lists", connection="aws_lists"),
            key="a/",
            columns=(Column.KEY, Column.IGNORED, Column.SIZE),
            url_encoded=False,
            header=True,
        ),
    ),
    "in the source bucket": (
        {"manifest": "s3://ops-granules/a.csv"},
        KeyList(location=Location(**SOURCE), key="a.csv"),
    ),
    "in the source bucket, by a connection": (
        {"manifest": "s3://ops-granules/a.csv", "connection": "aws_lists"},
        KeyList(
            location=Location(
                bucket="ops-granules",
                account="011122223333",
                connection="aws_lists",
                region="us-west-2",
                requester_pays=True,
            ),
            key="a.csv",
        ),
    ),
    "behind an access point": (
        {"manifest": f"s3://{POINT}/lists/a.csv"},
        KeyList(location=Location(bucket=POINT, **WAY | {"region": "eu-central-1"}), key="lists/a.csv"),
    ),
    "an inventory": (
        {"inventory": "s3://ops-inventory/ops-granules/daily/", "max_age": "36h"},
        KeyList(
            location=Location(bucket="ops-inventory", **WAY),
            key="ops-granules/daily/",
            inventory=True,
            max_age_seconds=36 * 3_600,
        ),
    ),
}


@pytest.mark.parametrize(("section", "expected"), LISTS.values(), ids=LISTS)
def test_a_list_is_reached_as_the_source_unless_a_connection_is_named(
    tmp_path: Path, section: dict[str, Any], expected: KeyList
) -> None:
    """What belongs to the source's bucket, as its owner, is kept for a list in that bucket only."""
    job = job_of(write(tmp_path, document(**{"source": SOURCE, "from": section})))
    assert job.keys_from == expected


QUEUE = "https://sqs.us-west-2.amazonaws.com/011122223333/created"
WAYS: dict[str, tuple[dict[str, Any], Location]] = {
    "by the source's way": ({}, Location(**SOURCE)),
    "by a connection": (
        {"connection": "aws_queue"},
        Location(
            bucket="ops-granules",
            account="011122223333",
            connection="aws_queue",
            region="us-west-2",
            requester_pays=True,
        ),
    ),
}


@pytest.mark.parametrize(("section", "location"), WAYS.values(), ids=WAYS)
def test_a_queue_is_reached_as_the_source_unless_a_connection_is_named(
    tmp_path: Path, section: dict[str, Any], location: Location
) -> None:
    """A job has one thing that names its keys: with a queue it has no list."""
    job = job_of(write(tmp_path, document(**{"source": SOURCE, "from": {"queue": QUEUE} | section})))
    assert (job.keys_from, job.key_list) == (Queue(url=QUEUE, location=location), None)


def test_results_are_written_as_the_destination_is(tmp_path: Path) -> None:
    """Without a connection of their own, results are reached as the destination, and may be in its bucket."""
    side: dict[str, Any] = {
        "bucket": "partner-granules",
        "account": "444455556666",
        "role_arn": "arn:aws:iam::444455556666:role/writer",
    }
    found = [
        job_of(write(tmp_path, document(destination=side, results={"to": to}))).results
        for to in ("s3://partner-granules/results/", "s3://ops-results/")
    ]
    assert found == [
        ResultsPlace(location=Location(**side), prefix="results/"),
        ResultsPlace(location=Location(bucket="ops-results", role_arn=side["role_arn"]), prefix=""),
    ]


def test_a_job_without_later_sections_keeps_its_digest(tmp_path: Path) -> None:
    """A Dag's version changes with its config, so a new optional section is in it only if it is written."""
    plain, spelled = (
        job_of(write(tmp_path, document(**sections)))
        for sections in ({}, {"from": None, "mirror": None, "results": None})
    )
    assert (plain.digest, plain.config) == (spelled.digest, spelled.config)
    assert not {"from", "mirror", "results"} & set(json.loads(plain.config))
    with_results = job_of(write(tmp_path, document(results={"to": "s3://ops-results/"})))
    assert json.loads(with_results.config)["results"] == {"to": "s3://ops-results/", "connection": None}
    with_list = job_of(write(tmp_path, document(**{"from": {"manifest": "s3://ops-lists/a.csv"}})))
    assert "queue" not in json.loads(with_list.config)["from"]


def test_assets_are_not_cron(tmp_path: Path) -> None:
    """A job that assets start has their URIs and no cron."""
    job = job_of(write(tmp_path, document(schedule={"assets": ["s3://ops-granules/daily"]})))
    assert (job.schedule, job.schedule_assets) == (None, ("s3://ops-granules/daily",))


def test_templates_come_with_their_paths(tmp_path: Path) -> None:
    """Every text that is rendered is listed by its path in the file."""
    changes = {"objects": [{"source": "x", "destination": "y"}], "filters": {"modified_since": "2026-01-01"}}
    job = job_of(write(tmp_path, document(**changes)))
    assert job.templates() == [
        ("prefixes[0].source", "daily/"),
        ("prefixes[0].destination", "backup/daily/"),
        ("objects[0].source", "x"),
        ("objects[0].destination", "y"),
        ("filters.modified_since", "2026-01-01"),
    ]


def test_the_key_of_a_manifest_is_a_template(tmp_path: Path) -> None:
    """The bucket is not, and neither is an inventory's folder."""
    manifest, inventory = (
        job_of(write(tmp_path, document(**{"from": section})))
        for section in ({"manifest": "s3://ops-lists/{{ ds }}.csv"}, {"inventory": "s3://ops-lists/a/"})
    )
    assert manifest.templates()[2:] == [("from.manifest", "{{ ds }}.csv")]
    assert inventory.templates()[2:] == []


SIZES = {
    "1": 1,
    "1000000": 1_000_000,
    "1B": 1,
    "1 B": 1,
    "2 KB": 2000,
    "2KiB": 2048,
    "1 MB": 10**6,
    "1 MiB": 2**20,
    "3 GB": 3 * 10**9,
    "100 GiB": 100 * 2**30,
    "5 TB": 5 * 10**12,
    "9999 TiB": 9999 * 2**40,
}


@pytest.mark.parametrize(("text", "expected"), SIZES.items(), ids=SIZES)
def test_sizes(tmp_path: Path, text: str, expected: int) -> None:
    """KB is 1,000 bytes, KiB is 1,024; a number alone is bytes."""
    size = int(text) if text.isdecimal() else text
    assert parse_bytes(size) == expected
    assert job_of(write(tmp_path, document(transfer={"batch_bytes": size}))).transfer.batch_bytes == expected


def digest(folder: Path, content: dict[str, Any] | str) -> str:
    return job_of(write(folder, content)).digest


CHANGES: dict[str, dict[str, Any]] = {
    "description": {"description": "x"},
    "owner": {"owner": "x"},
    "tags": {"tags": ["x"]},
    "schedule": {"schedule": "@daily"},
    "time zone": {"timezone": "Europe/Berlin"},
    "start date": {"start_date": "2026-01-02"},
    "bucket": {"source": {"bucket": "other"}},
    "account": {"source": {"bucket": "ops-granules", "account": "111122223333"}},
    "connection": {"destination": {"bucket": "partner-granules", "connection": "x"}},
    "source prefix": {"prefixes": [{"source": "x/", "destination": "backup/daily/"}]},
    "destination prefix": {"prefixes": [{"source": "daily/", "destination": "x/"}]},
    "recursive": {"prefixes": [{"source": "daily/", "destination": "backup/daily/", "recursive": False}]},
    "object": {"objects": [{"source": "x", "destination": "y"}]},
    "include": {"filters": {"include": ["*"]}},
    "exclude": {"filters": {"exclude": ["*.tmp"]}},
    "modified since": {"filters": {"modified_since": "2026-01-01"}},
    "overwrite": {"overwrite": "never"},
    "on empty": {"on_empty": "succeed"},
    "storage class": {"object": {"storage_class": "STANDARD"}},
    "concurrency": {"transfer": {"concurrency": 65}},
    "batch bytes": {"transfer": {"batch_bytes": "100 GB"}},
    "pool": {"airflow": {"pool": "x"}},
    "queue": {"airflow": {"queue": "x"}},
    "execution timeout": {"airflow": {"execution_timeout": "1h"}},
    "failed objects": {"failure": {"max_failed_objects": 1}},
    "retries": {"failure": {"retries": 3}},
    "manifest": {"from": {"manifest": "s3://ops-lists/a.csv"}},
    "columns": {"from": {"manifest": "s3://ops-lists/a.csv", "columns": ["key"]}},
    "inventory": {"from": {"inventory": "s3://ops-lists/a/"}},
    "results": {"results": {"to": "s3://ops-results/"}},
    "mirror": {"mirror": {"max_deleted_objects": 0}},
    "limit of deletes": {"mirror": {"max_deleted_objects": 1}},
    "limit of deletes in percent": {"mirror": {"max_deleted_objects": 1, "max_deleted_percent": 10.5}},
    "deletes that can't be undone": {"mirror": {"max_deleted_objects": 1, "unversioned": "allow"}},
}


@pytest.mark.parametrize("changes", CHANGES.values(), ids=CHANGES)
def test_digest_changes_with_every_value(tmp_path: Path, changes: dict[str, Any]) -> None:
    """A job that does something else has another digest."""
    assert digest(tmp_path, document(**changes)) != digest(tmp_path, MINIMAL)


def test_no_two_changes_share_a_digest(tmp_path: Path) -> None:
    """Different jobs have different digests."""
    digests = {digest(tmp_path, document(**changes)) for changes in CHANGES.values()}
    assert len(digests) == len(CHANGES)


SAME: dict[str, dict[str, Any] | str] = {
    "comments and style": """\
        # about this job
        version: 1          # the only one
        source: {bucket: "ops-granules"}
        destination: {bucket: 'partner-granules'}
        prefixes: [{source: daily/, destination: backup/daily/}]
        """,
    "order of keys": dict(reversed(MINIMAL.items())),
    "spelled-out defaults": {
        name: value for name, value in with_defaults(MINIMAL).items() if name != "objects"
    },
    "a size by its number": document(transfer={"batch_bytes": 100 * 2**30}),
    "a size by another unit": document(transfer={"batch_bytes": "102400 MiB"}),
    "a whole number with a point": document(transfer={"max_active_batches": 8.0}),
}


@pytest.mark.parametrize("content", SAME.values(), ids=SAME)
def test_digest_stays_where_the_job_is_the_same(tmp_path: Path, content: dict[str, Any] | str) -> None:
    """Comments, order, style and spelled-out defaults make no new version."""
    assert digest(tmp_path, content) == digest(tmp_path, MINIMAL)


def test_the_former_name_of_the_pool_means_the_same_job(tmp_path: Path) -> None:
    """A config that is changed to the new name makes the same Dag, so no new version of it."""
    former, new = (job_of(write(tmp_path, document(**{at: {"pool": "x"}}))) for at in ("transfer", "airflow"))
    assert (former.airflow.pool, former.digest, former.config) == ("x", new.digest, new.config)
