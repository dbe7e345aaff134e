"""100,000 small objects through a generated Dag in a live Airflow, and the same copy without Airflow.

Airflow's share is the wall time of a run in which no task did its own work. A task's own work is between two
lines of its log: the end of Airflow's "Pre Execute" group and the start of "Post Execute". The server
generates listings and stores no copies: a copy takes about 30 microseconds of a core.
"""

from __future__ import annotations

import json
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from tests.performance.child import Child
from tests.performance.figures import airflow_environment
from tests.performance.millions import IN_FLIGHT
from tests.performance.pages import PREFIX, PageServer
from tests.performance.report import Report
from tests.support.airflow.stack import AirflowStack

OBJECTS, BATCH_OBJECTS, ACTIVE_BATCHES, RUNS = 100_000, 10_000, 2, 1
DELAY = 0.03
SLOTS = "8"
"""Worker slots, more than active batches: Airflow may free a slot up to 5 s after its task has ended."""
BUCKETS = {"source_bucket": "originals", "destination_bucket": "copies"}
_TASKS = ("preflight", "plan", "copy_batch", "summarize", "publish")

Interval = tuple[float, float]


@dataclass(frozen=True, slots=True)
class TaskTimes:
    """One task instance: its time in Airflow, its own work in that time, and copying in that work."""

    task_id: str
    airflow: Interval
    own: Interval
    copying: Interval | None


@dataclass(frozen=True, slots=True)
class DagTimes:
    """One run of the Dag."""

    seconds: float
    tasks: list[TaskTimes]

    @property
    def own_seconds(self) -> float:
        """How long at least one task did its own work."""
        total, end = 0.0, 0.0
        for start, stop in sorted(task.own for task in self.tasks):
            total += max(0.0, stop - max(start, end))
            end = max(end, stop)
        return total

    @property
    def copying_seconds(self) -> float:
        """From the start of the first batch to the end of the last, by their own metrics."""
        batches = [task.copying for task in self.tasks if task.copying]
        return max(stop for _, stop in batches) - min(start for start, _ in batches)


def main() -> None:
    """Measure, print the tables and write them."""
    report = Report("dag", objects=OBJECTS, runs=RUNS)
    with tempfile.TemporaryDirectory() as folder, PageServer(core=None) as server:
        home = Path(folder)
        server.call("number", bucket="originals", keys=OBJECTS)
        server.call("number", bucket="copies", keys=0)
        server.call("behave", delay=DELAY)
        without = [_without_airflow(home, server, number) for number in range(RUNS)]
        dags = _with_airflow(home, server)
    _fill_tasks(report, dags)
    _fill_runs(report, dags, without)
    report.finish()


def _without_airflow(home: Path, server: PageServer, number: int) -> dict[str, float]:
    """Return the seconds of the parts of a run in one process, connections included."""
    env = airflow_environment(home / "without", server.endpoint())
    with Child("runs", core=None, env=env) as process:
        found: dict[str, float] = process.call(
            "run_parts",
            **BUCKETS,
            source_key=PREFIX,
            destination_key=f"without{number}/",
            recursive=True,
            batch_size=1_000,  # the most that it takes
        )
    return found


def _with_airflow(home: Path, server: PageServer) -> list[DagTimes]:
    """Run the Dag several times, each time into a different prefix."""
    configs = home / "copy_configs"
    configs.mkdir()
    for number in range(RUNS):
        (configs / f"bench{number}.yaml").write_text(yaml.safe_dump(_config(number)))
    env = {**server.endpoint().connections(), "AIRFLOW__CORE__PARALLELISM": SLOTS}
    with AirflowStack(home / "airflow", configs, env) as airflow:
        return [_run(airflow, f"s3copy__bench{number}") for number in range(RUNS)]


def _config(number: int) -> dict[str, Any]:
    return {
        "version": 1,
        "source": {"bucket": "originals", "connection": "aws_source"},
        "destination": {"bucket": "copies", "connection": "aws_destination"},
        "prefixes": [{"source": PREFIX, "destination": f"with{number}/"}],
        "transfer": {"batch_objects": BATCH_OBJECTS, "max_active_batches": ACTIVE_BATCHES},
    }


def _run(airflow: AirflowStack, dag_id: str) -> DagTimes:
    airflow.wait_for_dag(dag_id)
    run_id = airflow.trigger(dag_id)
    state = airflow.finish(dag_id, run_id, seconds=900)
    copied = airflow.xcom(dag_id, run_id, "summarize", "metrics")["files_copied_successfully"]
    if (state, copied) != ("success", OBJECTS):
        raise RuntimeError(f"{dag_id} ended as {state} with {copied} copies")
    run = airflow.get(f"dags/{dag_id}/dagRuns/{run_id}")
    logs = "\n".join(airflow.logs(dag_id, run_id, task_id) for task_id in _TASKS)
    own = _own_work(logs)
    tasks = [
        TaskTimes(
            task["task_id"],
            _interval(task["start_date"], task["end_date"]),
            own[task["task_id"], task["map_index"]],
            _copying(airflow, dag_id, run_id, task["map_index"]) if task["task_id"] == "copy_batch" else None,
        )
        for task in airflow.tasks(dag_id, run_id)
    ]
    start, end = _interval(run["start_date"], run["end_date"])
    return DagTimes(end - start, tasks)


def _own_work(logs: str) -> dict[tuple[str, int], Interval]:
    """Return the own work by task id and map index."""
    ends: dict[tuple[str, int], list[float]] = defaultdict(list)
    for row in map(json.loads, filter(None, logs.split("\n"))):
        if row["event"] in {"::endgroup::", "::group::Post Execute"}:
            ends[row["task_id"], row["map_index"]].append(_seconds(row["timestamp"]))
    return {task: (moments[0], moments[1]) for task, moments in ends.items()}


def _copying(airflow: AirflowStack, dag_id: str, run_id: str, map_index: int) -> Interval:
    path = f"dags/{dag_id}/dagRuns/{run_id}/taskInstances/copy_batch/xcomEntries/metrics"
    metrics = airflow.get(path, map_index=map_index, deserialize=True)["value"]["metrics"]
    return _interval(metrics["start_time"], metrics["end_time"])


def _interval(start: str, end: str) -> Interval:
    return _seconds(start), _seconds(end)


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


def _fill_tasks(report: Report, dags: list[DagTimes]) -> None:
    columns = {"per run": 0, "start to end, s": 1, "own work, s": 1, "copying, s": 1, "objects/s": 0}
    rows = report.table(
        f"tasks of {RUNS} run(s) of the Dag",
        "task",
        columns,
        f"{OBJECTS:,} objects, batches of {BATCH_OBJECTS:,}, {ACTIVE_BATCHES} at once, {IN_FLIGHT} requests "
        f"in flight each; made-up server, plain HTTP, loopback, {DELAY * 1_000:.0f} ms each; API server, "
        "scheduler, Dag processor, tasks and server share the cores; median (least to greatest)",
    )
    for task_id in _TASKS:
        found = [task for dag in dags for task in dag.tasks if task.task_id == task_id]
        copying = [_length(task.copying) for task in found if task.copying]
        rows.add(
            task_id,
            len(found) // RUNS,
            [_length(task.airflow) for task in found],
            [_length(task.own) for task in found],
            copying or None,
            [BATCH_OBJECTS / seconds for seconds in copying] or None,
        )


def _fill_runs(report: Report, dags: list[DagTimes], without: list[dict[str, float]]) -> None:
    rows = report.table("whole runs", "what", {"s": 1, "objects/s": 0}, "median (least to greatest)")
    rows.add("the Dag's run, start to end", [dag.seconds for dag in dags], None)
    rows.add("  at least one task does its own work", [dag.own_seconds for dag in dags], None)
    rows.add("  Airflow's share: the rest", [dag.seconds - dag.own_seconds for dag in dags], None)
    copying = [dag.copying_seconds for dag in dags]
    rows.add("  start of the first batch to end of the last", copying, [OBJECTS / taken for taken in copying])
    rows.add("the same by InProcessRun, one process", [sum(parts.values()) for parts in without], None)
    for part in without[0]:
        seconds = [parts[part] for parts in without]
        rows.add(f"  {part}", seconds, [OBJECTS / taken for taken in seconds] if part == "copy" else None)


def _length(interval: Interval) -> float:
    return interval[1] - interval[0]


if __name__ == "__main__":
    main()
