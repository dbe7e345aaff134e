"""Jobs in a real Airflow: scheduler, Dag processor and API server as processes, tasks in workers."""

from __future__ import annotations

import os
import signal
from threading import Event
from typing import TYPE_CHECKING

from tests.support.s3.proxy import Proxy, Reply, Request
from tests.support.s3.servers import written

if TYPE_CHECKING:
    from tests.support.airflow.jobs import Job, Jobs
    from tests.support.airflow.receivers import Gateway
    from tests.support.airflow.stack import AirflowStack

TEN = {f"data/{i}": b"x" * i for i in range(10)}


def kill_a_batch(airflow: AirflowStack, job: Job, run_id: str) -> None:
    """Kill the process of a copy task, as the kernel does when it is out of memory."""
    running = [
        row
        for row in airflow.tasks(job.dag_id, run_id)
        if (row["task_id"], row["state"]) == ("copy_batch", "running")
    ]
    os.kill(running[0]["pid"], signal.SIGKILL)


def test_thousands_of_objects_survive_a_killed_batch(jobs: Jobs, airflow: AirflowStack) -> None:
    """20 prefixes, 4,000 objects, SIGKILL during a batch: all arrive, and only missing ones go again."""
    objects = {f"data/p{i % 20:02}/{i:05} ü.bin": f"{i}".encode() * (i % 50) for i in range(4_000)}
    job = jobs.make(
        objects,
        direct=True,
        prefixes=[{"source": f"data/p{n:02}/", "destination": f"copy/p{n:02}/"} for n in range(20)],
        transfer={"batch_objects": 1_040, "concurrency": 16, "max_active_batches": 1},
    )
    run_id = job.start()
    airflow.until(lambda: written[job.destination] > 1_250, 180, "copies under way")
    kill_a_batch(airflow, job, run_id)
    run = job.end(run_id, seconds=400)

    assert run.state == "success"
    assert job.copied() == job.expected()
    metrics = run.metrics
    assert metrics["total_files_found"] == metrics["files_copied_successfully"] == 4_000
    assert metrics["total_bytes_transferred"] == sum(map(len, objects.values()))
    assert metrics["files_copied_earlier"] > 100
    assert (metrics["files_failed"], metrics["files_unknown"], metrics["files_skipped"]) == (0, 0, {})
    copies = written[job.destination] - 1  # creating the bucket is a PUT, too
    assert 4_000 <= copies <= 4_000 + 2 * 16, "only missing objects, and those in flight, are copied again"

    again = job.run()
    assert again.state == "success"
    assert written[job.destination] - 1 == copies
    assert again.metrics["files_skipped"] == {"unchanged": 4_000}
    assert again.tasks["copy_batch"] == ["skipped"]
    assert again.tasks["publish"] == ["skipped"]


def test_failed_objects_fail_the_run_with_exact_counts_and_a_second_run_copies_them(
    jobs: Jobs, wire: Proxy, airflow: AirflowStack
) -> None:
    """The other objects are copied; the next run copies the missing ones, and emits an asset event."""
    job = jobs.make(TEN)
    denied = {"copy/3", "copy/7"}
    wire.answer = lambda request: (
        Reply.error(403, "AccessDenied") if request.kind == "CopyObject" and request.key in denied else None
    )
    run = job.run()
    assert run.state == "failed"
    assert run.tasks["summarize"] == ["failed"]
    assert run.tasks["publish"] == ["upstream_failed"]
    assert (run.metrics["files_copied_successfully"], run.metrics["files_failed"]) == (8, 2)
    assert run.metrics["errors_by_code"] == {"AccessDenied": 2}
    assert [error.partition(":")[0] for error in run.metrics["errors"]] == ["data/3", "data/7"]
    assert wire.kinds()["CopyObject"] == 10, "a denied copy is not retried"

    def events() -> list[tuple[str, int]]:
        return [
            (event["uri"], event["extra"]["files_copied_successfully"])
            for event in airflow.get("assets/events", limit=100)["asset_events"]
            if event["source_dag_id"] == job.dag_id
        ]

    assert events() == []
    wire.answer = lambda request: None
    wire.forget()
    fixed = job.run()
    assert fixed.state == "success"
    assert wire.kinds()["CopyObject"] == 2
    assert job.copied() == job.expected()
    assert events() == [(f"s3://{job.destination}/copy", 2)]


def test_transient_failures_are_fixed_by_airflows_retry(jobs: Jobs, wire: Proxy) -> None:
    """A batch that fails with a transient error is retried, and copies only what is missing."""
    job = jobs.make(TEN)
    refused: list[str] = []

    def answer(request: Request) -> Reply | None:
        if request.kind == "CopyObject" and request.key == "copy/5" and len(refused) < 3:
            refused.append(request.key)
            return Reply.error(500, "InternalError")
        return None

    wire.answer = answer
    run = job.run()
    assert run.state == "success"
    assert run.metrics["files_copied_successfully"] == 10
    assert run.metrics["files_failed"] == 0
    assert wire.kinds()["CopyObject"] == 9 + 3 + 1


def test_failed_plan_ends_in_a_failed_run_with_a_summary(jobs: Jobs) -> None:
    """Two sources with the same destination key fail the plan before any copy; the summary has the error."""
    job = jobs.make(
        {"data/a/x": b"1", "data/b/x": b"2"},
        prefixes=[
            {"source": "data/a/", "destination": "copy/"},
            {"source": "data/b/", "destination": "copy/"},
        ],
    )
    run = job.run()
    assert run.state == "failed"
    assert run.tasks["plan"] == ["failed"]
    assert run.metrics["errors_by_code"] == {"DestinationConflict": 1}
    assert run.metrics["errors"][0].startswith("(plan): DestinationConflict")
    assert job.copied() == {}
    assert "would both be written to 'copy/x'" in jobs.airflow.logs(job.dag_id, run.id, "plan")


def test_failed_preflight_ends_in_a_failed_run_with_a_summary(jobs: Jobs) -> None:
    """Preflight reports a missing source, and nothing is copied."""
    job = jobs.make({}, prefixes=[{"source": "typo/", "destination": "copy/"}])
    run = job.run()
    assert run.state == "failed"
    assert run.metrics["errors"][0].startswith("(preflight): NothingFound")
    assert "no object below s3://" in jobs.airflow.logs(job.dag_id, run.id, "preflight")


def test_lost_worker_ends_in_a_failed_run_with_a_summary(
    jobs: Jobs, wire: Proxy, airflow: AirflowStack, gateway: Gateway
) -> None:
    """Objects of a batch that was killed without a retry are unknown, not copied; the others count.

    One message is sent, and its advice fixes the run: the failed tasks are cleared, and copy the rest.
    """
    here = [{"webhook": {"connection": "ops_gateway"}}]
    job = jobs.make(
        TEN,
        transfer={"batch_objects": 5, "concurrency": 1, "max_active_batches": 1},
        failure={"retries": 0},
        notify={"on_failure": here, "on_success": here, "deadline": "1h"},
    )
    reached, killed = Event(), Event()

    def answer(request: Request) -> Reply | None:
        if request.kind == "CopyObject" and request.key == "copy/2" and not killed.is_set():
            reached.set()
            killed.wait(60)
        return None

    wire.answer = answer
    run_id = job.start()
    airflow.until(reached.is_set, 60, "the first copies")
    kill_a_batch(airflow, job, run_id)
    killed.set()
    run = job.end(run_id)
    assert run.state == "failed"
    assert run.tasks["copy_batch"] == ["failed", "success"]
    assert run.metrics["total_files_found"] == 10
    assert run.metrics["files_unknown"] == 5
    assert run.metrics["files_copied_successfully"] == 5
    assert run.metrics["errors_by_code"] == {"BatchLost": 5}

    wire.forget()
    airflow.clear_failed(job.dag_id, run_id)
    fixed = job.end(run_id)
    assert (fixed.state, fixed.metrics["files_copied_successfully"]) == ("success", 10)
    assert wire.kinds()["CopyObject"] <= 4, "what the lost batch had copied is not copied again"
    airflow.until(lambda: len(gateway.of(job.name)) > 1, 30, "two messages")
    failed, succeeded = gateway.of(job.name)
    assert failed["subject"] == f"s3copy {job.name} failed: 5 of 10 objects unknown"
    assert failed["metrics"] == run.metrics
    assert "BatchLost (5): A worker was lost" in failed["text"]
    assert succeeded["subject"] == f"s3copy {job.name} succeeded: 10 of 10 objects copied"
    versions = airflow.get(f"dags/{job.dag_id}/dagVersions")["total_entries"]
    assert versions == 1, "callbacks and deadline give the Dag no new version at every parse"


def test_an_edit_during_a_run_does_not_change_the_run(jobs: Jobs, wire: Proxy, airflow: AirflowStack) -> None:
    """All later tasks use the job that preflight rendered, even if the file has changed."""
    transfer = {"batch_objects": 5, "concurrency": 1, "max_active_batches": 1}
    job = jobs.make(TEN, transfer=transfer)
    planned, edited = Event(), Event()

    def answer(request: Request) -> Reply | None:
        if request.kind == "CopyObject" and not edited.is_set():
            planned.set()
            edited.wait(60)
        return None

    wire.answer = answer
    run_id = job.start()
    airflow.until(planned.is_set, 60, "the first copy")
    job.write(prefixes=[{"source": "data/", "destination": "elsewhere/"}], transfer=transfer)
    edited.set()
    run = job.end(run_id)
    assert run.state == "success"
    assert job.copied() == job.expected()
    assert len(run.tasks["copy_batch"]) == 2


def test_params_choose_prefixes_force_and_dry_run(jobs: Jobs, wire: Proxy) -> None:
    """A user re-runs a part, forces copies, or makes a dry run, without a change of the YAML."""
    job = jobs.make(
        {"data/a/1": b"1", "data/b/2": b"22"},
        prefixes=[
            {"source": "data/a/", "destination": "copy/a/"},
            {"source": "data/b/", "destination": "copy/b/"},
        ],
    )
    dry = job.run(dry_run=True)
    assert (dry.state, dry.metrics["files_skipped"]) == ("success", {"dry_run": 2})
    assert job.copied() == {}

    part = job.run(prefixes=["data/b/"])
    assert part.state == "success"
    assert set(job.copied()) == {"copy/b/2"}

    wire.forget()
    forced = job.run(force=True)
    assert forced.metrics["files_copied_successfully"] == 2
    assert wire.kinds()["CopyObject"] == 2
