"""What the page says of a job whose config is gone or invalid, and of problems between jobs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from s3copy_tasks.config.catalog import load_folder
from tests.support.airflow.page_server import ALL, GONE, INVALID, JOBS, MINE, Page, rows, shown, words
from tests.support.builders.documents import document, problems_of, write

if TYPE_CHECKING:
    from pathlib import Path

    from s3copy_tasks.config.problem import Problem


def report(problems: list[Problem]) -> None:
    """Store an import error, as of the Dag file that reports invalid configs."""
    with rows() as table:
        table.import_error("s3copy_config_errors.py", problems)


def test_a_job_whose_config_is_gone_stays_readable(page: Page) -> None:
    """Its page says since when its YAML is gone, and still has its runs and its config."""
    text = words(page.get(f"{JOBS}/{GONE}"))
    assert "This job's YAML file is gone. Airflow last found it, valid, on 5 Mar" in text
    assert "Next run none" in text
    assert "Copied 4,321" in text
    assert "destination.bucket partner-granules" in text


def test_a_job_whose_config_is_gone_is_in_a_list_of_its_own(page: Page) -> None:
    """All jobs are those with a config; a link with the number of the others leads to these."""
    reply = page.get(JOBS)
    assert (shown(reply), "page_gone" in reply.text) == (ALL, False)
    assert 'href="jobs?state=config%20gone"' in reply.text
    assert re.search(r"\b2 . config gone", words(reply))
    listed = page.get(JOBS, state="config gone")
    assert (shown(listed), "page_gone" in listed.text, "page_invalid" in listed.text) == (set(), True, True)
    assert re.search(r"config gone since 5 Mar", words(listed))


def test_a_gone_job_is_hidden_with_its_dag(page: Page) -> None:
    """A viewer of some Dags sees neither the others' number nor their names."""
    assert "config gone" not in page.get(JOBS, "bob").text
    assert "page_gone" not in page.get(JOBS, "bob", state="config gone").text
    assert page.get(f"{JOBS}/{GONE}", "bob").status_code == 403


def test_nothing_is_left_of_a_deleted_dag(page: Page) -> None:
    """A job that was deleted in Airflow looks like one that never was, and the answer says why."""
    reply = page.get(f"{JOBS}/s3copy__deleted")
    assert reply.status_code == 404
    assert "Of a job whose Dag was deleted in Airflow, nothing is left." in words(reply)


def test_a_run_that_is_not_there(page: Page) -> None:
    """A link to a deleted run says so; the job is there."""
    reply = page.get(f"{JOBS}/{MINE}", run_id="deleted")
    assert reply.status_code == 404
    assert "This job has no run with that id." in words(reply)


def test_a_job_shows_the_problems_of_its_file(page: Page, tmp_path: Path) -> None:
    """A file that became invalid says on the job's page what to fix; other jobs don't show it."""
    report(problems_of(write(tmp_path, "version: 9\n", "page_invalid.yaml")))
    text = words(page.get(f"{JOBS}/{INVALID}", "root", "ADMIN"))
    assert "Invalid configs These files make no job until they are fixed" in text
    assert "page_invalid.yaml :1:10 version: must be 1" in text
    assert "must be 1" not in words(page.get(f"{JOBS}/{GONE}", "root", "ADMIN"))
    assert "must be 1" not in words(page.get(f"{JOBS}/{INVALID}", "ida"))


def test_problems_between_jobs_say_that_the_jobs_run(page: Page, tmp_path: Path) -> None:
    """Two jobs that write the same place stay Dags: they are not among the files that make no job."""
    for name in ("twin_a", "twin_b"):
        write(tmp_path, document(), f"{name}.yaml")
    catalog = load_folder(tmp_path)
    assert len(catalog.jobs) == 2
    report(list(catalog.problems))
    text = words(page.get(JOBS, "root", "ADMIN"))
    no_job, between = text.index("These files make no job"), text.index("These jobs keep running")
    assert no_job < text.index("broken.yaml") < between < text.index("twin_b.yaml")
