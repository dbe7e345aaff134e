"""Invalid configs in a running Airflow: they are reported with their place, and remove no other job.

The Dag processor reads both files of dags/ every 5 seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.support.airflow.jobs import Job, Jobs
    from tests.support.airflow.stack import AirflowStack

TEN = {f"data/{i}": b"x" * i for i in range(10)}
BROKEN = """\
version: 1
source: {bucket: ops-granules}
destination:
  buckt: partner-granules
objects:
  - source: a
    destination: b
"""
MISNAMED = """\
broken.yaml:4:3: destination: unknown field 'buckt'. Did you mean 'bucket'? [unknown-field]
     4 |   buckt: partner-granules
       |   ^
"""
OUT_OF_RANGE = """\
_defaults.yaml:3:16: transfer.concurrency: must be at least 1 [out-of-range]
     3 |   concurrency: 0
       |                ^
"""
SECONDS = 60


class Errors:
    """Airflow's import errors, from its REST API."""

    def __init__(self, airflow: AirflowStack) -> None:
        self._airflow = airflow

    def report(self) -> str:
        """Return the report of the reporter; no other file may have an error."""
        errors = self._airflow.get("importErrors")["import_errors"]
        assert {error["filename"].rpartition("/")[2] for error in errors} <= {"s3copy_config_errors.py"}
        return "".join(error["stack_trace"] for error in errors)

    def until(self, condition: Callable[[str], bool], what: str) -> str:
        """Wait until the report meets a condition, and return it."""
        self._airflow.until(lambda: condition(self.report()), SECONDS, what)
        return self.report()


@pytest.fixture
def errors(jobs: Jobs, airflow: AirflowStack) -> Iterator[Errors]:
    """The errors of one test: there are none before, and none after its files are deleted."""
    found = Errors(airflow)
    found.until(lambda report: not report, "folder without problems")
    yield found
    jobs.remove()
    found.until(lambda report: not report, "folder without problems")


def dags(airflow: AirflowStack) -> set[str]:
    """Return the Dags that are not stale."""
    return {dag["dag_id"] for dag in airflow.get("dags", limit=100)["dags"]}


def last_parsed(airflow: AirflowStack, job: Job) -> str:
    """Return when the Dag processor last parsed a job's Dag; an invalid config has none."""
    return str(airflow.get(f"dags/{job.dag_id}")["last_parsed_time"])


def wait_for_dags(airflow: AirflowStack, *made: Job) -> None:
    for job in made:
        airflow.wait_for_dag(job.dag_id)


def test_invalid_configs_beside_ten_valid_ones(jobs: Jobs, airflow: AirflowStack, errors: Errors) -> None:
    """One is invalid from the start, one becomes invalid during a run: both are reported, the ten go on."""
    made = [jobs.make(TEN) for _ in range(10)]
    breaking = jobs.make(TEN)
    wait_for_dags(airflow, *made, breaking)
    jobs.write("broken.yaml", BROKEN)
    report = errors.until(bool, "the report")
    assert f"{jobs.folder}/{MISNAMED}" in report
    assert report.count(f"{jobs.folder}/") == 2, "the unknown field, and the missing one"

    run_id = made[0].start()
    breaking.write(overwrite="newer")
    report = errors.until(lambda report: breaking.name in report, "both in the report")
    assert MISNAMED in report
    assert "overwrite: must be one of: always, changed, never; but is the text 'newer'" in report
    assert not [job.name for job in made if f"/{job.name}.yaml" in report]
    reported = last_parsed(airflow, breaking)
    run = made[0].end(run_id)
    assert (run.state, run.metrics["files_copied_successfully"]) == ("success", 10)
    assert made[0].copied() == made[0].expected()
    airflow.until(
        lambda: min(last_parsed(airflow, job) for job in made) > reported, SECONDS, "ten Dags parsed again"
    )

    jobs.write("broken.yaml", BROKEN.replace("buckt", "bucket"))
    breaking.write()
    airflow.wait_for_dag("s3copy__broken")
    errors.until(lambda report: not report, "the fix")
    assert {job.dag_id for job in (*made, breaking)} <= dags(airflow)


def test_invalid_defaults_are_reported_in_their_own_file(
    jobs: Jobs, airflow: AirflowStack, errors: Errors
) -> None:
    """The problem is in _defaults.yaml, so it is reported once, for that file."""
    made = [jobs.make(TEN) for _ in range(2)]
    jobs.write("_defaults.yaml", "owner: data-ops\ntransfer:\n  concurrency: 0\n")
    report = errors.until(bool, "the report")
    assert f"{jobs.folder}/{OUT_OF_RANGE}" in report
    assert report.count("_defaults.yaml:") == 1

    (jobs.folder / "_defaults.yaml").write_text("owner: data-ops\n")
    errors.until(lambda report: not report, "the fix")
    wait_for_dags(airflow, *made)
    airflow.until(
        lambda: airflow.get(f"dags/{made[0].dag_id}")["owners"] == ["data-ops"], SECONDS, "the defaults"
    )


def test_two_jobs_that_write_to_the_same_place_are_reported_and_run(
    jobs: Jobs, airflow: AirflowStack, errors: Errors
) -> None:
    """A conflict between jobs removes no Dag: both stay, and run; another place for one of them solves it."""
    first, second = jobs.make(TEN), jobs.make(TEN)
    target = {"bucket": first.destination, "connection": "aws_destination"}
    second.write(destination=target)
    runs = [(job, job.start()) for job in (first, second)]
    report = errors.until(bool, "the report")
    assert f"the job {first.name!r} also writes s3://{first.destination}/copy/" in report
    assert "[jobs-write-same]" in report
    assert [job.end(run_id).state for job, run_id in runs] == ["success", "success"]
    assert {first.dag_id, second.dag_id} <= dags(airflow)

    second.write(destination=target, prefixes=[{"source": "data/", "destination": "elsewhere/"}])
    errors.until(lambda report: not report, "the fix")
