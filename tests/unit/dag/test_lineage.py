"""The places in a task's lineage."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from s3copy_tasks.core.batch import KeyRange
from s3copy_tasks.core.job import ObjectEntry, PrefixEntry
from s3copy_tasks.dag.telemetry.lineage import find_entries, list_entries, report_lineage
from tests.support.builders.bench import make_job
from tests.support.builders.lists import make_list
from tests.support.builders.logs import log_lines

PREFIXES = tuple(PrefixEntry(source=f"in/{n}/", destination=f"out/{n}/") for n in range(3))
OBJECTS = tuple(ObjectEntry(source=f"one/{n}", destination=f"two/{n}") for n in range(5))
JOB = make_job(prefixes=PREFIXES, objects=OBJECTS)


def make_range(entry: int | None, after: str | int | None, through: str | int) -> KeyRange:
    return KeyRange(entry=entry, after=after, through=through, found=1, objects=1, bytes=1)


CASES: dict[str, tuple[list[KeyRange], list[Any]]] = {
    "one": ([make_range(1, None, "z")], [PREFIXES[1]]),
    "two-ranges-of-one": ([make_range(1, None, "b"), make_range(1, "f", "z")], [PREFIXES[1]]),
    "several": ([make_range(2, None, "b"), make_range(0, None, "z")], [PREFIXES[2], PREFIXES[0]]),
    "first-objects": ([make_range(None, None, 1)], list(OBJECTS[:2])),
    "later-objects": ([make_range(None, 1, 3), make_range(0, None, "z")], [*OBJECTS[2:4], PREFIXES[0]]),
}


@pytest.mark.parametrize(("ranges", "entries"), CASES.values(), ids=CASES)
def test_entries_of_a_batch(ranges: list[KeyRange], entries: list[Any]) -> None:
    """A batch's lineage has each of its prefixes once, and the single objects that it copies."""
    assert list(find_entries(JOB, ranges)) == entries


def test_rows_of_a_list_may_be_of_any_entry() -> None:
    """A batch of rows has all entries of its job."""
    job = replace(JOB, keys_from=make_list())
    rows = KeyRange(entry=None, after=None, through=4_000, found=1, objects=1, bytes=1, file=0)
    assert list(find_entries(job, [rows])) == [*PREFIXES, *OBJECTS]


def test_list_entries() -> None:
    """A whole run's lineage has every entry."""
    assert list_entries(JOB) == [*PREFIXES, *OBJECTS]


def test_lineage_without_a_reader() -> None:
    """Without a reader of lineage nothing is reported, and no warning is logged."""
    with log_lines() as lines:
        report_lineage(JOB, list_entries(JOB))
    assert [line for line in lines if line["event"] == "lineage is not told"] == []
