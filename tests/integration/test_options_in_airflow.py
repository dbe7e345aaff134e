"""Options of a config, and of a site, in a run of Airflow."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest

from s3copy_tasks.config.job import AirflowOptions
from s3copy_tasks.dag.factory import build_dag
from tests.support.builders.documents import document, job_of, write

if TYPE_CHECKING:
    from pathlib import Path

    from s3copy_tasks.config.job import CopyJob
    from tests.integration.conftest import RunDag
    from tests.support.s3.proxy import Proxy, Request
    from tests.support.s3.sides import Sides

pytestmark = pytest.mark.one_server


def job_on(sides: Sides, folder: Path, **changes: Any) -> CopyJob:
    """Return the job of a file, on the buckets of the test."""
    content = document(prefixes=[{"source": "data/", "destination": "copy/"}], failure={"retries": 0})
    places = sides.job()
    job = job_of(write(folder, content | changes))
    return replace(job, source=places.source, destination=places.destination)


def test_a_run_that_may_find_nothing_succeeds(
    sides: Sides, run_dag: RunDag, tmp_path: Path, log_events: list[dict[str, Any]]
) -> None:
    """All figures are zero, nothing is published, and one line says it."""
    done = run_dag(build_dag(job_on(sides, tmp_path, on_empty="succeed")))
    assert done.state == "success"
    assert [done.states[task, -1] for task in ("plan", "copy_batch", "summarize", "publish")] == [
        "success",
        "skipped",
        "success",
        "skipped",
    ]
    metrics = done.xcom("summarize", "metrics")
    figures = ("total_files_found", "files_copied_successfully", "files_failed", "files_unknown")
    assert {metrics[name] for name in figures} == {0}
    assert (metrics["errors"], metrics["files_skipped"]) == ([], {})
    assert [line["event"] for line in log_events].count("nothing to copy") == 1


@pytest.mark.parametrize("limit", [1, 3])
def test_a_site_that_maps_fewer_tasks_gets_larger_batches(
    sides: Sides, run_dag: RunDag, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    """Airflow fails a plan with more: the batches grow instead."""
    monkeypatch.setenv("AIRFLOW__CORE__MAX_MAP_LENGTH", str(limit))
    for number in range(7):
        sides.put(f"data/{number}")
    done = run_dag(build_dag(job_on(sides, tmp_path, transfer={"batch_objects": 1})))
    assert done.state == "success"
    assert sum(task == "copy_batch" for task, _ in done.states) <= limit
    assert done.xcom("summarize", "metrics")["files_copied_successfully"] == 7


def test_a_batch_that_takes_too_long_reports_what_it_did(
    sides: Sides, proxy: Proxy, run_dag: RunDag, tmp_path: Path
) -> None:
    """What `execution_timeout` did not let it reach is unknown, and the run has a summary."""
    for name in "abc":
        sides.put(f"data/{name}")
    ended = Event()

    def hang(request: Request) -> None:
        if request.kind == "CopyObject":
            ended.wait(6)  # longer than the timeout, which began earlier

    job = job_on(sides, tmp_path, transfer={"concurrency": 1})
    proxy.answer = hang
    done = run_dag(build_dag(replace(job, airflow=AirflowOptions(execution_timeout=timedelta(seconds=5)))))
    ended.set()
    assert (done.state, done.states["copy_batch", 0]) == ("failed", "failed")
    metrics = done.xcom("summarize", "metrics")
    assert set(metrics["errors_by_code"]) == {"AirflowTaskTimeout"}
    assert metrics["total_files_found"] == 3
    assert metrics["files_copied_successfully"] == len(sides.copied())
    assert metrics["files_unknown"] == 3 - len(sides.copied()) > 0
    assert sides.open_uploads() == []
