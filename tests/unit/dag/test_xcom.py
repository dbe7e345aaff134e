"""Jobs, batches and metrics are passed between tasks as JSON and come back equal."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from s3copy_tasks.core.batch import Batch, KeyRange
from s3copy_tasks.core.collector import MetricsCollector
from s3copy_tasks.core.job import EffectiveJob, Filters, ObjectEntry, Overwrite, PrefixEntry
from s3copy_tasks.core.key_list import Column, KeyList, ListFile, ResultsPlace
from s3copy_tasks.core.location import Location
from s3copy_tasks.core.metrics import Failure, TransferMetrics
from s3copy_tasks.core.objects import SkipReason
from s3copy_tasks.core.options import ObjectOptions, TransferOptions
from s3copy_tasks.dag.xcom import dump, dump_job, load
from s3copy_tasks.errors import ConfigError
from tests.support.builders.bench import make_job
from tests.support.s3.memory import DAY_ONE, Clock

FULL_JOB = EffectiveJob(
    name="full",
    run_id="scheduled__2026-01-01T00:00:00+00:00",
    digest="f" * 64,
    source=Location(
        bucket="a-bucket",
        account="111122223333",
        role_arn="arn:aws:iam::111122223333:role/reader",
        external_id="x",
        region="us-west-2",
    ),
    destination=Location(bucket="b-bucket", connection="aws_b", endpoint_url="http://localhost:9000"),
    prefixes=(PrefixEntry(source="", destination="é/", recursive=False),),
    objects=(ObjectEntry(source="a\nb", destination="🛰"),),
    filters=Filters(include=("*.nc",), exclude=("*.tmp",), modified_since=datetime(2025, 1, 1, tzinfo=UTC)),
    overwrite=Overwrite.NEVER,
    options=ObjectOptions(storage_class="GLACIER_IR", acl="bucket-owner-full-control", tags="drop"),
    transfer=TransferOptions(batch_objects=5, client="boto3"),
    max_failed_objects=3,
    run_started=DAY_ONE,
    dry_run=True,
    keys_from=KeyList(
        location=Location(bucket="lists", connection="aws_lists"),
        key="today/",
        columns=(Column.KEY, Column.IGNORED, Column.ETAG),
        url_encoded=False,
        header=True,
        inventory=True,
        max_age_seconds=3_600,
        files=(ListFile(key="today/é.csv.gz", size=2**40, etag="e"),),
        made=DAY_ONE,
    ),
    results=ResultsPlace(location=Location(bucket="results", account="111122223333"), prefix="copies/"),
)
JOBS = {"defaults": make_job(), "everything-set": FULL_JOB, "not-started": make_job(run_started=None)}


def round_trip(value: object) -> object:
    return load(type(value), json.loads(json.dumps(dump(value))))


@pytest.mark.parametrize("job", JOBS.values(), ids=JOBS)
def test_jobs(job: EffectiveJob) -> None:
    """A job comes back equal, its dates with their zone."""
    assert round_trip(job) == job
    assert load(EffectiveJob, dump_job(job)) == job


def test_a_job_of_an_earlier_version_is_a_listing() -> None:
    """A run that an upgrade interrupts continues: its job had neither a list nor results."""
    plain = dump_job(make_job())
    for later in ("keys_from", "results"):
        del plain[later]
    assert load(EffectiveJob, plain) == make_job()


BOUNDS = st.one_of(st.none(), st.text(st.characters(codec="utf-8"), max_size=8), st.just("7"))


@settings(deadline=None, max_examples=60)
@given(
    after=BOUNDS, through=st.text(st.characters(codec="utf-8"), max_size=8), first=st.none() | st.integers(0)
)
def test_batches(after: str | None, through: str, first: int | None) -> None:
    """Bounds come back unchanged: text, even of digits, an index, None and ""."""
    batch = Batch(
        id=0,
        of=1,
        plan_id="p",
        label="l",
        ranges=(
            KeyRange(entry=0, after=after, through=through, found=3, objects=2, bytes=2**50),
            KeyRange(entry=None, after=first, through=9, found=3, objects=2, bytes=0),
        ),
    )
    back = round_trip(batch)
    assert back == batch
    assert isinstance(back, Batch)
    assert [type(key_range.after) for key_range in back.ranges] == [type(after), type(first)]


def test_metrics() -> None:
    """Metrics come back equal, with reasons, failures and times, and still add up."""
    clock = Clock()
    collector = MetricsCollector(clock)
    collector.start_operation("op")
    clock.tick(1.25)
    collector.record_file_success(2**50, earlier=True, ambiguous=True)
    collector.record_skip(SkipReason.UNCHANGED)
    collector.record_file_failure(
        Failure.of(entry=None, key="a\nb🛰", code="SlowDown", message="m", attempts=10), transient=True
    )
    metrics = collector.metrics()
    back = round_trip(metrics)
    assert back == metrics
    assert isinstance(back, TransferMetrics)
    assert back + metrics == metrics + metrics
    assert round_trip(TransferMetrics()) == TransferMetrics()


def test_values_are_validated_again() -> None:
    """Values that were changed on the way are refused."""
    metrics = dump(TransferMetrics(operation_id="op"))
    with pytest.raises(ValidationError, match="counted 0"):
        load(TransferMetrics, metrics | {"total_files_found": 1})
    with pytest.raises(ValidationError):
        load(Batch, {"id": 1})
    later = (DAY_ONE + timedelta(days=1)).isoformat()
    with pytest.raises(ValidationError, match="before its start"):
        load(TransferMetrics, metrics | {"start_time": later, "end_time": DAY_ONE.isoformat()})


def test_a_list_of_many_files() -> None:
    """If the files of a list are too many for an XCom, the error says that, and what to do."""
    files = tuple(ListFile(key=f"failed/{n:0200}.csv", size=1, etag="0" * 32) for n in range(4_000))
    of = KeyList(location=Location(bucket="lists"), key="failed/", files=files)
    with pytest.raises(ConfigError, match=r"4,000 files of s3://lists/failed/\. Join them"):
        dump_job(make_job(keys_from=of))
    with pytest.raises(ConfigError, match="inventories, each with a prefix filter"):
        dump_job(make_job(keys_from=replace(of, inventory=True)))


def test_large_jobs() -> None:
    """A job of more than 1 MB is refused, and the error says what to do instead."""
    objects = tuple(ObjectEntry(source=f"{n:0500}", destination=f"{n:0501}") for n in range(1_000))
    with pytest.raises(ConfigError, match="Copy a prefix with filters"):
        dump_job(make_job(objects=objects))
