"""Airflow in this process: one database, runs of Dags, and their log lines."""

from __future__ import annotations

import os
import signal
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from tests.support.airflow.dag_store import store_dags
from tests.support.airflow.databases import Settings, in_this_process
from tests.support.builders.logs import log_lines

if TYPE_CHECKING:
    from airflow.sdk import DAG


@dataclass(frozen=True)
class DagResult:
    """A run that has ended.

    Attributes:
        run_id: Airflow's.
        state: of the run.
        states: of the task instances, by task and map index.
    """

    run_id: str
    state: str
    states: dict[tuple[str, int], str]
    _instances: dict[tuple[str, int], Any]

    def xcom(self, task_id: str, key: str = "return_value", *, map_index: int = -1) -> Any:
        """Return one value that a task instance pushed; None if it pushed none."""
        instance = self._instances[task_id, map_index]
        return instance.xcom_pull(task_ids=task_id, key=key, map_indexes=map_index)


class RunDag(Protocol):
    """Runs a Dag in this process, with retries, and returns the result."""

    def __call__(self, dag: DAG, conf: dict[str, Any] | None = None) -> DagResult: ...


@pytest.fixture(scope="module")
def airflow_database(database: Settings) -> Iterator[None]:
    """Airflow's database, of each kind."""
    Path(os.environ["AIRFLOW__CORE__DAGS_FOLDER"]).mkdir(exist_ok=True)
    with warnings.catch_warnings(action="ignore"):  # of Airflow's own imports
        import airflow.api_fastapi.execution_api.app  # noqa: F401, PLC0415
    with in_this_process(database):
        yield


@pytest.fixture
def run_dag(airflow_database: None, tmp_path: Path) -> Iterator[RunDag]:
    """Run Dags with Airflow's own code: templates, XComs, retries and state between attempts."""
    empty = tmp_path / "dags"
    empty.mkdir()

    def run(dag: DAG, conf: dict[str, Any] | None = None) -> DagResult:
        store_dags([dag], empty)
        done = dag.test(run_conf=conf)
        instances: dict[tuple[str, int], Any] = {
            (ti.task_id, ti.map_index): ti for ti in done.get_task_instances()
        }
        states = {place: str(ti.state) for place, ti in instances.items()}
        return DagResult(done.run_id, str(done.state), states, instances)

    environment, on_sigterm = dict(os.environ), signal.getsignal(signal.SIGTERM)
    yield run
    signal.signal(signal.SIGTERM, on_sigterm)  # a task sets both
    for name in os.environ.keys() - environment.keys():
        del os.environ[name]


@pytest.fixture
def log_events() -> Iterator[list[dict[str, Any]]]:
    """Every structured log line of the test."""
    from airflow import settings  # noqa: F401, PLC0415 - its import configures logging: let it be before

    with log_lines() as lines:
        yield lines
