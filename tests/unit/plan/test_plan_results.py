"""A plan writes the rows of the objects that it skips and no batch has: exactly those, with flat memory."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3copy_tasks.core.decide import Decided
from s3copy_tasks.core.job import Filters, ObjectEntry, PrefixEntry
from s3copy_tasks.core.objects import SkipReason
from s3copy_tasks.core.options import TransferOptions
from s3copy_tasks.engine.paced_store import pace_stores
from s3copy_tasks.errors import AccessError, CopyError, TransientError
from s3copy_tasks.plan.plan_results import BLOCK_ROWS, PlanResults
from s3copy_tasks.plan.planning import plan_job
from tests.support.builders.bench import DESTINATION, Bench, impatient_for, make_object
from tests.support.builders.results import PLACE, RESULTS, find_prefix, read_folder, read_rows
from tests.support.s3.memory import fails, on

if TYPE_CHECKING:
    from pathlib import Path

    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.planner import Plan

PREFIXES = tuple(PrefixEntry(source=f"{name}/", destination=f"out/{name}/") for name in "pq")
SUFFIXES = st.text(st.sampled_from("ab/é\U0001f600=,"), max_size=3)


def plan_rows(bench: Bench, job: EffectiveJob, plan: Plan) -> list[dict[str, str]]:
    """Return the rows that the plan itself wrote."""
    return read_folder(bench.results, f"{find_prefix(job, plan.batches)}plan-")


def unchanged(bench: Bench, *suffixes: str, prefix: str = "p") -> None:
    """Put objects that the destination has already."""
    bench.put(*(f"{prefix}/{suffix}" for suffix in suffixes))
    for suffix in suffixes:
        bench.server.put(DESTINATION, f"out/{prefix}/{suffix}", b"x")


@settings(deadline=None, max_examples=80)
@given(
    there=st.sets(SUFFIXES, max_size=12),
    new=st.sets(SUFFIXES, max_size=6),
    batch_objects=st.integers(1, 4),
    page_keys=st.integers(1, 4),
    exclude=st.sampled_from([(), ("a*",)]),
    named=st.integers(0, 3),
)
def test_rows_of_plan_and_batches_are_those_of_the_run(
    there: set[str],
    new: set[str],
    batch_objects: int,
    page_keys: int,
    exclude: tuple[str, ...],
    named: int,
) -> None:
    """Each object has one row, in the plan or in a batch, and the plan's are those that it counts itself."""
    bench = Bench(page_keys=page_keys)
    unchanged(bench, *there)
    unchanged(bench, *new, prefix="q")
    bench.put(*(f"p/{suffix}" for suffix in new - there), *(f"x{number}" for number in range(named)))
    bench.server.put(DESTINATION, "to/x1", b"x")
    bench.clock.tick(60)
    job = bench.started(
        prefixes=PREFIXES,
        objects=tuple(ObjectEntry(source=f"x{n}", destination=f"to/x{n}") for n in range(named)),
        filters=Filters(exclude=exclude),
        transfer=TransferOptions(concurrency=2, batch_objects=batch_objects),
    )
    plan = bench.plan(job)
    rows = plan_rows(bench, job, plan)
    assert Counter(row["reason"] for row in rows) == plan.outside
    bench.run(job, plan)  # compares all rows with the metrics of the run
    keys = Counter(row["key"] for row in read_folder(bench.results, find_prefix(job, plan.batches)))
    assert set(keys.values()) <= {1}


def test_blocks_at_the_edge_of_a_range_are_divided() -> None:
    """Of more rows than a block has, those between the copies are the batch's, and the others the plan's."""
    bench = Bench()
    count = 3 * BLOCK_ROWS
    unchanged(bench, *(f"{number:05}" for number in range(count)))
    bench.put(f"p/{BLOCK_ROWS + 500:05}+", f"p/{BLOCK_ROWS + 700:05}+", content=b"new")
    job = bench.started(prefixes=PREFIXES)
    plan = bench.plan(job)
    rows = plan_rows(bench, job, plan)
    assert len(rows) == plan.outside[SkipReason.UNCHANGED] == count - 200
    assert [row["key"] for row in rows] == [
        f"p/{number:05}" for number in range(count) if not 1_500 < number <= 1_700
    ]


def skip(bench: Bench, job: EffectiveJob, count: int, **limits: Any) -> None:
    """Write the rows of skipped objects, within lower limits."""
    results = pace_stores(bench.stores, impatient_for(job)).results
    with PlanResults(job, results, **limits) as rows:
        for number in range(count):
            source = make_object(f"p/{number:05}")
            position, key = f"{number:05}", f"out/{source.key}"
            reason = SkipReason.UNCHANGED
            rows.add(Decided(entry=0, position=position, source=source, key=key, decision=reason))
        rows.write([])


def test_large_results_are_several_objects() -> None:
    """Rows are written in objects of a limited size, so that memory stays flat; each has a header."""
    bench = Bench()
    job = bench.started(prefixes=PREFIXES)
    skip(bench, job, 5 * BLOCK_ROWS, memory_bytes=20_000, file_bytes=20_000)
    written = sorted(bench.results)
    prefix = find_prefix(job, [])
    assert written == [f"{prefix}plan-{number:04}.csv.gz" for number in range(1, len(written) + 1)]
    assert len(written) > 1
    assert sum(len(read_rows(content)) for content in bench.results.values()) == 5 * BLOCK_ROWS


NOTHING: dict[str, dict[str, Any]] = {"no results": {"results": None}, "dry run": {"dry_run": True}}


@pytest.mark.parametrize("changes", NOTHING.values(), ids=NOTHING)
def test_what_writes_nothing(changes: dict[str, Any]) -> None:
    """A dry run writes nothing, and neither does a job without results."""
    bench = Bench()
    unchanged(bench, "a")
    bench.plan(bench.started(prefixes=PREFIXES, **changes))
    assert bench.server.count("put_bytes") == 0


def test_a_plan_without_skipped_objects_writes_nothing() -> None:
    """No object has only a header."""
    bench = Bench()
    bench.put("p/a")
    bench.plan(bench.started(prefixes=PREFIXES))
    assert bench.results == {}


@pytest.mark.parametrize(
    "error",
    [AccessError("no", code="AccessDenied"), TransientError("reset", code="InternalError")],
    ids=["denied", "worth another attempt"],
)
def test_results_that_can_not_be_written_fail_the_plan(error: CopyError) -> None:
    """The plan fails before the first copy; the error says where and why, and keeps its class."""
    bench = Bench()
    unchanged(bench, "a")
    bench.server.before.append(on("put_bytes", fails(error), times=9))
    with pytest.raises(
        type(error), match=f"s3://{RESULTS}/copies/demo/.*plan-0001.csv.gz: {error.code}"
    ) as raised:
        bench.plan(bench.started(prefixes=PREFIXES))
    assert raised.value.code == "ResultsNotWritten"


def test_a_disk_that_takes_nothing_is_explained(tmp_path: Path) -> None:
    """Rows that fit neither into memory nor onto the disk end the plan; the error says what to do."""
    bench = Bench()
    with pytest.raises(TransientError, match="TMPDIR") as raised:
        skip(bench, bench.started(), 1, memory_bytes=1, folder=str(tmp_path / "missing"))
    assert raised.value.code == "ResultsNotWritten"


def test_requests_are_the_plans() -> None:
    """What the plan writes is counted as its own requests."""
    bench = Bench()
    unchanged(bench, "a")
    job = bench.started(prefixes=PREFIXES)
    sender = impatient_for(job)
    plan_job(job, bench.stores, sender=sender)
    assert sender.counted().requests().by_kind["PutObject"] == 1


def test_an_estimate_has_the_objects_of_results() -> None:
    """A plan prices one request more for each batch, and not those that it can't know."""
    bench = Bench()
    bench.put(*(f"p/{number}" for number in range(9)))
    job = bench.started(prefixes=PREFIXES, transfer=TransferOptions(concurrency=2, batch_objects=3))
    with_results, without = (bench.plan(replace(job, results=place)).entries[0] for place in (PLACE, None))
    assert with_results.copy_requests == without.copy_requests + 3 == 12
