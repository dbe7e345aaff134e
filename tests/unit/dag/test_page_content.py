"""What the page shows of jobs, runs and batches, and how many queries it needs."""

from __future__ import annotations

import re
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import delete

from s3copy_tasks.dag.page.words import UNKNOWN
from tests.support.airflow.page_server import (
    ALL,
    HUGE,
    JOB,
    JOBS,
    MINE,
    NEVER,
    OTHER,
    Page,
    rows,
    shown,
    words,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_all_jobs_at_a_glance(page: Page) -> None:
    """A row has source, destination, time, state, objects copied, rate and failures."""
    text = words(page.get(JOBS, "bob"))
    row = text[text.index("page_mine") :]
    for part in (
        "s3://ops-granules/daily/ → to s3://partner-granules/backup/ and 1 more",
        "1,234 1.2 GB 123 objects 123.4 MB 2 0 2 * * *",
    ):
        assert part in row
    assert re.search(r"✕ failed 1 h ago \S+&lt;script&gt;\S+ page_mine", text), "the code that failed most"
    assert "1 ✕ failed" in text


def test_jobs_by_state(page: Page) -> None:
    """The counts above the table link to the jobs in a state; an unknown state shows all."""
    assert shown(page.get(JOBS, state="never ran")) - {HUGE} == {NEVER}
    assert shown(page.get(JOBS, state="failed")) == {MINE}
    assert shown(page.get(JOBS, "bob", state="success")) == set()
    assert shown(page.get(JOBS, state="<b>")) == ALL


def test_one_run_in_full(page: Page) -> None:
    """The tab has figures, reasons, failures, batches, entries, requests, and the config with its lines."""
    text = words(page.get(JOB))
    for part in (
        "Copied 1,234 1,234 verified",
        "unchanged 55",
        "First failures",
        "AccessDenied after 1 attempt: &lt;b&gt;no&lt;/b&gt;",
        "2 ✕ failed 2/2 daily/ 4 4.0 MB 0.4 2 28.0 s",
        "prefixes[0]",
        "2,468 sent, 1 of them as retries",
        "they cost $0.0067",
        "50% took less than 0.041 s",
        "Up to 105 were in flight at once in one batch.",
        "in flight 8.2 s listing 1.5 s Requests waited for free slots. Set transfer.concurrency: auto",
        "CopyObject 1,234",
        "source.bucket ops-granules page_mine.yaml:3",
        "transfer.concurrency",
    ):
        assert part in text
    assert re.search(r"overwrite changed default", text)


def test_where_the_rows_of_a_run_are(page: Page) -> None:
    """The tab shows the folder of a run's results, and how to run only its failed objects again."""
    text = words(page.get(JOB))
    assert "A row for each object of this run is in s3://ops-results/" in text
    assert re.search(r"2 failed\. To run only these again: s3copy run page_mine --manifest .*/failed/", text)
    assert "A row for each object" not in words(page.get(JOB, run_id="first"))


def test_a_run_can_be_chosen(page: Page) -> None:
    """Each run is a link; a run without known XComs shows dashes instead of numbers."""
    text = words(page.get(JOB, run_id="first"))
    assert "This run: first" in text
    assert f"Copied {UNKNOWN} Bytes {UNKNOWN} Objects per second {UNKNOWN} Failed {UNKNOWN}" in text


def test_a_job_that_never_ran_shows_its_config(page: Page) -> None:
    """The serialized Dag is enough for source, destination and the values."""
    text = words(page.get(f"{JOBS}/{NEVER}"))
    assert "This job has never run." in text
    assert "s3://ops-granules/daily/ → to s3://partner-granules/backup/ and 1 more" in text
    assert "page_never &amp; &lt;b&gt;" in text
    assert "destination.bucket partner-granules" in text


def test_a_pool_that_does_not_exist_is_named(page: Page) -> None:
    """Airflow itself says nothing while the batches wait; once the pool exists, the page has no complaint."""
    from airflow.models.pool import Pool  # noqa: PLC0415 - after the environment is set
    from airflow.utils.session import create_session  # noqa: PLC0415

    path = f"{JOBS}/{NEVER}"
    assert "No such pool: no_such_pool The config names it as airflow.pool" in words(page.get(path))
    assert "No such pool" not in words(page.get(JOB))
    with create_session() as session:
        session.add(Pool(pool="no_such_pool", slots=1, include_deferred=False))
    try:
        assert "No such pool" not in words(page.get(path))
    finally:
        with create_session() as session:
            session.execute(delete(Pool).where(Pool.pool == "no_such_pool"))


def test_a_run_under_way_shows_its_progress(page: Page) -> None:
    """The progress of batches is in the table of all jobs and in the tab."""
    from tests.support.airflow.page_rows import metrics  # noqa: PLC0415

    with rows() as table:
        table.run(
            OTHER,
            "under way",
            state="running",
            start=datetime.now(UTC) - timedelta(seconds=100),
            seconds=None,
            batches=[("success", 1, 20), ("running", 1, None), ("queued", 0, None)],
            copy_batch__metrics={0: {"batch": 0, "plan_id": "p", "metrics": metrics(300)}},
            copy_batch__progress={
                1: {"found": 90, "of": 400, "copied": 80, "failed": 1, "bytes": 5, "objects_per_second": 8.5}
            },
        )
    assert "380 so far 300.0 MB 8.5 objects 1" in words(page.get(JOBS, state="running"))
    text = words(page.get(f"{JOBS}/{OTHER}"))
    assert "This run, under way: under way" in text
    assert "▶ running 80 of 400 5 bytes 8.5 1" in text
    assert "Copied 380 so far" in text


def test_earlier_metrics_of_a_cleared_run_are_not_shown(page: Page) -> None:
    """A run that begins again has copied nothing yet, whatever it pushed earlier."""
    from tests.support.airflow.page_rows import metrics  # noqa: PLC0415

    with rows() as table:
        table.run(
            OTHER,
            "cleared",
            state="running",
            start=datetime.now(UTC) + timedelta(minutes=1),
            seconds=None,
            batches=[("queued", 1, 20), ("running", 1, None)],
            summarize__metrics=metrics(12_345),
            copy_batch__metrics={0: {"batch": 0, "plan_id": "p", "metrics": metrics(12_345)}},
            copy_batch__progress={1: {"found": 9, "of": 90, "copied": 8, "failed": 0, "bytes": 5}},
        )
    text = words(page.get(f"{JOBS}/{OTHER}", run_id="cleared"))
    assert "Copied 8 so far" in text
    assert "12,345" not in text


@contextmanager
def counted() -> Iterator[list[str]]:
    """Collect the queries that are sent in the block."""
    from airflow import settings  # noqa: PLC0415
    from sqlalchemy import event  # noqa: PLC0415

    found: list[str] = []

    def note(_: Any, __: Any, statement: str, *rest: Any) -> None:
        found.append(statement)

    event.listen(settings.engine, "before_cursor_execute", note)
    yield found
    event.remove(settings.engine, "before_cursor_execute", note)


@pytest.mark.parametrize("path", [JOBS, f"{JOBS}/{HUGE}"])
def test_the_number_of_queries_does_not_grow_with_runs(page: Page, path: str) -> None:
    """Five runs of a job and two hundred need the same small number of queries."""
    from tests.support.airflow.page_rows import metrics  # noqa: PLC0415

    def fill(number: int) -> None:
        with rows() as table:
            for _ in range(number):
                name = f"run{len(made)}"
                made.append(name)
                table.run(HUGE, f"{path}{name}", summarize__metrics=metrics(5), batches=[("success", 1, 2)])

    made: list[str] = []
    fill(5)
    page.get(path)  # Airflow keeps some of its own answers
    with counted() as few:
        assert page.get(path).status_code == 200
    fill(195)
    with counted() as many:
        assert page.get(path).status_code == 200
    assert 0 < len(few) == len(many) <= 16


def test_runs_are_shown_page_by_page(page: Page) -> None:
    """Each page has thirty runs, and a link to earlier runs if there are any."""
    path, seen, pages = f"{JOBS}/{HUGE}", 0, 0
    before: dict[str, str] = {}
    while True:
        reply = page.get(path, **before)
        seen, pages = seen + reply.text.count('<th scope="row"><a '), pages + 1
        further = re.search(r'href="[^"]*\?before=(\d+)">Earlier', reply.text)
        if further is None:
            break
        before = {"before": further[1]}
    assert pages == -(-seen // 30)
    assert seen >= 30
