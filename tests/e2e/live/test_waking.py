"""A job that its queue starts, in a complete Airflow with its triggerer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.s3.queues import EventQueue
from tests.support.s3.servers import READER

if TYPE_CHECKING:
    from tests.support.airflow.jobs import Job, Jobs
    from tests.support.airflow.stack import AirflowStack
    from tests.support.s3.proxy import Proxy
    from tests.support.s3.servers import Endpoint

OBJECTS = 15
POLL = "AmazonSQS.GetQueueAttributes"


def polls(wire: Proxy) -> int:
    return sum(request.headers.get("x-amz-target") == POLL for request in wire.requests)


def runs(airflow: AirflowStack, job: Job) -> list[dict[str, Any]]:
    """Return the runs of a job, the first one first."""
    found: list[dict[str, Any]] = airflow.get(f"dags/{job.dag_id}/dagRuns", order_by="id")["dag_runs"]
    return found


def starters(airflow: AirflowStack, job: Job, run: dict[str, Any]) -> list[str | None]:
    """Return the Dags whose events have started a run; None stands for the triggerer."""
    path = f"dags/{job.dag_id}/dagRuns/{run['dag_run_id']}/upstreamAssetEvents"
    return [event["source_dag_id"] for event in airflow.get(path)["asset_events"]]


@pytest.mark.needs("queues")
def test_a_written_object_starts_a_run_and_a_full_run_the_next(
    jobs: Jobs, airflow: AirflowStack, server: Endpoint, wire: Proxy
) -> None:
    """An idle queue starts no run, an object that is written does; then each run that is full starts one."""
    queue = EventQueue(server)
    changes: dict[str, Any] = {
        "schedule": {"queue": True},
        "from": {"queue": wire.url + queue.path},
        "transfer": {"batch_objects": 10, "max_active_batches": 1},
    }
    job = jobs.make({}, **changes)
    queue.follow(job.source)
    airflow.wait_for_dag(job.dag_id)
    airflow.until(lambda: polls(wire) > 1, 60, "second reading of the queue")
    assert runs(airflow, job) == []

    source = server.client(READER)
    for number in range(OBJECTS):
        source.put_object(Bucket=job.source, Key=f"data/{number}", Body=b"x")
    airflow.until(lambda: len(job.copied()) == OBJECTS, 120, "copies of all objects")
    airflow.until(lambda: runs(airflow, job)[-1]["state"] == "success", 60, "end of the last run")
    first, second, *_ = runs(airflow, job)  # after a minute the triggerer may start one more
    assert starters(airflow, job, first) == [None]
    assert starters(airflow, job, second) == [job.dag_id]
    assert job.copied() == job.expected()
    assert queue.state() == (0, 0)
