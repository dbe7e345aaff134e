"""What a run reports of its deletes, and when it fails for them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from s3copy_tasks.core.deletions import DeleteCounts, DeleteMetrics, DeletePlan, GroupPlan, KeptReason
from s3copy_tasks.core.metrics import Errors, Failure, TransferMetrics
from s3copy_tasks.core.request_counts import Requests
from s3copy_tasks.report.deletions import judge_delete_batch, report_deletions
from s3copy_tasks.report.summary import verdict
from tests.support.builders.mirror import make_mirror
from tests.support.builders.results import PLACE

PLAN = DeletePlan(
    groups=(
        GroupPlan(prefix="a/", in_scope=10, extraneous=5, same_name=1),
        GroupPlan(prefix="b/", in_scope=3, extraneous=0),
    )
)
DELETED = DeleteMetrics(
    groups={"a/": DeleteCounts(deleted=3, gone=1, kept={KeptReason.SAME_NAME: 1})},
    requests=Requests(by_kind={"DeleteObject": 3}),
)
REFUSED = "would delete 5 of 13, limit 1; deletes nothing: more than 1 are extraneous"


def test_the_report_has_every_group() -> None:
    """Totals and groups in plain JSON types; a group without extraneous objects has zeros."""
    report = report_deletions(make_mirror(), PLAN, DELETED, None)
    none = {"deleted": 0, "gone": 0, "kept": {}, "failed": 0, "unknown": 0}
    counts = {"extraneous": 5, "deleted": 3, "gone": 1, "kept": {"same_name": 1}, "failed": 0, "unknown": 0}
    assert report == {
        "in_scope": 13,
        **counts,
        "refused": None,
        "delete_folder": None,
        "comes_back": False,
        "at_least": False,
        "errors": [],
        "errors_by_code": {},
        "groups": [
            {"destination": "a/", "in_scope": 10, **counts},
            {"destination": "b/", "in_scope": 3, "extraneous": 0, **none},
        ],
        "results": None,
    }
    assert (verdict(TransferMetrics(), 0, report), judge_delete_batch(DELETED)) == (None, None)


def test_the_rows_of_deletes_have_a_folder() -> None:
    """Its address is reported if a batch has begun, and so may have written rows."""
    job = make_mirror(results=PLACE)
    address = report_deletions(job, PLAN, DELETED, None)["results"]
    assert address is not None
    assert address.startswith(f"{PLACE}demo/manual__1/")
    assert report_deletions(job, PLAN, DeleteMetrics(), REFUSED)["results"] is None


def test_a_lost_attempt_makes_it_a_lower_bound() -> None:
    """What it deleted is gone, or unknown: the report says so."""
    lost = replace(DELETED, requests=Requests(at_least=True))
    assert report_deletions(make_mirror(), PLAN, lost, None)["at_least"]


ERRORS = Errors(
    by_code={"AccessDenied": 1},
    first=(Failure.of(entry=None, key="a/1", code="AccessDenied", message="no", attempts=1),),
)
BAD: dict[str, tuple[DeleteMetrics, str]] = {
    "failed": (
        DeleteMetrics(groups={"a/": DeleteCounts(deleted=2, failed=1)}, errors=ERRORS),
        "1 deletes failed, 0 unknown, 2 deleted of 3 extraneous. AccessDenied: 1",
    ),
    "unknown": (
        DeleteMetrics(groups={"a/": DeleteCounts(deleted=1, unknown=2)}),
        "0 deletes failed, 2 unknown, 1 deleted of 3 extraneous. ",
    ),
    "kept for an error": (
        DeleteMetrics(groups={"a/": DeleteCounts(kept={KeptReason.NOT_PROVEN: 3})}, errors=ERRORS),
        "0 deletes failed, 0 unknown, 0 deleted of 3 extraneous. AccessDenied: 1",
    ),
}


@pytest.mark.parametrize(("metrics", "words"), BAD.values(), ids=BAD)
def test_a_run_fails_for_what_it_could_not_delete(metrics: DeleteMetrics, words: str) -> None:
    """Whatever `max_failed_objects` allows for copies; the batch fails with the same words."""
    assert verdict(TransferMetrics(), 100, report_deletions(make_mirror(), PLAN, metrics, None)) == words
    assert judge_delete_batch(metrics) == words


def test_a_run_fails_if_it_may_not_delete() -> None:
    """The reason follows that of the copies, if these failed, too."""
    report = report_deletions(make_mirror(), PLAN, DeleteMetrics(), REFUSED)
    assert verdict(TransferMetrics(), 0, report) == REFUSED
    errors = Errors(by_code={"SlowDown": 1})
    failed = TransferMetrics(total_files_found=1, files_failed=1, errors_encountered=errors)
    assert verdict(failed, 0, report) == (
        f"1 objects failed (limit 0), 0 unknown, 0 copied of 1 found. SlowDown: 1; {REFUSED}"
    )
