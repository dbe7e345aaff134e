"""The page in Airflow's UI: server time of its two routes with many jobs and many runs, over SQLite.

Airflow's own app answers in this process, with its middlewares, authentication and access log. The metrics of
each run have a hundred named failures, so the values in the database are large.
"""

from __future__ import annotations

import os
import tempfile
import time
import warnings
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from tests.performance.figures import p90
from tests.performance.report import Report
from tests.support.builders.documents import document

if TYPE_CHECKING:
    from tests.support.airflow.page_server import Page

JOBS, RUNS = 200, 10_000
REPEATS = 20
LIMIT_MS = 500
NAV, TAB = "/s3copy/jobs", "/s3copy/jobs/s3copy__job000"


def _fill(folder: Path) -> None:
    """Write the jobs."""
    from tests.support.airflow.page_rows import add_jobs  # noqa: PLC0415 - after the environment is set

    add_jobs(
        folder,
        {
            f"job{i:03}": document(prefixes=[{"source": "daily/", "destination": f"backup/{i:03}/"}])
            for i in range(JOBS)
        },
    )


def _add_runs(number: int, already: int) -> None:
    """Add a number of runs to every job."""
    from tests.support.airflow.page_rows import metrics  # noqa: PLC0415
    from tests.support.airflow.page_server import rows  # noqa: PLC0415

    start = datetime.now(UTC) - timedelta(days=400)
    with rows() as made:
        for i in range(already, already + number):
            for job in range(JOBS):
                made.run(
                    f"s3copy__job{job:03}",
                    f"run{i}",
                    start=start + timedelta(hours=i),
                    batches=[("success", 1, 20), ("success", 2, 40)],
                    summarize__metrics=metrics(1000 + i, failed=100),
                )


def _measure(page: Page, path: str) -> list[float]:
    """Return milliseconds of many answers, without the first."""
    client = page.client()
    laps = []
    for _ in range(REPEATS + 1):
        begun = time.perf_counter()
        reply = client.get(path)
        laps.append((time.perf_counter() - begun) * 1000)
        if reply.status_code != 200 or "job000" not in reply.text:
            raise RuntimeError(f"{path} answers {reply.status_code}")
    return laps[1:]


def main() -> None:
    """Measure with few runs, then with many; print and write both."""
    report = Report("page", repeats=REPEATS, limit_ms=LIMIT_MS)
    with tempfile.TemporaryDirectory() as place, warnings.catch_warnings(action="ignore"):
        os.environ |= {
            "AIRFLOW_HOME": place,
            "AIRFLOW__CORE__DAGS_FOLDER": f"{place}/dags",
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        }
        from tests.support.airflow.databases import copy_sqlite  # noqa: PLC0415 - after the environment is set
        from tests.support.airflow.page_server import serving  # noqa: PLC0415 - after the environment is set

        made = report.table(
            f"{JOBS} jobs: milliseconds of an answer",
            "page",
            {"runs in all": 0, "median (least to greatest)": 0, "nine of ten below": 0},
            f"{REPEATS} answers each, the limit is {LIMIT_MS} ms",
        )
        with serving(Path(place), copy_sqlite(Path(place) / "airflow.db")) as page:
            _fill(Path(place) / "many")
            runs = 0
            for number in (1, RUNS // JOBS - 1):
                _add_runs(number, runs)
                runs += number
                for name, path in (("all jobs", NAV), ("one job", TAB)):
                    laps = _measure(page, path)
                    made.add(name, runs * JOBS, laps, p90(laps))
    report.finish()


if __name__ == "__main__":
    main()
