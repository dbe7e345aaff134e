"""Lists as input: ten million unsorted rows planned, and runs that copy what a list names.

The plan runs in a new process on one core. The runs are whole processes at a null S3 on another core, in
turns with a run that lists the same objects; each copies one object before, whose time is its start.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections import defaultdict
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.performance import peers
from tests.performance.child import Child
from tests.performance.listings import ETAG, PREFIX, SIZE, bucket_of
from tests.performance.null_s3 import NullS3, Place
from tests.performance.report import Report

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from tests.performance.commands import Spent

ROWS = 10_000_000
OBJECTS = 20_000
REPEATS = 3
PROMISED_MB, PROMISED_SECONDS = 150, 120
PLACE = Place("https", 0.03)
UNLIMITED: dict[str, Any] = {"max_requests_per_second": 1_000_000}
COLUMNS = ("key", "etag", "size", "storage_class", "last_modified")
CASES: dict[str, tuple[int, str]] = {
    "key, etag, size, storage_class; always": (4, "always"),
    "key; always": (1, "always"),
    "key, ..., last_modified; unchanged": (5, "changed"),
    "key; unchanged": (1, "changed"),
}
"""Number of columns that a list has, and `overwrite`; what is unchanged is checked and not copied."""


def main() -> None:
    """Run every case, print the tables and write them."""
    report = Report("lists", repeats=REPEATS)
    with tempfile.TemporaryDirectory() as folder:
        _measure_plan(report, Path(folder) / "list.csv")
    _measure_runs(report)
    report.finish()


def _measure_plan(report: Report, file: Path) -> None:
    _write(file, _unsorted_rows(ROWS))
    with Child("millions", core=0) as process:
        plan: dict[str, Any] = process.call("plan_list", path=str(file), columns=COLUMNS[:4])
    rows = report.table(
        "a manifest, planned",
        "rows",
        {"rows": 0, "s": 1, "CPU s": 1, "rows/s": 0, "MB": 0, "batches": 0, "kB": 0},
        "unsorted rows with percent-encoded keys, ETag, size and storage class, `overwrite: always`; MB: "
        "peak memory of the process, beyond that of planning one row; kB: size of the plan as XCom",
    )
    rate = ROWS / plan["seconds"]
    figures = (plan[name] for name in ("added_mb", "batches", "xcom_kb"))
    rows.add("unsorted", ROWS, plan["seconds"], plan["cpu"], rate, *figures)
    holds = plan["seconds"] <= PROMISED_SECONDS and plan["added_mb"] <= PROMISED_MB
    report.remark(
        f"At most {PROMISED_SECONDS} s and {PROMISED_MB} MB: {'holds' if holds else 'does NOT hold'}, "
        f"{plan['seconds']:.0f} s and {plan['added_mb']:.0f} MB"
    )


def _measure_runs(report: Report) -> None:
    spent: dict[str, list[tuple[Spent, Spent]]] = defaultdict(list)
    contenders: dict[str, Callable[[peers.Asked], Spent]] = {
        "a listing; always": partial(peers.s3copy, overwrite="always", **UNLIMITED),
        **{name: partial(_copy_list, *case) for name, case in CASES.items()},
    }
    with NullS3([PLACE]) as server:
        for _ in range(REPEATS):
            for name, copy in contenders.items():
                spent[name].append((_run(server, 1, copy), _run(server, OBJECTS, copy)))
    rows = report.table(
        f"{OBJECTS:,} small objects, named by a list or listed, at {PLACE}",
        "keys from",
        {"objects/s": 0, "CPU ms each": 3},
        f"median (least to greatest) of {REPEATS}, in turns, after the start; no limit of requests",
    )
    for name, pairs in spent.items():
        rows.add(
            name,
            [OBJECTS / (whole.seconds - start.seconds) for start, whole in pairs],
            [1_000 * (whole.cpu_seconds - start.cpu_seconds) / OBJECTS for start, whole in pairs],
        )


def measure_keys(server: NullS3) -> float:
    """Return CPU seconds of copying `OBJECTS` whose keys a list has, without those of the start.

    Both sides are asked for each object, and the destination has none.
    """

    def copy(asked: peers.Asked) -> Spent:
        return _copy_list(1, "changed", replace(asked, destination=(bucket_of(1), "out/")))

    return _run(server, OBJECTS, copy).cpu_seconds - _run(server, 1, copy).cpu_seconds


def _run(server: NullS3, objects: int, copy: Callable[[peers.Asked], Spent]) -> Spent:
    with peers.asked_of(server, PLACE, objects) as asked:
        return copy(asked)


def _copy_list(columns: int, overwrite: str, asked: peers.Asked) -> Spent:
    file = asked.home / "list.csv"
    cells = (ETAG, SIZE, "STANDARD", "2026-11-01T12:34:56Z")[: columns - 1]
    count = next(n for n in (1, OBJECTS) if bucket_of(n) == asked.source[0])
    _write(file, ([f"{PREFIX}part-{number:08}.parquet", *cells] for number in range(count)))
    listed = {"manifest": "s3://lists/list.csv", "columns": list(COLUMNS[:columns])}
    return peers.s3copy(asked, overwrite=overwrite, listed=listed, manifest=file, **UNLIMITED)


def _unsorted_rows(count: int) -> Iterable[list[Any]]:
    for number in range(count):
        name = hashlib.md5(str(number).encode()).hexdigest()
        yield [
            f"{PREFIX}dt%3D2026-01-31/{name[:3]}/granule_{name[:20]}.nc",
            name,
            number % 100_000,
            "STANDARD",
        ]


def _write(file: Path, rows: Iterable[list[Any]]) -> None:
    with file.open("w", encoding="ascii") as written:
        written.writelines(",".join(map(str, row)) + "\n" for row in rows)


if __name__ == "__main__":
    main()
