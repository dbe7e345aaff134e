"""A batch knows its plan, and has a label for people."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from s3copy_tasks.core.batch import Batch, KeyRange, make_label, make_plan_id
from s3copy_tasks.core.job import PrefixEntry
from s3copy_tasks.errors import ConfigError
from tests.support.builders.bench import make_job
from tests.support.s3.memory import DAY_ONE


def ranges(*entries: int | None) -> tuple[KeyRange, ...]:
    return tuple(
        KeyRange(entry=entry, after=None, through=0 if entry is None else "z", found=5, objects=2, bytes=7)
        for entry in entries
    )


OTHERS: dict[str, dict[str, Any]] = {
    "other-config": {"digest": "f" * 64},
    "other-run": {"run_id": "manual__2"},
    "prepared-again": {"run_started": DAY_ONE + timedelta(seconds=1)},
}


@pytest.mark.parametrize("changes", OTHERS.values(), ids=OTHERS)
def test_batch_of_another_plan(changes: dict[str, Any]) -> None:
    """A batch that was planned for another job, run or preparation is refused, with what to do."""
    batch = Batch(id=3, of=9, plan_id=make_plan_id(make_job(), [ranges(0)]), label="3: in/", ranges=ranges(0))
    batch.check_belongs(make_job())
    with pytest.raises(ConfigError, match=r"batch 3 .* Clear the run from preflight") as refused:
        batch.check_belongs(make_job(**changes))
    assert refused.value.code == "PlanMismatch"


def test_sums() -> None:
    """A batch's found and objects are the sums over its ranges."""
    batch = Batch(id=0, of=1, plan_id="p", label="l", ranges=ranges(0, 1, 1))
    assert (batch.found, batch.objects) == (15, 6)


LABELS: dict[str, tuple[tuple[int | None, ...], str]] = {
    "one": ((0,), "7/9 a/"),
    "one-entry-twice": ((0, 0), "7/9 a/"),
    "two-entries": ((0, 2, 2), "7/9 a/ +1"),
    "whole-bucket": ((1,), "7/9 (whole bucket)"),
    "objects": ((None,), "7/9 objects"),
    "last-of-three": ((2, 1, 0), "7/9 c/ +2"),
}


@pytest.mark.parametrize(("entries", "expected"), LABELS.values(), ids=LABELS)
def test_labels(entries: tuple[int | None, ...], expected: str) -> None:
    """A label has the batch's number and its first entry, "+n" for n others."""
    job = make_job(
        prefixes=(
            PrefixEntry(source="a/", destination="x/"),
            PrefixEntry(source="", destination="y/"),
            PrefixEntry(source="c/", destination="z/"),
        )
    )
    assert make_label(7, 9, ranges(*entries), job) == expected


def test_long_labels() -> None:
    """A label fits Airflow's column of 250 characters, and keeps the end of the prefix, which says more."""
    prefix = "granules/" * 100 + "MOD09GA/"
    job = make_job(prefixes=tuple(PrefixEntry(source=prefix, destination=place) for place in ("x/", "y/")))
    named = make_label(499, 500, ranges(0, 1), job)
    assert len(named) <= 250
    assert named.startswith("499/500 ")
    assert named.endswith("granules/MOD09GA/ +1")
