"""Tables for a terminal: nothing is lost on a narrow one."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from s3copy_tasks.core.metrics import TransferMetrics
from s3copy_tasks.core.request_counts import Requests
from s3copy_tasks.report.deletion_tables import deletes_lines, deletions_line
from s3copy_tasks.report.deletion_words import COMES_BACK
from s3copy_tasks.report.summary import report
from s3copy_tasks.report.tables import error_lines, metrics_table, plan_table, results_lines

ENTRY = {
    "source": "daily/2026-01-31/",
    "destination": "backup/daily/2026-01-31/",
    "found": 12_345_678,
    "to_copy": 1_234_567,
    "to_compare": 5,
    "failing": 2,
    "skipped": {"unchanged": 2_450, "not_modified_since": 3},
    "bytes": 123_456_789_012,
    "batches": 12,
    "requests": {"copy": 7_654_321},
    "cost_usd": 12.3456,
}
FIGURES = ["12,345,678", "1,234,567", "+5", "+2", "2,450", "123.5", "12", "7,654,321", "12.3456"]


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120])
def test_a_plan_shows_every_figure(width: int) -> None:
    """Every figure is in one piece, with both places, on a terminal of any width."""
    shown = io.StringIO()
    Console(file=shown, width=width).print(plan_table({"entries": [ENTRY, ENTRY]}, width))
    words = shown.getvalue().split()
    assert all(words.count(figure) == 2 for figure in FIGURES)
    assert "daily/2026-01-31/" in words


def test_a_run_shows_what_limited_it() -> None:
    """The peak in flight and each bottleneck of a second or more have a row, the longest first."""
    requests = Requests(
        peak_in_flight=1_050, limited_milliseconds={"listing": 1_500, "rate": 12_500, "cpu": 400}
    )
    run = report(TransferMetrics(requests=requests), job="demo", config_digest=None, dry_run=False)
    shown = io.StringIO()
    Console(file=shown, width=80).print(metrics_table(run))
    rows = [" ".join(line.split()) for line in shown.getvalue().splitlines()]
    assert rows[-4:-1] == ["peak in flight 1,050", "limited by: rate 12.5 s", "limited by: listing 1.5 s"]


RESULTS = "s3://ops-results/copies/demo/manual__1/20260131T020000Z-1b4b16b5/"
LINES: dict[str, tuple[str | None, int, list[str]]] = {
    "no results": (None, 3, []),
    "none failed": (RESULTS, 0, [f"results: {RESULTS}"]),
    "some failed": (
        RESULTS,
        1_200,
        [
            f"results: {RESULTS}",
            "1,200 failed; to run only these again:",
            f"  s3copy run jobs/demo.yaml --manifest {RESULTS}failed/",
        ],
    ),
}


@pytest.mark.parametrize(("results", "failed", "lines"), LINES.values(), ids=LINES)
def test_where_results_are(results: str | None, failed: int, lines: list[str]) -> None:
    """Their folder is below the table, and the command for the failed objects, in a line of its own."""
    found = results_lines({"results": results, "files_failed": failed, "queue": None}, "jobs/demo.yaml")
    assert [line.plain for line in found] == lines


@pytest.mark.parametrize(("failed", "last"), [(3, "  c/2: AccessDenied"), (2_000, "  ... 1,990 more")])
def test_errors_that_are_not_shown_are_counted(failed: int, last: str) -> None:
    """The first ten errors are listed, and the last line counts the others."""
    errors = [f"c/{number}: AccessDenied" for number in range(min(failed, 100))]
    lines = error_lines({"errors": errors, "errors_by_code": {"AccessDenied": failed}})
    assert len(lines) == min(failed, 11)
    assert lines[-1].plain == last


LIMITS: dict[str, Any] = {
    "in_scope": 42,
    "to_delete": 2,
    "max_deleted_objects": 9,
    "max_deleted_percent": 2.5,
    "needs_approval": False,
    "delete_folder": None,
    "refused": None,
}
SENTENCES: dict[str, tuple[dict[str, Any], str]] = {
    "allowed": ({}, "would delete 2 of 42 after the copies, limits 9 and 2.5 %"),
    "with approval": (
        {"needs_approval": True},
        "would delete 2 of 42 after the copies, limits 9 and 2.5 %; in Airflow, a person is asked first",
    ),
    "a folder": (
        {"delete_folder": "out/x/", "comes_back": True},
        f"would delete 2 of 42, limit 9; {COMES_BACK}",
    ),
    "nothing": ({"to_delete": 0}, "nothing to delete"),
    "a report": (
        {"max_deleted_objects": 0},
        "2 of 42 are extraneous; max_deleted_objects is 0, so nothing is deleted",
    ),
    "refused": ({"refused": "would delete 2\x1b"}, "would delete 2\\x1b"),
}


@pytest.mark.parametrize(("changes", "words"), SENTENCES.values(), ids=SENTENCES)
def test_whether_a_mirror_may_delete(changes: dict[str, Any], words: str) -> None:
    """One sentence, with the numbers and the limits; untrusted text is escaped."""
    assert deletions_line(LIMITS | changes).plain == words


def test_what_a_mirror_deleted_is_in_the_table_and_below_it() -> None:
    """Its counts, then its errors and the folder of its rows."""
    deletions: Any = {
        **dict.fromkeys(("extraneous", "deleted", "unknown"), 0),
        "gone": 4,
        "failed": 2,
        "kept": {"changed": 3},
        "errors_by_code": {"AccessDenied": 2},
        "errors": ["c/0: no"],
        "at_least": True,
        "comes_back": True,
        "results": RESULTS,
    }
    run = report(TransferMetrics(), job="demo", config_digest=None, dry_run=False, deletions=deletions)
    shown = io.StringIO()
    Console(file=shown, width=80).print(metrics_table(run))
    rows = [" ".join(line.split()) for line in shown.getvalue().splitlines()]
    first = rows.index("extraneous 0")
    assert rows[first + 1 : first + 6] == [
        "deleted at least 0",
        "deleted by others 4",
        "kept: changed 3",
        "deletes failed 2",
        "error of deletes: AccessDenied 2",
    ]
    lines = [line.plain for line in deletes_lines(deletions)]
    assert lines == [COMES_BACK, "  c/0: no", "  ... 1 more", f"results of deletes: {RESULTS}"]
