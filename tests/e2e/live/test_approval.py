"""A person approves deletes in a real Airflow: the answer decides, for the plan that was asked about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from selenium.webdriver.common.by import By

from s3copy_tasks.dag.airflow_versions import HAS_APPROVALS
from tests.support.airflow.stack import ADMIN
from tests.support.s3.servers import WRITER, put_many
from tools import browser

if TYPE_CHECKING:
    from tests.support.airflow.jobs import Job, Jobs, Run
    from tests.support.airflow.stack import AirflowStack
    from tests.support.s3.servers import Endpoint

pytestmark = pytest.mark.skipif(not HAS_APPROVALS, reason="Airflow 3.0 asks no one")

SOURCE = {f"data/{i}": b"x" for i in range(4)}
OLD = {f"copy/old{i}": b"x" for i in range(3)}


@pytest.fixture
def mirror(jobs: Jobs, server: Endpoint) -> Job:
    """A mirror that asks above its limits: three objects are extraneous, and the limit is one."""
    limits = {"max_deleted_objects": 1, "max_deleted_percent": 100, "approval": "above_caps"}
    job = jobs.make(SOURCE, mirror=limits, failure={"retries": 0})
    server.client(WRITER).put_bucket_versioning(
        Bucket=job.destination, VersioningConfiguration={"Status": "Enabled"}
    )
    put_many(job.destination, OLD)
    return job


def is_waiting(airflow: AirflowStack, job: Job, run_id: str) -> bool:
    """Say whether a run waits: up to 3.2 its task is deferred, then it has a state of its own."""
    waiting = {("approve", "deferred"), ("approve", "awaiting_input")}
    return any((row["task_id"], row["state"]) in waiting for row in airflow.tasks(job.dag_id, run_id))


def wait_for_question(airflow: AirflowStack, job: Job, run_id: str) -> dict[str, Any]:
    """Return the question of a run once it waits for the answer."""
    found: list[dict[str, Any]] = []

    def asked() -> bool:
        path = f"dags/{job.dag_id}/dagRuns/{run_id}/hitlDetails"
        found[:] = airflow.get(path)["hitl_details"] if is_waiting(airflow, job, run_id) else []
        return bool(found)

    airflow.until(asked, 120, "a question")
    return found[0]


def answer(airflow: AirflowStack, job: Job, run_id: str, option: str) -> None:
    """Answer as the form in the UI does."""
    path = f"/api/v2/dags/{job.dag_id}/dagRuns/{run_id}/taskInstances/approve/-1/hitlDetails"
    reply = airflow.http.patch(path, json={"chosen_options": [option], "params_input": {}})
    reply.raise_for_status()


def answer_in_browser(airflow: AirflowStack, job: Job, run_id: str, option: str) -> None:
    """Log in, follow the link of the page that shows the run, and click."""
    with browser.running() as chromium:
        chromium.get(f"{airflow.url}/plugin/s3copy")
        chromium.find_element(By.NAME, "username").send_keys(ADMIN)
        chromium.find_element(By.NAME, "password").send_keys(airflow.passwords[ADMIN])
        chromium.find_element(By.CSS_SELECTOR, "button[type=submit]").click()
        chromium.find_element(By.CSS_SELECTOR, "iframe[title='Copy jobs']")
        chromium.get(f"{airflow.url}/s3copy/jobs/{job.dag_id}?run_id={quote(run_id, safe='')}")
        chromium.find_element(By.LINK_TEXT, "answer in Airflow").click()
        chromium.find_element(By.XPATH, f"//button[normalize-space()='{option}']").click()
        airflow.until(lambda: not is_waiting(airflow, job, run_id), 30, "an answer")


def clear(airflow: AirflowStack, job: Job, run_id: str, task: str) -> None:
    """Clear a task and what is downstream."""
    body = {
        "dry_run": False,
        "dag_run_id": run_id,
        "task_ids": [task],
        "include_downstream": True,
        "only_failed": False,
        "reset_dag_runs": True,
    }
    reply = airflow.http.post(f"/api/v2/dags/{job.dag_id}/clearTaskInstances", json=body)
    reply.raise_for_status()


def deletions(run: Run) -> dict[str, Any]:
    found: dict[str, Any] = run.metrics["deletions"]
    return found


def test_approved(mirror: Job, airflow: AirflowStack) -> None:
    """The option names the number; what was approved is deleted, and nothing else."""
    run_id = mirror.start()
    question = wait_for_question(airflow, mirror, run_id)
    option, keep = question["options"]
    assert (option.startswith("Delete 3 (plan "), keep) == (True, "Keep")
    give_answer = answer if browser.missing() else answer_in_browser
    give_answer(airflow, mirror, run_id, option)
    run = mirror.end(run_id)
    found = deletions(run)
    assert (run.state, found["refused"], found["errors"], found["deleted"]) == ("success", None, [], 3)
    assert mirror.copied() == mirror.expected()


def test_the_answer_to_an_old_question_deletes_nothing(mirror: Job, airflow: AirflowStack) -> None:
    """Cleared from `plan`, more is extraneous now; Airflow shows the old question, whose answer is Keep."""
    run_id = mirror.start()
    option = wait_for_question(airflow, mirror, run_id)["options"][0]
    put_many(mirror.destination, {"copy/late": b"x"})
    clear(airflow, mirror, run_id, "plan")
    airflow.until(lambda: not is_waiting(airflow, mirror, run_id), 60, "a cleared task")
    wait_for_question(airflow, mirror, run_id)
    answer(airflow, mirror, run_id, option)
    run = mirror.end(run_id)
    assert run.state == "failed"
    assert (deletions(run)["deleted"], deletions(run)["extraneous"]) == (0, 4)
    assert "not approved" in deletions(run)["refused"]
    assert {*OLD, "copy/late"} <= set(mirror.copied())
