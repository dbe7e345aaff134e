"""Runs of a Dag that has nothing to copy, and of one that does nothing, on a Celery worker: CPU time by task.

`bench_noop` runs this where Airflow and Celery are installed, and reads what it prints.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from tests.performance.pages import PREFIX, PageServer
from tests.support.airflow.stack import DAGS, AirflowStack

NOOP, TRIVIAL = "s3copy__noop", "trivial"
TASKS = ("preflight", "plan", "summarize", "publish")
OBJECTS, RUNS, WARM_UP = 1_000, 4, 1
CPU_LOG = "S3COPY_BENCH_CPU_LOG"
PRELOADED = {"AIRFLOW__CELERY__EXTRA_CELERY_CONFIG": '{"imports": ["s3copy_tasks.dag.preload"]}'}
_WORKER = ["celery", "worker", "--concurrency", "1", "--skip-serve-logs", "--without-mingle"]
_TRIVIAL = f"""
from airflow.sdk import dag, task

@dag
def trivial():
    ended = []
    for name in {TASKS}:
        @task(task_id=name)
        def nothing(): ...
        ended.append(nothing())
        ended[-2:-1] >> ended[-1]

trivial()
"""

Run = dict[str, dict[str, float]]
"""CPU seconds by task: of its process, and of its supervisor."""


def main(env: dict[str, str]) -> None:
    """Print the runs of both Dags as JSON; they take turns."""
    with tempfile.TemporaryDirectory() as folder, PageServer(core=None) as server:
        home = Path(folder)
        for bucket in ("originals", "copies"):
            server.call("number", bucket=bucket, keys=OBJECTS)
        env |= server.endpoint().connections() | _celery(home) | _files(home)
        with AirflowStack(
            home / "airflow", home / "copy_configs", env, services={"worker": _WORKER}
        ) as airflow:
            log = Path(env[CPU_LOG])
            rounds = [
                {dag_id: _run(airflow, dag_id, log) for dag_id in (NOOP, TRIVIAL)}
                for _ in range(WARM_UP + RUNS)
            ]
    json.dump(rounds[WARM_UP:], sys.stdout)


def _files(home: Path) -> dict[str, str]:
    """Write the Dags and a config, and return the environment that names them."""
    configs, dags = home / "copy_configs", home / "dags"
    configs.mkdir()
    (configs / "noop.yaml").write_text(yaml.safe_dump(_config()))
    shutil.copytree(DAGS, dags)
    (dags / "trivial.py").write_text(_TRIVIAL)
    return {"AIRFLOW__CORE__DAGS_FOLDER": str(dags)}


def _config() -> dict[str, Any]:
    return {
        "version": 1,
        "source": {"bucket": "originals", "connection": "aws_source"},
        "destination": {"bucket": "copies", "connection": "aws_destination"},
        "prefixes": [{"source": PREFIX, "destination": PREFIX}],
    }


def _celery(home: Path) -> dict[str, str]:
    """Return the environment of Celery, with databases in place of a broker."""
    return {
        "AIRFLOW__CELERY__BROKER_URL": f"sqla+sqlite:///{home / 'queue.db'}",
        "AIRFLOW__CELERY__CELERY_CONFIG_OPTIONS": "tests.performance.celery_meter.CONFIG",
        "AIRFLOW__CELERY__RESULT_BACKEND": f"db+sqlite:///{home / 'results.db'}",
        "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
        "PYTHONDONTWRITEBYTECODE": "",  # the first run writes bytecode, which pip and images have
        "PYTHONPATH": str(Path.cwd()),
        CPU_LOG: str(home / "cpu.jsonl"),
    }


def _run(airflow: AirflowStack, dag_id: str, log: Path) -> Run:
    airflow.wait_for_dag(dag_id)
    run_id = airflow.trigger(dag_id)
    state = airflow.finish(dag_id, run_id)
    if state != "success":
        raise RuntimeError(f"{dag_id} ended as {state}")
    airflow.until(lambda: len(_spent(log, run_id)) == len(TASKS), 30, f"CPU times of {run_id}")
    return _spent(log, run_id)


def _spent(log: Path, run_id: str) -> Run:
    rows = map(json.loads, log.read_text().splitlines())
    return {row["task_id"]: row["spent"] for row in rows if row["run_id"] == run_id}


if __name__ == "__main__":
    main(dict(PRELOADED) if "preloaded" in sys.argv else {})
