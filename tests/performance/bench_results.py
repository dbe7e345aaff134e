"""Copies of small objects with and without a row of results for each, in turns: CPU and memory.

Whole processes, pinned to one core; nginx on the other core answers at once, over TLS. Before each run, one
object is copied in the same way: what that used is subtracted.
"""

from __future__ import annotations

from collections import defaultdict
from statistics import median

from tests.performance import peers
from tests.performance.commands import Spent
from tests.performance.null_s3 import NullS3, Place
from tests.performance.report import Report

REPEATS = 5
OBJECTS = 100_000
PLACE = Place("https")
WAYS = {"without results": None, "with results": "s3://results/copies/"}


def main() -> None:
    """Measure, print the table and write it."""
    report = Report("results", repeats=REPEATS, objects=OBJECTS)
    runs: defaultdict[str, list[tuple[Spent, Spent]]] = defaultdict(list)
    with NullS3([PLACE]) as server:
        for _ in range(REPEATS):
            for name, results in WAYS.items():
                runs[name].append((_run(server, 1, results), _run(server, OBJECTS, results)))
    rows = report.table(
        f"{OBJECTS:,} small objects copied by the server from one bucket to another, in one batch",
        "",
        {"CPU us each": 1, "objects/s": 0, "peak MB": 0},
        f"median (least to greatest) of {REPEATS}, in turns, without the start; {PLACE}",
    )
    each = {name: [_cpu_microseconds(start, spent) for start, spent in found] for name, found in runs.items()}
    for name, found in runs.items():
        rows.add(
            name,
            each[name],
            [OBJECTS / (spent.seconds - start.seconds) for start, spent in found],
            [spent.peak_mb for _, spent in found],
        )
    without, with_results = (median(each[name]) for name in WAYS)
    report.remark(
        f"a row takes {with_results - without:.1f} microseconds, {with_results / without - 1:.1%} of a copy"
    )
    report.finish()


def _run(server: NullS3, objects: int, results: str | None) -> Spent:
    with peers.asked_of(server, PLACE, objects) as asked:
        return peers.s3copy(asked, results=results, max_requests_per_second=1_000_000, batch_objects=OBJECTS)


def _cpu_microseconds(start: Spent, spent: Spent) -> float:
    return 1e6 * (spent.cpu_seconds - start.cpu_seconds) / OBJECTS


if __name__ == "__main__":
    main()
