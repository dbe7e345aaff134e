"""The two sides of a job, before any request to Airflow or AWS."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from typing import Literal

import pytest

from s3copy_tasks.core.job import EffectiveJob, PrefixEntry
from s3copy_tasks.core.location import Location
from s3copy_tasks.core.options import TransferOptions
from s3copy_tasks.s3.boto3_client import Boto3Client
from s3copy_tasks.s3.connections import Sides
from s3copy_tasks.s3.fast.client import CurlClient

JOB = EffectiveJob(
    name="job",
    run_id="run-1",
    digest="0" * 64,
    source=Location(bucket="source-bucket", account="111122223333", connection="missing"),
    destination=Location(bucket="destination-bucket", account="444455556666", connection="nor_this"),
    prefixes=(PrefixEntry(source="data/", destination="copy/"),),
)


def test_sides_of_a_job() -> None:
    """Each side has its own place and its own client; none of them connects before it is used."""
    sides = Sides.from_job(JOB)
    assert (sides.source.location, sides.destination.location) == (JOB.source, JOB.destination)
    assert sides.source.client is not sides.destination.client


def test_stores_of_the_sides() -> None:
    """Planning and copying use each side's own store, the same one each time."""
    sides = Sides.from_job(JOB)
    stores = sides.stores
    assert (stores.source, stores.destination) == (sides.source.store, sides.destination.store)
    assert (sides.source.store.bucket, sides.destination.store.bucket) == (
        "source-bucket",
        "destination-bucket",
    )
    assert stores == sides.stores


@pytest.mark.parametrize(("name", "client"), [("fast", CurlClient), ("boto3", Boto3Client)])
def test_the_client_that_a_job_asks_for(name: Literal["fast", "boto3"], client: type) -> None:
    """`transfer.client` chooses the client of both sides."""
    sides = Sides.from_job(replace(JOB, transfer=TransferOptions(client=name)))
    assert type(sides.source.client) is type(sides.destination.client) is client


def test_a_side_is_not_replaced() -> None:
    """Sides are immutable: two parts of a run can't use different ones."""
    sides = Sides.from_job(JOB)
    with pytest.raises(FrozenInstanceError):
        sides.source = sides.destination  # type: ignore[misc]
