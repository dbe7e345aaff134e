"""Which places a task's lineage names."""

from __future__ import annotations

from typing import Any

import pytest

from s3copy_tasks.core.batch import KeyRange
from s3copy_tasks.core.job import ObjectEntry, PrefixEntry
from s3copy_tasks.dag.telemetry.lineage import find_entries, list_entries, report_lineage
from tests.support.builders.bench import make_job
from tests.support.builders.logs import log_lines

PREFIXES = tuple(PrefixEntry(source=f"in/{n}/", destination=f"out/{n}/") for n in range(3))
OBJECTS = tuple(ObjectEntry(source=f"one/{n}", destination=f"two/{n}") for n in range(5))
JOB = make_job(prefixes=PREFIXES, objects=OBJECTS)


def stretch(entry: int | None, after: str | int | None, through: str | int) -> KeyRange:
    return KeyRange(entry=entry, after=after, through=through, found=1, objects=1, bytes=1)


CASES: dict[str, tuple[list[KeyRange], list[Any]]] = {
    "one": ([stretch(1, None, "z")], [PREFIXES[1]]),
    "two-ranges-of-one": ([stretch(1, None, "b"), stretch(1, "f", "z")], [PREFIXES[1]]),
    "several": ([stretch(2, None, "b"), stretch(0, None, "z")], [PREFIXES[2], PREFIXES[0]]),
    "first-objects": ([stretch(None, None, 1)], list(OBJECTS[:2])),
    "later-objects": ([stretch(None, 1, 3), stretch(0, None, "z")], [*OBJECTS[2:4], PREFIXES[0]]),
}


@pytest.mark.parametrize(("ranges", "entries"), CASES.values(), ids=CASES)
def test_entries_of_a_batch(ranges: list[KeyRange], entries: list[Any]) -> None:
    """A batch's lineage has each of its prefixes once, and of the single objects those that it copies."""
    assert list(find_entries(JOB, ranges)) == entries


def test_everything() -> None:
    """A whole run's lineage has every entry."""
    assert list_entries(JOB) == [*PREFIXES, *OBJECTS]


def test_without_a_reader() -> None:
    """Where nobody reads lineage nothing is told, and nothing is said."""
    with log_lines() as lines:
        report_lineage(JOB, list_entries(JOB))
    assert [line for line in lines if line["event"] == "lineage is not told"] == []
