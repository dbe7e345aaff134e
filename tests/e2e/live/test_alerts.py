"""Notifications of a complete Airflow, with its triggerer."""

from __future__ import annotations

from threading import Event
from typing import TYPE_CHECKING

from tests.support.s3.proxy import Reply, Request

if TYPE_CHECKING:
    from tests.support.airflow.jobs import Jobs
    from tests.support.airflow.receivers import Gateway
    from tests.support.airflow.stack import AirflowStack
    from tests.support.s3.proxy import Proxy

TEN = {f"data/{i}": b"x" * i for i in range(10)}
HERE = [{"webhook": {"connection": "ops_gateway"}}]


def test_a_late_run_is_reported_and_goes_on(
    jobs: Jobs, wire: Proxy, airflow: AirflowStack, gateway: Gateway
) -> None:
    """The triggerer reports a run that has not ended in time; the run is not affected."""
    job = jobs.make(TEN, notify={"on_failure": HERE, "deadline": "3s"})
    reported = Event()

    def answer(request: Request) -> Reply | None:
        if request.kind == "CopyObject":
            reported.wait(120)
        return None

    wire.answer = answer
    run_id = job.start()
    try:
        airflow.until(lambda: len(gateway.of(job.name)) > 0, 100, "a message")
    finally:
        reported.set()
    run = job.end(run_id)
    assert run.state == "success"
    (late,) = gateway.of(job.name)
    assert late["state"] == "late"
    assert late["subject"] == f"s3copy {job.name} is late: not finished 0:00:03 after it was queued"
    assert late["run_id"] == run_id
    assert f"Copies: s3://{job.source}/data/ > s3://{job.destination}/copy/" in late["text"]
