"""Mirrors in a real Airflow: a person decides, in time or too late, and a worker is lost in mid-delete.

Such runs wait most of the time. So all of them begin together, and each test judges one of them.
"""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from selenium.webdriver.common.by import By

from s3copy_tasks.dag.airflow_versions import HAS_APPROVALS
from tests.support.airflow.jobs import Jobs
from tests.support.airflow.stack import ADMIN
from tests.support.s3.servers import WRITER, put_many
from tools import browser

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Future

    from selenium.webdriver import Chrome

    from tests.support.airflow.jobs import Job, Run
    from tests.support.airflow.stack import AirflowStack
    from tests.support.s3.proxy import Proxy, Reply, Request
    from tests.support.s3.servers import Endpoint

pytestmark = pytest.mark.skipif(not HAS_APPROVALS, reason="Airflow 3.0 asks no one")

SOURCE = {f"data/{folder}/{i}": b"x" for folder in "ab" for i in range(2)}
COPIES = {"copy/a/0", "copy/a/1", "copy/b/0", "copy/b/1"}
OLD = {f"copy/a/old{i}": b"x" for i in range(3)}
OTHER = {"copy/b/old": b"x"}
LATE = {"copy/a/late": b"x"}
FOLDER = {"delete_folder": "copy/a/", "confirm": "copy/a/"}


@dataclass(frozen=True)
class Ended:
    """A run that has ended, and what its destination had then."""

    run: Run
    keys: set[str]

    @property
    def account(self) -> dict[str, Any]:
        """What the run says of its deletes; each extraneous object has one ending."""
        found: dict[str, Any] = self.run.metrics["deletions"]
        for counts in (found, *found["groups"]):
            outcomes = [counts[name] for name in ("deleted", "gone", "failed", "unknown")]
            assert counts["extraneous"] == sum(outcomes) + sum(counts["kept"].values())
        return found

    def is_kept(self, objects: int) -> bool:
        """Say whether the run has deleted nothing of so many objects, because that was not approved."""
        kept = {"refused": objects}
        assert "it was not approved" in self.account["refused"]
        return (self.run.state, self.account["deleted"], self.account["kept"]) == ("failed", 0, kept)


@dataclass(frozen=True)
class Mirrors:
    """Makes mirrors with separate buckets, and answers for their approver."""

    airflow: AirflowStack
    server: Endpoint
    wire: Proxy
    jobs: Jobs

    def make(self, fields: dict[str, Any] | None = None, **mirror: Any) -> Job:
        """Return a mirror that asks above its limits, with changes; its destination has four old objects."""
        limits = {"max_deleted_objects": 1, "max_deleted_percent": 100, "approval": "above_caps"}
        job = self.jobs.make(SOURCE, mirror=limits | mirror, **{"failure": {"retries": 0}} | (fields or {}))
        self.server.client(WRITER).put_bucket_versioning(
            Bucket=job.destination, VersioningConfiguration={"Status": "Enabled"}
        )
        put_many(job.destination, OLD | OTHER)
        return job

    def find_waiting(self, job: Job, run_id: str) -> dict[str, Any] | None:
        """Return the task that waits: up to 3.2 it is deferred, then that has a state of its own."""
        waiting = {("approve", "deferred"), ("approve", "awaiting_input")}
        rows = self.airflow.tasks(job.dag_id, run_id)
        return next((row for row in rows if (row["task_id"], row["state"]) in waiting), None)

    def wait_for_question(self, job: Job, run_id: str) -> list[str]:
        """Return the options of a run once it waits for the answer."""
        found: list[dict[str, Any] | None] = []

        def waits() -> bool:
            found[:] = [self.find_waiting(job, run_id)]
            return found[0] is not None

        self.airflow.until(waits, 240, "a question")
        assert found[0] is not None
        self.airflow.wait_for_exit(found[0]["pid"])
        (question,) = self.airflow.get(f"dags/{job.dag_id}/dagRuns/{run_id}/hitlDetails")["hitl_details"]
        options: list[str] = question["options"]
        return options

    def answer(self, job: Job, run_id: str, option: str) -> None:
        """Answer as the form in the UI does, once the run waits."""
        self.wait_for_question(job, run_id)
        path = f"/api/v2/dags/{job.dag_id}/dagRuns/{run_id}/taskInstances/approve/-1/hitlDetails"
        reply = self.airflow.http.patch(path, json={"chosen_options": [option], "params_input": {}})
        reply.raise_for_status()

    def clear(self, job: Job, run_id: str, task: str) -> None:
        """Clear a task and what is downstream."""
        body = {
            "dry_run": False,
            "dag_run_id": run_id,
            "task_ids": [task],
            "include_downstream": True,
            "only_failed": False,
            "reset_dag_runs": True,
        }
        reply = self.airflow.http.post(f"/api/v2/dags/{job.dag_id}/clearTaskInstances", json=body)
        reply.raise_for_status()

    def end(self, job: Job, run_id: str) -> Ended:
        """Wait for a run."""
        return Ended(job.end(run_id), set(job.copied()))


def delete_a_folder(mirrors: Mirrors) -> list[Ended]:
    """Start by the form and approve in the browser; then Keep; then the old answer to a new plan."""
    job = mirrors.make(max_deleted_objects=10, delete_folder=True)
    if browser.missing():
        run_id = job.start(**FOLDER)
        option = mirrors.wait_for_question(job, run_id)[0]
        mirrors.answer(job, run_id, option)
    else:
        run_id, option = approve_in_browser(mirrors, job)
    approved = mirrors.end(job, run_id)
    put_many(job.destination, OLD)
    mirrors.clear(job, run_id, "approve")
    mirrors.answer(job, run_id, "Keep")
    kept = mirrors.end(job, run_id)
    put_many(job.destination, LATE)
    mirrors.clear(job, run_id, "plan")
    mirrors.answer(job, run_id, option)
    return [approved, kept, mirrors.end(job, run_id)]


def approve_in_browser(mirrors: Mirrors, job: Job) -> tuple[str, str]:
    """Start a run by the form, and answer where our page leads; return its id and the answer."""
    airflow, runs = mirrors.airflow, f"dags/{job.dag_id}/dagRuns"
    airflow.wait_for_dag(job.dag_id)
    with browser.running() as chromium:
        log_in(airflow, chromium)
        start_by_form(airflow, chromium, job)
        airflow.until(lambda: bool(airflow.get(runs)["dag_runs"]), 30, "a run")
        run_id = airflow.get(runs)["dag_runs"][0]["dag_run_id"]
        option = mirrors.wait_for_question(job, run_id)[0]
        chromium.get(f"{airflow.url}/s3copy/jobs/{job.dag_id}?run_id={quote(run_id, safe='')}")
        chromium.find_element(By.LINK_TEXT, "answer in Airflow").click()
        chromium.find_element(By.XPATH, f"//button[normalize-space()='{option}']").click()
        airflow.until(lambda: mirrors.find_waiting(job, run_id) is None, 30, "an answer")
    return run_id, option


def log_in(airflow: AirflowStack, chromium: Chrome) -> None:
    chromium.get(f"{airflow.url}/plugin/s3copy")
    chromium.find_element(By.NAME, "username").send_keys(ADMIN)
    chromium.find_element(By.NAME, "password").send_keys(airflow.passwords[ADMIN])
    chromium.find_element(By.CSS_SELECTOR, "button[type=submit]").click()
    chromium.find_element(By.CSS_SELECTOR, "iframe[title='Copy jobs']")


def start_by_form(airflow: AirflowStack, chromium: Chrome, job: Job) -> None:
    button = "//button[contains(normalize-space(), 'Trigger')]"
    chromium.get(f"{airflow.url}/dags/{job.dag_id}")
    chromium.find_element(By.XPATH, button).click()
    for name, value in FOLDER.items():
        chromium.find_element(By.NAME, f"element_{name}").send_keys(value)
    chromium.find_elements(By.XPATH, button)[-1].click()


def answer_an_old_question(mirrors: Mirrors) -> list[Ended]:
    """Clear from `plan` when more is extraneous, before any answer; Airflow shows the question as it was."""
    job = mirrors.make()
    run_id = job.start()
    option = mirrors.wait_for_question(job, run_id)[0]
    put_many(job.destination, LATE)
    mirrors.clear(job, run_id, "plan")
    mirrors.answer(job, run_id, option)
    return [mirrors.end(job, run_id)]


def give_no_answer(mirrors: Mirrors) -> list[Ended]:
    """Start a run that deletes a folder by the API, and do not answer."""
    job = mirrors.make(max_deleted_objects=10, delete_folder=True, answer_within="1s")
    return [mirrors.end(job, job.start(**FOLDER))]


def lose_a_worker(mirrors: Mirrors) -> list[Ended]:
    """Kill the process that deletes, in the middle of a run of one folder."""
    once = {"failure": {"retries": 1}, "transfer": {"concurrency": 1}}
    job = mirrors.make(once, max_deleted_objects=10, approval="never")
    deletes: list[Request] = []
    reached, killed = Event(), Event()

    def hold(request: Request) -> Reply | None:
        if request.kind == "DeleteObject" and request.target.startswith(f"/{job.destination}/"):
            deletes.append(request)
            if len(deletes) == len(OLD) - 1:
                reached.set()
                killed.wait(120)
        return None

    mirrors.wire.answer = hold
    run_id = job.start(folder="a/")
    mirrors.airflow.until(reached.is_set, 240, "deletes")
    rows = mirrors.airflow.tasks(job.dag_id, run_id)
    (batch,) = [row for row in rows if row["task_id"] == "delete_batch"]
    os.kill(batch["pid"], signal.SIGKILL)
    killed.set()
    return [mirrors.end(job, run_id)]


@pytest.fixture(scope="module")
def stories(airflow: AirflowStack, server: Endpoint, wire: Proxy) -> Iterator[dict[Any, Future[list[Ended]]]]:
    """The runs of each function above, which began at the same time."""
    mirrors = Mirrors(airflow, server, wire, Jobs(airflow, server, Path(airflow.config_dir)))
    tales: list[Callable[[Mirrors], list[Ended]]] = [
        delete_a_folder,
        answer_an_old_question,
        give_no_answer,
        lose_a_worker,
    ]
    with ThreadPoolExecutor(len(tales)) as pool:
        yield {tale: pool.submit(tale, mirrors) for tale in tales}
    wire.answer = lambda request: None
    mirrors.jobs.remove()


def test_a_lost_worker_ends_in_a_complete_account(stories: dict[Any, Future[list[Ended]]]) -> None:
    """Airflow's retry deletes the rest of the folder, and nothing else; all of it is counted."""
    (ended,) = stories[lose_a_worker].result()
    assert (ended.run.state, ended.keys) == ("success", {"copy/a/0", "copy/a/1", *OTHER})
    assert ended.account["extraneous"] == ended.account["deleted"] + ended.account["gone"] == len(OLD)
    assert (ended.account["gone"] > 0, ended.account["at_least"]) == (True, True)


def test_no_answer_in_time_deletes_nothing(stories: dict[Any, Future[list[Ended]]]) -> None:
    """The run ends by itself, and says so."""
    (ended,) = stories[give_no_answer].result()
    assert ended.is_kept(len(OLD))
    assert ended.keys == {*OLD, *OTHER}


def test_the_answer_to_an_old_question_deletes_nothing(stories: dict[Any, Future[list[Ended]]]) -> None:
    """Whoever approved three objects has not approved five."""
    (ended,) = stories[answer_an_old_question].result()
    assert ended.is_kept(len(OLD) + 2)
    assert ended.keys == {*COPIES, *OLD, *OTHER, *LATE}


def test_what_a_person_approves_is_deleted_once(stories: dict[Any, Future[list[Ended]]]) -> None:
    """With nothing to copy; neither Keep, later, nor the old answer to a new plan deletes anything more."""
    approved, kept, old_question = stories[delete_a_folder].result()
    assert (approved.run.state, approved.account["deleted"], approved.keys) == ("success", len(OLD), {*OTHER})
    assert approved.account["errors"] == []
    assert kept.keys == {*OLD, *OTHER}
    assert (kept.run.state, "it was not approved" in kept.account["refused"]) == ("failed", True)
    assert old_question.is_kept(len(OLD) + 1)
    assert old_question.keys == {*OLD, *OTHER, *LATE}
