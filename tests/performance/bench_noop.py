"""A run of a Dag that has nothing to copy, beside a run of four tasks that do nothing: CPU time on a worker.

Celery forks its worker for each task, and so does Airflow's LocalExecutor, but from a scheduler, with other
imports. So this measures a real Celery worker, in Airflow 3.2.1: it installs both, and the wheel.
"""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

from tests.performance.noop_runs import NOOP, OBJECTS, RUNS, TASKS, TRIVIAL
from tests.performance.report import Report
from tools.airflows.environment import Environment, build_wheel

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.performance.noop_runs import Run

_ENVIRONMENT = "3.2.1-py3.12"
_SUMS = {
    "all tasks": ("task",),
    "their supervisors": ("supervisor",),
    "the whole run": ("task", "supervisor"),
}


def main() -> None:
    """Measure, print the table and write it."""
    environment = Environment(_ENVIRONMENT)
    environment.install(build_wheel())
    environment.add("apache-airflow-providers-celery")
    rounds, preloaded = _measure(environment), _measure(environment, "preloaded")
    report = Report("noop", airflow=environment.airflow, python=environment.python, runs=RUNS)
    _fill(
        report,
        {
            "nothing to copy, s": [each[NOOP] for each in rounds],
            "the same, preloaded, s": [each[NOOP] for each in preloaded],
            "tasks that do nothing, s": [each[TRIVIAL] for each in rounds],
        },
    )
    report.finish()


def _measure(environment: Environment, *arguments: str) -> list[dict[str, Run]]:
    """Return the runs of both Dags, in turns."""
    command = [str(environment.bin / "python"), "-m", "tests.performance.noop_runs", *arguments]
    done = subprocess.run(command, cwd=environment.tree, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"noop_runs ended with {done.returncode}: {done.stderr[-3000:]}")
    found: list[dict[str, Run]] = json.loads(done.stdout)
    return found


def _fill(report: Report, dags: dict[str, list[Run]]) -> None:
    rows = report.table(
        "a run on a Celery worker, CPU seconds",
        "process",
        dict.fromkeys(dags, 2),
        f"{OBJECTS:,} objects, which the destination has; both Dags in turns; median (least to greatest). "
        "Preloaded: the worker has imported s3copy_tasks.dag.preload",
    )
    for task_id in TASKS:
        rows.add(task_id, *([run[task_id]["task"] for run in runs] for runs in dags.values()))
    for label, processes in _SUMS.items():
        rows.add(label, *([_sum(run, processes) for run in runs] for runs in dags.values()))


def _sum(run: Run, processes: Iterable[str]) -> float:
    """Return the CPU seconds of some processes of all tasks."""
    return sum(spent[process] for spent in run.values() for process in processes)


if __name__ == "__main__":
    main()
