"""Celery's configuration for `noop_runs`: Airflow's own, in workers that log the CPU time of each task.

The log has a line of JSON for each task; the environment variable S3COPY_BENCH_CPU_LOG is its path.
A worker's process forks a process for each task, sends its requests to Airflow, and waits for its end.
"""

from __future__ import annotations

import json
import os
import resource
from pathlib import Path
from typing import Any

from airflow.providers.celery.executors import default_celery  # type: ignore[import-not-found]
from celery.signals import task_postrun, task_prerun  # type: ignore[import-not-found]

CONFIG = default_celery.DEFAULT_CELERY_CONFIG

_before: dict[str, float] = {}


@task_prerun.connect  # type: ignore[untyped-decorator]
def begin(**_: Any) -> None:
    """Note the CPU time so far."""
    _before.update(_spent())


@task_postrun.connect  # type: ignore[untyped-decorator]
def end(args: Any, **_: Any) -> None:
    """Log the CPU time of a task."""
    spent = {name: seconds - _before[name] for name, seconds in _spent().items()}
    instance = json.loads(args[0])["ti"]
    row = {"run_id": instance["run_id"], "task_id": instance["task_id"], "spent": spent}
    with Path(os.environ["S3COPY_BENCH_CPU_LOG"]).open("a") as log:
        log.write(json.dumps(row) + "\n")


def _spent() -> dict[str, float]:
    """Return CPU seconds of this process, the supervisor of its tasks, and of those that have ended."""
    sources = {"supervisor": resource.RUSAGE_SELF, "task": resource.RUSAGE_CHILDREN}
    usages = {name: resource.getrusage(source) for name, source in sources.items()}
    return {name: usage.ru_utime + usage.ru_stime for name, usage in usages.items()}
