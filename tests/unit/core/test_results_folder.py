"""The folder of a plan's results: the same for whoever asks, and another one for another plan."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from s3copy_tasks.core.batch import Batch, KeyRange, make_plan_id
from s3copy_tasks.core.deletions import DeleteBatch
from s3copy_tasks.core.results_folder import ResultsFolder, find_results_folder, parse_deletes_name
from tests.support.builders.bench import make_job
from tests.support.builders.results import PLACE

JOB = make_job(
    run_id="manual__2026-01-31T02:00:00+00:00",
    run_started=datetime(2026, 1, 31, 2, tzinfo=UTC),
    results=PLACE,
)
RANGES = (KeyRange(entry=0, after=None, through="a", found=1, objects=1, bytes=1),)


def folder(job: Any = JOB, ranges: tuple[KeyRange, ...] = RANGES) -> ResultsFolder:
    batch = Batch(id=6, of=9, plan_id=make_plan_id(job, [ranges]), label="7/9", ranges=ranges)
    found = find_results_folder(job, [batch])
    assert found is not None
    return found


def test_names() -> None:
    """Job, run, start and plan; numbers are those of the labels, so that keys sort as batches do."""
    found = folder()
    start = "copies/demo/manual__2026-01-31T02_00_00_00_00/20260131T020000Z-"
    assert found.prefix.startswith(start)
    assert len(found.prefix) == len(start) + len("12345678/")
    batch = Batch(id=6, of=9, plan_id="", label="", ranges=RANGES)
    assert found.name_batch(batch) == f"{found.prefix}batch-0007.csv.gz"
    assert found.name_failed(batch) == f"{found.prefix}failed/batch-0007.csv"
    assert found.name_plan(12) == f"{found.prefix}plan-0012.csv.gz"
    assert str(found) == f"s3://the-results/{found.prefix}"


OTHERS: dict[str, Any] = {
    "another run": replace(JOB, run_id="manual__2"),
    "cleared from preflight": replace(JOB, run_started=datetime(2026, 2, 1, tzinfo=UTC)),
    "run ids that look the same": replace(JOB, run_id=JOB.run_id.replace("+", "_")),
}


@pytest.mark.parametrize("job", OTHERS.values(), ids=OTHERS)
def test_another_run_has_another_folder(job: Any) -> None:
    """Rows of two runs never mix."""
    assert folder(job) != folder()


def test_another_plan_has_another_folder() -> None:
    """A plan that was cleared may have other ranges: its rows do not mix with those of the first."""
    assert folder(ranges=(replace(RANGES[0], through="b"),)) != folder()


def test_the_start_is_in_utc() -> None:
    """The name of the folder does not depend on a time zone."""
    local = JOB.run_started.astimezone(timezone(timedelta(hours=5)))  # type: ignore[union-attr]
    assert "/20260131T020000Z-" in folder(replace(JOB, run_started=local)).prefix


def test_a_plan_without_batches_has_a_folder() -> None:
    """The rows of a run that copies nothing have a place, too."""
    found = find_results_folder(JOB, [])
    assert found == find_results_folder(JOB, ())
    assert found is not None


@pytest.mark.parametrize(
    "job", [replace(JOB, results=None), replace(JOB, dry_run=True)], ids=["none", "dry run"]
)
def test_no_results(job: Any) -> None:
    """A job without results writes none, and neither does a dry run."""
    assert find_results_folder(job, []) is None


def test_attempts_of_deletes() -> None:
    """Each attempt of a batch has a name of its own, which says when it began."""
    began = datetime(2026, 1, 31, 7, 3, 12, 123456, tzinfo=timezone(timedelta(hours=5)))
    found = folder()
    key = found.name_deletes(DeleteBatch(id=6, of=9, plan_id="", label="", ranges=()), began)
    assert key == f"{found.prefix}deletes-0007-20260131T020312.123456Z.csv.gz"
    assert parse_deletes_name(key) == began
    assert parse_deletes_name(key.replace("deletes", "batch")) is None
