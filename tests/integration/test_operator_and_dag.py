"""The same copy by the operator and by the Dag of a YAML file: same metrics and same log lines."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk import DAG

from s3copy_tasks.dag.factory import build_dag
from tests.support.airflow.operators import make_operator
from tests.support.builders.documents import document, job_of, write
from tests.support.s3.proxy import Reply

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import DagResult, RunDag
    from tests.support.s3.proxy import Proxy
    from tests.support.s3.sides import Sides

PROMISED = {
    "operation started",
    "objects discovered",
    "batch started",
    "batch finished",
    "object failed",
    "operation completed",
    "operation failed",
}
METRICS = {
    "operation_id",
    "duration_seconds",
    "total_files_found",
    "files_copied_successfully",
    "files_failed",
    "total_bytes_transferred",
    "objects_per_second",
    "bytes_per_second",
    "requests_by_kind",
    "latency_seconds",
    "limited_by",
    "cost_usd",
    "errors",
    "job",
    "config_digest",
    "dry_run",
}
# What differs between any two runs, such as the number of requests in flight.
OF_THE_RUN = {
    "operation_id",
    "start_time",
    "end_time",
    "duration_seconds",
    "job",
    "config_digest",
    "peak_in_flight",
    "latency_seconds",
    "limited_by",
    "objects_per_second",
    "bytes_per_second",
    "cost_usd",
    "requests",
}
LISTING = "ListObjectsV2"


@dataclass
class Report:
    """What a run reports, at all places."""

    state: str
    returned: Any
    pushed: dict[str, Any]
    entries: list[dict[str, Any]]
    batches: list[dict[str, Any]]
    lines: list[dict[str, Any]]

    @classmethod
    def of_task(cls, done: DagResult, task_id: str, lines: list[dict[str, Any]]) -> Report:
        def pulled(key: str) -> Any:
            return done.xcom(task_id, key)

        return cls(
            state=done.state,
            returned=pulled("return_value"),
            pushed=pulled("metrics"),
            entries=pulled("entries"),
            batches=pulled("batches"),
            lines=lines.copy(),
        )

    def of(self, event: str) -> list[dict[str, Any]]:
        """Return the fields of every line of an event."""
        return [
            {name: value for name, value in line.items() if name not in {"event", "level"}}
            for line in self.lines
            if line["event"] == event
        ]

    @property
    def fields(self) -> dict[str, set[str]]:
        """The names of the fields of each promised event."""
        return {event: set().union(*self.of(event)) for event in PROMISED if self.of(event)}

    @property
    def comparable(self) -> dict[str, Any]:
        """The metrics without what differs between runs, and without listings: each batch of a Dag lists."""
        kinds = {kind: sent for kind, sent in self.pushed["requests_by_kind"].items() if kind != LISTING}
        same = {name: value for name, value in self.pushed.items() if name not in OF_THE_RUN}
        return {**same, "requests_by_kind": kinds}

    @property
    def listings(self) -> int:
        """Pages of listings that were requested."""
        return int(self.pushed["requests_by_kind"][LISTING])


def by_operator(
    sides: Sides, run_dag: RunDag, lines: list[dict[str, Any]], *, batch_size: int = 100
) -> Report:
    with DAG("by_operator", schedule=None) as dag:
        make_operator(sides, destination_key="by-operator/", batch_size=batch_size)
    lines.clear()
    done = run_dag(dag)
    return Report.of_task(done, "copy", lines)


def by_yaml(
    sides: Sides, run_dag: RunDag, lines: list[dict[str, Any]], folder: Path, *, batch_size: int = 100
) -> Report:
    job = document(
        source={"bucket": sides.source_bucket, "connection": "aws_source"},
        destination={"bucket": sides.destination_bucket, "connection": "aws_destination"},
        prefixes=[{"source": "data/", "destination": "by-yaml/"}],
        overwrite="always",
        transfer={"batch_objects": batch_size, "concurrency": 8},
        failure={"retries": 0},
    )
    dag = build_dag(job_of(write(folder, job)))
    lines.clear()
    done = run_dag(dag)
    return Report.of_task(done, "summarize", lines)


def assert_adds_up(run: Report) -> None:
    """Check that entries add up to the run, and batches to its copied objects."""
    for name in ("total_files_found", "files_copied_successfully", "files_failed", "total_bytes_transferred"):
        assert sum(one[name] for one in run.entries) == run.pushed[name]
    assert sum(sum(one["requests_by_kind"].values()) for one in run.entries) == run.pushed["requests"]
    assert (
        sum(one["files_copied_successfully"] for one in run.batches)
        == (run.pushed["files_copied_successfully"])
    )
    assert [one["batch"] for one in run.batches] == list(range(len(run.batches)))
    assert [one["entry"] for one in run.entries] == ["prefixes[0]"]


def test_a_copy(sides: Sides, run_dag: RunDag, log_events: list[dict[str, Any]], tmp_path: Path) -> None:
    """Return value, XCom and log line of a run are equal, and so are operator and Dag (FR-006 to FR-008)."""
    for number in range(6):
        sides.put(f"data/{number}", b"x" * number)
    operator = by_operator(sides, run_dag, log_events)
    dag = by_yaml(sides, run_dag, log_events, tmp_path)
    for run in (operator, dag):
        assert run.state == "success"
        assert run.of("operation completed") == [run.pushed]
        assert run.returned == {**run.pushed, "entries": run.entries, "batches": run.batches}
        assert_adds_up(run)
        assert run.of("operation failed") == []
        assert run.fields["operation completed"] >= METRICS
    assert operator.comparable == dag.comparable
    assert (operator.listings, dag.listings) == (2, 4)
    assert (dag.pushed["files_copied_successfully"], dag.pushed["total_bytes_transferred"]) == (6, 15)
    assert operator.fields == dag.fields
    assert set(operator.fields) == PROMISED - {"object failed", "operation failed"}
    copied = sides.copied()
    assert {f"{place}/{i}": b"x" * i for i in range(6) for place in ("by-operator", "by-yaml")} == copied


@pytest.mark.one_server
def test_a_copy_with_failures(
    sides: Sides, proxy: Proxy, run_dag: RunDag, log_events: list[dict[str, Any]], tmp_path: Path
) -> None:
    """A run that fails reports the same everywhere, names each failed object, and copies the rest."""
    for number in range(6):
        sides.put(f"data/{number}", b"x" * number)
    denied = Reply.error(403, "AccessDenied", "Access Denied")
    proxy.answer = lambda request: (
        denied if request.kind == "CopyObject" and request.key.endswith(("/2", "/5")) else None
    )
    operator = by_operator(sides, run_dag, log_events, batch_size=3)
    dag = by_yaml(sides, run_dag, log_events, tmp_path, batch_size=3)
    for run in (operator, dag):
        assert (run.state, run.returned) == ("failed", None)
        assert run.of("operation failed") == [run.pushed]
        assert run.of("operation completed") == []
        assert_adds_up(run)
        failed = sorted((line["key"], line["code"], line["attempts"]) for line in run.of("object failed"))
        assert failed == [("data/2", "AccessDenied", 1), ("data/5", "AccessDenied", 1)]
        ended = sorted((b["batch"], b["of"], b["copied"], b["failed"]) for b in run.of("batch finished"))
        assert ended == [(1, 2, 2, 1), (2, 2, 2, 1)]
    assert operator.comparable == dag.comparable
    assert (operator.listings, dag.listings) == (2, 6)
    assert (dag.pushed["files_failed"], dag.pushed["total_bytes_transferred"]) == (2, 8)
    assert operator.fields == dag.fields
    assert set(operator.fields) == PROMISED - {"operation completed"}


@pytest.mark.one_server
def test_a_connection_that_cannot_work(
    sides: Sides,
    run_dag: RunDag,
    log_events: list[dict[str, Any]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A wrong extra is one sentence in the metrics of operator and Dag, and no error of a library."""
    wrong = json.loads(sides.environment["AIRFLOW_CONN_AWS_SOURCE"])
    wrong["extra"]["config_kwargs"] = {"foo": 1}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_SOURCE", json.dumps(wrong))
    for run in (by_operator(sides, run_dag, log_events), by_yaml(sides, run_dag, log_events, tmp_path)):
        assert (run.state, run.pushed["errors_by_code"]) == ("failed", {"InvalidConfig": 1})
        (error,) = run.pushed["errors"]
        assert error.endswith(
            "source: the extra of Airflow connection 'aws_source' is wrong: "
            "config_kwargs.foo is not an option of botocore's Config"
        )


@pytest.mark.one_server
def test_a_copy_that_never_starts(
    sides: Sides, run_dag: RunDag, log_events: list[dict[str, Any]], tmp_path: Path
) -> None:
    """A run that fails its checks reports that with the same fields, with operator and Dag."""
    operator = by_operator(sides, run_dag, log_events)
    dag = by_yaml(sides, run_dag, log_events, tmp_path)
    for run in (operator, dag):
        assert (run.state, run.returned) == ("failed", None)
        assert run.of("operation failed") == [run.pushed]
        assert run.fields["operation failed"] >= METRICS
        assert run.pushed["total_files_found"] == 0
        assert run.pushed["config_digest"]
        assert (run.entries, run.batches) == ([], [])
    assert operator.fields == dag.fields
    assert set(operator.fields) == {"operation started", "operation failed"}
