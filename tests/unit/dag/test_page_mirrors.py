"""What the page shows of a mirror's deletes: all of it, as text, whatever keys and servers say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from s3copy_tasks.core.deletions import DeleteCounts, DeleteMetrics, DeletePlan, GroupPlan, KeptReason
from s3copy_tasks.core.metrics import Errors, Failure
from s3copy_tasks.dag.xcom import dump
from s3copy_tasks.report.deletions import report_deletions
from tests.support.airflow.page_server import HOSTILE, JOBS, Page, words
from tests.support.builders.mirror import make_mirror

if TYPE_CHECKING:
    from collections.abc import Callable

PLAN = DeletePlan(
    groups=(
        GroupPlan(prefix="out/", in_scope=20_000, extraneous=12_345),
        GroupPlan(prefix=f"{HOSTILE}/", in_scope=5, extraneous=0),
    )
)
FAILURE = Failure.of(entry=None, key=f"out/{HOSTILE}", code="AccessDenied", message="no", attempts=1)
DELETED = DeleteMetrics(
    groups={
        "out/": DeleteCounts(deleted=12_000, gone=40, kept={KeptReason.CHANGED: 300}, failed=3, unknown=2),
    },
    errors=Errors(by_code={"AccessDenied": 3}, first=(FAILURE,)),
)
REFUSED = "would delete 12,345 of 20,005, limit 1,000; deletes nothing: more than 1,000 are extraneous"


def summary(deleted: DeleteMetrics, refused: str | None = None, **more: Any) -> dict[str, Any]:
    from tests.support.airflow.page_rows import metrics  # noqa: PLC0415 - imports Airflow's models

    deletions = {**report_deletions(make_mirror(), PLAN, deleted, refused), **more}
    return metrics(5, deletions=deletions)


def test_what_was_deleted_and_kept(show: Callable[..., str]) -> None:
    """Counts, reasons, errors with what to do, and each group of destinations; untrusted text is escaped."""
    results = "s3://ops-results/<b>/"
    text = show(
        "mirror-1", state="failed", summarize__metrics=summary(DELETED, at_least=True, results=results)
    )
    for part in (
        "Deleted at least 12,000 of 12,345 extraneous",
        "12,345 of 20,005 objects at the destination are extraneous: no source has them.",
        "At least 12,000 were deleted, 40 by others or by attempts that were lost, 3 failed , 2 unknown .",
        "A row for each of them is in s3://ops-results/&lt;b&gt;/",
        "Kept, by reason changed 300",
        "Errors, by code AccessDenied 3",
        "AccessDenied (3): A role lacks a permission.",
        "out/ 20,000 12,345 12,000 300 5",
    ):
        assert part in text
    assert "<script>" not in text
    assert "out/a&#34;&gt;&lt;script&gt;" in text


def test_a_refusal_says_what_to_do(show: Callable[..., str], page: Page) -> None:
    """With the numbers, in the tab; the table of all jobs names it as the reason."""
    kept = DeleteMetrics(groups={"out/": DeleteCounts(kept={KeptReason.REFUSED: 12_345})})
    text = show("mirror-2", state="failed", summarize__metrics=summary(kept, REFUSED))
    assert REFUSED in text
    assert "Deleted 0 refused" in text
    row = words(page.get(JOBS))
    assert re.search(r"✕ failed 1 h ago deletes refused page_mine", row)


def test_a_run_without_a_summary_shows_what_its_batches_deleted(show: Callable[..., str]) -> None:
    """A person may have ended it: what was deleted is deleted."""
    text = show(
        "mirror-3",
        state="failed",
        states={"summarize": None, "deletions": "success", "delete_batch": "success"},
        plan__return_value=[],
        plan__outside={"operation_id": "mirror-3"},
        deletions__verdict={"kept": None, "reason": None},
        delete_batch__metrics={"batch": 0, "plan_id": "p", "metrics": dump(DELETED, sparse=True)},
    )
    assert "Deleted 12,000 so far" in text
    assert "12,000 deleted, 40 by others, 3 failed , by the batches that have reported." in text
    assert "deletions" in text
    assert "delete_batch" in text


def test_other_jobs_show_nothing_of_deletes(show: Callable[..., str]) -> None:
    """A job that never deletes has no such section, and neither has a value that is none."""
    for run_id, deletions in (("plain-1", None), ("plain-2", "x")):
        text = show(run_id, summarize__metrics=summary(DELETED) | {"deletions": deletions})
        assert "Deleted" not in text


@pytest.mark.parametrize(("state", "waits"), [("deferred", True), ("success", False)])
def test_a_run_that_waits_for_approval_says_so(
    show: Callable[..., str],
    state: str,
    waits: bool,  # noqa: FBT001 - a table's column
) -> None:
    """With the task that a person has to answer."""
    states = {"approve": state, "summarize": None}
    text = show(f"approval-{state}", state="running", seconds=None, states=states)
    assert ("waits until a person decides whether it deletes: answer in Airflow" in text) == waits
