"""What the page shows of a run without a summary: a run under way, or one whose end a person marked."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from s3copy_tasks.core.metrics import Failure, TransferMetrics
from s3copy_tasks.core.objects import SkipReason
from s3copy_tasks.core.request_counts import Requests
from s3copy_tasks.dag.page.words import UNKNOWN
from s3copy_tasks.dag.xcom import dump, dump_failed_step
from s3copy_tasks.errors import AccessError
from s3copy_tasks.report.advice import advice
from s3copy_tasks.report.summary import without_plan
from tests.support.airflow.page_server import ENDED, JOBS, Page, rows, words

TAB = f"{JOBS}/{ENDED}"
STATEMENT = '{"Effect":"Allow","Action":["s3:ListBucket"],"Resource":"arn:aws:s3:::' + "b" * 400 + '"}'
REASON = f"role/reader may not s3:ListBucket\nMissing from the policy of the role: {STATEMENT}"
DENIED = Failure.of(entry=0, key="daily/<b>", code="AccessDenied", message="no\nMissing: {}", attempts=1)


def show(page: Page, run_id: str, **values: Any) -> str:
    """Store a run, and return the text of its page."""
    with rows() as table:
        table.run(ENDED, run_id, **values)
    return words(page.get(TAB, run_id=run_id))


@pytest.fixture
def page_rows(page: Page) -> Any:
    """The helpers that write rows, which import Airflow's models."""
    from tests.support.airflow import page_rows  # noqa: PLC0415

    return page_rows


@pytest.mark.parametrize(
    ("state", "waited"),
    [("failed", "failed"), ("success", "success"), ("failed", "skipped")],
    ids=["marked failed", "marked successful", "marked failed before the batches began"],
)
def test_a_run_that_a_person_ended_is_added_up(page: Page, page_rows: Any, state: str, waited: str) -> None:
    """Airflow skips its summary and sets the states of its batches: those that reported count.

    The other objects are unknown, and did not fail.
    """
    text = show(
        page,
        f"{state} {waited}",
        state=state,
        batches=[(state, 1, 20), (state, 1, 30), (waited, 30, 30)],
        states={"summarize": "skipped"},
        copy_batch__metrics={0: page_rows.reported(300, DENIED) | {"batch": 0}},
        copy_batch__progress={
            1: {"found": 90, "of": 400, "copied": 80, "failed": 1, "bytes": 5, "objects_per_second": 8.5}
        },
        **page_rows.planned((301, 10**9), (400, 10**9), (250, 10**9), outside=49),
    )
    assert "Found 1,000 Copied 380 0 verified Bytes 300.0 MB" in text
    assert "Failed 2 and 569 unknown Skipped 49" in text
    assert "1 of 3 batches reported at their end. What became of 569 objects is unknown." in text
    assert "2/3 daily/ 80 5 bytes" in text
    assert "At least 301 sent, 0 of them as retries, 0 throttled by S3; they cost at least $0.0015" in text
    assert f"{waited} 3/3 daily/ 0 0 bytes {UNKNOWN} 0 250 unknown" in text
    assert "daily/&lt;b&gt;: AccessDenied after 1 attempt: no Missing: {}" in text


def test_bottlenecks_of_batches_are_added_up(page: Page, page_rows: Any) -> None:
    """The times of all batches count, and the highest peak; a batch of an earlier version has none."""
    first, second, earlier = (
        Requests(by_kind={"CopyObject": 1}, peak_in_flight=1, limited_milliseconds=limited)
        for limited in ({"rate": 90_000, "cpu": 500}, {"rate": 61_000}, {})
    )
    text = show(
        page,
        "limited",
        state="failed",
        batches=[("success", 1, 20)] * 3,
        states={"summarize": "skipped"},
        copy_batch__metrics={
            number: page_rows.reported(1, requests=requests)
            for number, requests in enumerate((first, replace(second, peak_in_flight=77), earlier))
        },
        **page_rows.planned((1, 1), (1, 1), (1, 1)),
    )
    assert "Up to 77 were in flight at once in one batch." in text
    assert "rate 2 min 31 s CPU 0.5 s The job&#39;s own limit was reached." in text


def test_metrics_of_an_earlier_plan_do_not_count(page: Page, page_rows: Any) -> None:
    """As in the summary: what a batch reported for another plan says nothing about this one."""
    text = show(
        page,
        "planned again",
        state="failed",
        batches=[("success", 1, 20), ("removed", 1, 30)],
        states={"summarize": "skipped"},
        copy_batch__metrics={number: page_rows.reported(300) | {"plan_id": "old"} for number in (0, 1)},
        **page_rows.planned((301, 10**9)),
    )
    assert "Found 301 Copied 0" in text
    assert "and 301 unknown" in text


def test_a_summary_does_not_count_after_its_batches_ran_again(page: Page, page_rows: Any) -> None:
    """A run that was cleared, and then marked failed, still has its earlier summary: it is outdated."""
    text = show(
        page,
        "cleared and marked",
        state="failed",
        start=datetime.now(UTC) + timedelta(minutes=1),
        batches=[("success", 1, 20)],
        states={"summarize": "skipped"},
        summarize__metrics=page_rows.metrics(12_345),
        summarize__batches=[page_rows.metrics(12_345) | {"batch": 0, "label": "old"}],
        summarize__entries=[
            page_rows.metrics(12_345) | {"entry": "prefixes[0]", "source": "", "destination": ""}
        ],
        copy_batch__metrics={0: page_rows.reported(300)},
        **page_rows.planned((300, 10**9)),
    )
    assert "Copied 300" in text
    assert "12,345" not in text


def test_a_run_whose_summary_is_cleared_is_under_way(page: Page, page_rows: Any) -> None:
    """Until `summarize` has run again, its batches are added up."""
    text = show(
        page,
        "summary again",
        state="running",
        seconds=None,
        batches=[("success", 1, 20)],
        states={"summarize": None},
        summarize__metrics=page_rows.metrics(12_345),
        copy_batch__metrics={0: page_rows.reported(300)},
        **page_rows.planned((300, 10**9), outside=5),
    )
    assert "Found 305 of 305 Copied 300 so far" in text
    assert "12,345" not in text


def test_a_run_without_any_xcom(page: Page) -> None:
    """Nothing is made up about a run whose XComs were deleted, or whose first task was killed."""
    text = show(page, "pruned", state="failed", batches=[("success", 1, 20)])
    assert "Airflow has no figures of this run" in text
    names = ("Found", "Copied", "Bytes", "Objects per second", "Failed", "Skipped")
    assert " ".join(f"{name} {UNKNOWN}" for name in names) in text


def test_a_run_with_half_of_its_xcoms(page: Page, page_rows: Any) -> None:
    """Without its plan, only what batches reported is known."""
    text = show(
        page,
        "half pruned",
        state="success",
        batches=[("success", 1, 20), ("success", 1, 20)],
        copy_batch__metrics={1: page_rows.reported(300)},
    )
    assert "Copied 300" in text
    assert "1 of 2 batches reported at their end. To copy" in text


@pytest.mark.parametrize("summarized", [True, False])
def test_a_failed_step_shows_its_whole_reason(page: Page, page_rows: Any, summarized: bool) -> None:  # noqa: FBT001
    """The policy statement can be copied as it is; the advice is the same as in a message."""
    error = AccessError(REASON, code="AccessDenied")
    metrics = without_plan("r", "preflight", error)
    step = dump_failed_step(metrics, reason=error.message, job="j", config_digest="d", dry_run=False)
    run_id = f"no rights {summarized}"
    summary = {"summarize__metrics": metrics.as_dict()} if summarized else {}
    states = {
        "preflight": "failed",
        "plan": "upstream_failed",
        "summarize": "failed" if summarized else "skipped",
    }
    text = show(page, run_id, state="failed", states=states, preflight__metrics=step, **summary)
    assert "(preflight): AccessDenied after 1 attempt: role/reader may not s3:ListBucket" in text
    html = page.get(TAB, run_id=run_id).text
    assert STATEMENT.replace('"', "&#34;") in html
    assert "s3:ListBucket\nMissing from" in html
    assert f"AccessDenied (1): {advice('AccessDenied', 'page_ended')}".replace("`", "").split(".")[0] in text


def test_a_reason_of_an_object_keeps_its_lines(page: Page, page_rows: Any) -> None:
    """A summary has a line for each failure; the batch has the reason as S3 and this package gave it."""
    text = show(
        page,
        "lines",
        state="failed",
        batches=[("failed", 1, 20)],
        summarize__metrics=page_rows.metrics(0, failed=1, errors=[str(DENIED)]),
        copy_batch__metrics={0: page_rows.reported(0, DENIED)},
    )
    assert "no Missing: {}" in text
    assert "no\nMissing: {}" in page.get(TAB, run_id="lines").text
    assert "\\nMissing" not in page.get(TAB, run_id="lines").text


def test_a_run_under_way_shows_how_far_it_is(page: Page, page_rows: Any) -> None:
    """Found and bytes are so many of the plan's, in the table of runs, too."""
    text = show(
        page,
        "far",
        state="running",
        seconds=None,
        batches=[("success", 1, 20), ("running", 1, None), ("scheduled", 1, None)],
        states={"summarize": None},
        copy_batch__metrics={0: page_rows.reported(300)},
        copy_batch__progress={
            1: {"found": 90, "of": 400, "copied": 80, "failed": 1, "bytes": 5, "objects_per_second": 8.5}
        },
        **page_rows.planned((300, 3 * 10**8), (400, 10**9), (250, 10**9), outside=49),
    )
    assert "Found 439 of 999 Copied 380 so far Bytes 300.0 MB of 2.3 GB to copy" in text
    assert "Failed 1 Skipped 49 so far" in text
    assert "439 of 999 380 300.0 MB" in text, "in the table of runs"
    assert "unknown" not in text[: text.index("Runs")]


def test_objects_that_arrive_after_the_plan(page: Page, page_rows: Any) -> None:
    """A batch that finds more than the plan did does not seem to be done: there may be still more."""
    text = show(
        page,
        "more",
        state="running",
        seconds=None,
        batches=[("running", 1, None), ("queued", 1, None)],
        states={"summarize": None},
        copy_batch__progress={
            0: {"found": 450, "of": 400, "copied": 440, "failed": 0, "bytes": 5, "objects_per_second": 8.5}
        },
        **page_rows.planned((400, 10**9), (100, 10**9)),
    )
    assert "Found 450 of at least 550" in text
    assert "440 of at least 450" in text, "in the table of batches"


def test_what_a_retry_will_do_again_is_not_unknown(page: Page, page_rows: Any) -> None:
    """A batch that waits for its next attempt has reported; the run is under way."""
    metrics = page_rows.reported(100, total_files_found=300, files_unknown=200)
    text = show(
        page,
        "retry",
        state="running",
        seconds=None,
        batches=[("up_for_retry", 1, 20)],
        states={"summarize": None},
        copy_batch__metrics={0: metrics},
        **page_rows.planned((300, 10**9)),
    )
    assert "Found 100 of 300 Copied 100 so far" in text
    assert "unknown" not in text[: text.index("Runs")]


def test_a_dry_run_under_way(page: Page, page_rows: Any) -> None:
    """After its plan, a dry run has nothing to copy; its figures are those of the plan."""
    outside = TransferMetrics(total_files_found=7, files_skipped={SkipReason.DRY_RUN: 7})
    text = show(
        page,
        "dry",
        state="running",
        seconds=None,
        states={"summarize": None},
        plan__return_value=[],
        plan__outside=dump(outside, sparse=True),
    )
    assert "Found 7 of 7 Copied 0 dry run" in text


HOSTILE = [
    pytest.param("</li><script>alert(1)</script>", "&lt;/li&gt;&lt;script&gt;", id="markup"),
    pytest.param("a\u202eb\u2066", "a\\u202eb\\u2066", id="direction of writing"),
    pytest.param("a\x1b[31m\nb\x7f", "a\\x1b[31m\\nb\\x7f", id="control characters"),
    pytest.param("\u05d0\u05d1", "<bdi>\u05d0\u05d1: ", id="right to left"),
]


@pytest.mark.parametrize(("key", "shown"), HOSTILE)
def test_a_key_of_a_batch_is_text(page: Page, page_rows: Any, key: str, shown: str) -> None:
    """Keys that are read from batches are escaped, too; only the message keeps its lines."""
    failure = Failure.of(entry=0, key=key, code="<b>", message="\x1b<i>\nlast", attempts=1)
    show(
        page,
        f"hostile {shown}",
        state="failed",
        batches=[("failed", 1, 20)],
        states={"summarize": "skipped"},
        copy_batch__metrics={0: page_rows.reported(0, failure)},
        **page_rows.planned((1, 1)),
    )
    html = page.get(TAB, run_id=f"hostile {shown}").text
    assert shown in html
    assert ": &lt;b&gt; after 1 attempt: \\x1b&lt;i&gt;\nlast" in html


def test_hundreds_of_long_errors(page: Page, page_rows: Any) -> None:
    """A hundred failures are shown, and at most so much of each that the page stays usable."""
    first = [{"key": f"{i}", "code": "c", "attempts": 1, "message": "m" * 100_000} for i in range(300)]
    metrics = {"operation_id": "r", "errors_encountered": {"by_code": {"c": 300}, "first": first}}
    show(
        page,
        "long",
        state="failed",
        batches=[("failed", 1, 20)],
        states={"summarize": "skipped"},
        copy_batch__metrics={0: {"plan_id": "p", "metrics": metrics}},
        **page_rows.planned((300, 1)),
    )
    html = page.get(TAB, run_id="long").text
    assert html.count("after 1 attempt: mmm") == 100
    assert len(html) < 3_000_000
