"""A job with a queue as a Dag: what it copies, deletes from the queue and reports, over HTTP."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from s3copy_tasks.dag.factory import build_dag
from tests.support.builders.documents import document, job_of, write
from tests.support.s3.queues import EventQueue, notify, record

if TYPE_CHECKING:
    from pathlib import Path

    from s3copy_tasks.config.job import CopyJob
    from tests.integration.conftest import DagResult, RunDag
    from tests.support.s3.proxy import Proxy
    from tests.support.s3.servers import Endpoint
    from tests.support.s3.sides import Sides

pytestmark = [
    pytest.mark.needs("queues"),
    pytest.mark.parametrize("database", ["sqlite"], indirect=True, scope="module"),
]


@dataclass
class Changed:
    """A queue with the events of three objects."""

    sides: Sides
    proxy: Proxy
    queue: EventQueue
    folder: Path

    def __post_init__(self) -> None:
        for key in ("a", "b", "c"):
            self.sides.put(f"data/{key}", b"x")
        self.send_events()

    def send_events(self) -> None:
        """Send an event for each object."""
        self.queue.send(notify(record(self.sides.source_bucket, f"data/{key}")) for key in "abc")

    def job(self, source: str = "data/", *, schedule_queue: bool = False, **failure: int) -> CopyJob:
        """Return the job, whose batch is full once it has found three objects."""
        content = document(
            failure={"retries": 0, **failure},
            prefixes=[{"source": source, "destination": "copy/"}],
            transfer={"batch_objects": 3},
        )
        sides = self.sides.job()
        return replace(
            job_of(write(self.folder, content)),
            source=sides.source,
            destination=sides.destination,
            keys_from=self.queue.at(self.proxy.url, sides.source),
            schedule_queue=schedule_queue,
        )

    def receives(self) -> int:
        """Return the number of requests that ask for a message: preflight asks for none."""
        bodies = [
            one.body
            for one in self.proxy.requests
            if one.headers.get("x-amz-target") == "AmazonSQS.ReceiveMessage"
        ]
        assert bodies
        return sum(b'"MaxNumberOfMessages": 0' not in body for body in bodies)


@pytest.fixture
def changed(sides: Sides, proxy: Proxy, server: Endpoint, tmp_path: Path) -> Changed:
    return Changed(sides, proxy, EventQueue(server), tmp_path)


def check_law(metrics: dict[str, Any]) -> None:
    """Found = copied + skipped + failed + vanished + unknown; received = deleted + left."""
    fates = ("copied_successfully", "failed", "vanished", "unknown")
    counted = sum(metrics[f"files_{fate}"] for fate in fates) + sum(metrics["files_skipped"].values())
    assert metrics["total_files_found"] == counted
    assert metrics["queue"]["received"] == metrics["queue"]["deleted"] + metrics["queue"]["left"]


def test_events_become_copies(changed: Changed, run_dag: RunDag, log_events: list[dict[str, Any]]) -> None:
    """What the messages name is copied, and then the messages are gone."""
    done = run_dag(build_dag(changed.job()))
    metrics = done.xcom("summarize", "metrics")
    assert (done.state, set(changed.sides.copied())) == ("success", {"copy/a", "copy/b", "copy/c"})
    assert (metrics["files_copied_successfully"], metrics["files_verified"]) == (3, 3)
    check_law(metrics)
    queue = metrics["queue"]
    assert [queue[name] for name in ("waiting", "received", "deleted", "left")] == [3, 3, 3, 0]
    assert (queue["at_least"], queue["oldest_seconds"] >= 0) == (False, True)
    assert changed.queue.state() == (0, 0)
    logged = {line["event"]: line for line in log_events}
    assert (logged["queue found"]["waiting"], logged["messages waiting"]["batches"]) == (3, 1)
    assert "no redrive policy" in logged["queue"]["remark"]


def events_of(done: DagResult) -> list[str]:
    """Return the URIs of the assets that a run has updated."""
    from airflow.models.asset import AssetEvent  # noqa: PLC0415 - slow
    from airflow.utils.session import create_session  # noqa: PLC0415

    with create_session() as session:
        events = session.query(AssetEvent).filter(AssetEvent.source_run_id == done.run_id)
        return sorted(event.asset.uri for event in events)


@pytest.mark.one_server
def test_a_full_run_starts_the_next(changed: Changed, run_dag: RunDag) -> None:
    """It is an event of the queue's asset, also if nothing was copied."""
    job = changed.job(schedule_queue=True)
    assert job.queue
    queue, copied = job.queue.asset, f"s3://{changed.sides.destination_bucket}/copy"
    assert events_of(run_dag(build_dag(job))) == [copied, queue]

    changed.send_events()
    unchanged = run_dag(build_dag(job))
    assert (events_of(unchanged), unchanged.states["publish", -1]) == ([queue], "success")


@pytest.mark.one_server
def test_a_full_run_that_deletes_nothing_starts_none(
    changed: Changed, run_dag: RunDag, server: Endpoint
) -> None:
    """Else messages that can't be read would start run after run, if the job tolerates failures."""
    changed.queue = EventQueue(server)
    changed.queue.send(["not JSON"] * 3)
    done = run_dag(build_dag(changed.job(schedule_queue=True, max_failed_objects=3)))
    queue = done.xcom("summarize", "metrics")["queue"]
    assert (done.state, queue["may_wait"], queue["deleted"]) == ("success", True, 0)
    assert (events_of(done), done.states["publish", -1]) == ([], "skipped")


def test_a_typo_in_the_prefix(changed: Changed, run_dag: RunDag) -> None:
    """The run is red, names the first key and the prefix, and no message is gone."""
    done = run_dag(build_dag(changed.job("dota/")))
    metrics = done.xcom("summarize", "metrics")
    assert (done.state, changed.sides.copied()) == ("failed", {})
    assert metrics["errors_by_code"] == {"NothingInScope": 1}
    assert "'dota/'" in metrics["errors"][0]
    assert "data/a" in metrics["errors"][0]
    check_law(metrics)
    assert (metrics["queue"]["received"], metrics["queue"]["deleted"]) == (3, 0)
    assert sum(changed.queue.state()) == 3


@pytest.mark.one_server
def test_a_dry_run_receives_nothing(changed: Changed, run_dag: RunDag) -> None:
    """It is green, and says how many messages wait."""
    done = run_dag(build_dag(changed.job()), {"dry_run": True})
    metrics = done.xcom("summarize", "metrics")
    assert (done.state, metrics["queue"]["waiting"], metrics["queue"]["received"]) == ("success", 3, 0)
    assert (changed.receives(), changed.queue.state(), changed.sides.copied()) == (0, (3, 0), {})
