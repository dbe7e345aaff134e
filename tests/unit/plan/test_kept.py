"""Decisions that a plan keeps: the same objects for each range as another listing, or none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from s3copy_tasks.core.job import ObjectEntry, PrefixEntry
from s3copy_tasks.core.options import TransferOptions
from s3copy_tasks.engine.paced_store import pace_stores
from s3copy_tasks.engine.sender import Sender
from s3copy_tasks.plan.kept import KeptDecisions
from s3copy_tasks.plan.listing import Listing
from s3copy_tasks.plan.planning import plan_job
from tests.support.builders.bench import Bench

PREFIXES = tuple(PrefixEntry(source=f"{name}/", destination=f"out/{name}/") for name in "ab")


@pytest.fixture
def bench() -> Bench:
    """Two prefixes and two single objects; some of them were copied before."""
    made = Bench()
    names = [f"{prefix}/{number:02}" for prefix in "ab" for number in range(25)]
    made.put("one", "two", *names)
    return made


def test_each_range_has_what_a_listing_would_find(bench: Bench) -> None:
    """Single objects, first and last ranges, and ranges with skipped objects inside."""
    job = bench.started(
        prefixes=PREFIXES,
        objects=tuple(ObjectEntry(source=name, destination=f"out/{name}") for name in ("one", "two")),
        transfer=TransferOptions(concurrency=2, batch_objects=7),
        filters=replace(bench.started().filters, exclude=("*3",)),
    )
    kept = KeptDecisions()
    plan = plan_job(job, bench.stores, kept=kept)
    listing = Listing(job, pace_stores(bench.stores, Sender(2)))
    ranges = [key_range for batch in plan.batches for key_range in batch.ranges]
    assert len(ranges) > 6
    for key_range in ranges:
        found = kept.find_range(key_range)
        assert found is not None
        assert list(found) == list(listing.list_range(key_range))


def test_too_many_decisions_are_not_kept(bench: Bench) -> None:
    """One more than the limit, and all ranges are listed again."""
    job = bench.started(prefixes=PREFIXES)
    for most, is_kept in ((50, True), (49, False)):
        kept = KeptDecisions(most)
        plan = plan_job(job, bench.stores, kept=kept)
        found = [kept.find_range(key_range) for batch in plan.batches for key_range in batch.ranges]
        assert [each is not None for each in found] == [is_kept] * len(found)


def test_an_object_that_was_gone_is_checked_again(bench: Bench) -> None:
    """It has no decision: its range is asked for again, so that it may be back."""
    objects = tuple(ObjectEntry(source=name, destination=f"out/{name}") for name in ("one", "gone"))
    job = bench.started(prefixes=(), objects=objects)
    kept = KeptDecisions()
    ((key_range,),) = (batch.ranges for batch in plan_job(job, bench.stores, kept=kept).batches)
    assert kept.find_range(key_range) is None
