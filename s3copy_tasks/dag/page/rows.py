"""Rows of Airflow's database, as far as the page needs them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from s3copy_tasks.dag.factory import DAG_PREFIX


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The Dag of a copy job.

    Attributes:
        dag_id: of the Dag.
        name: the stem of its config file.
        description: of the config.
        is_paused: whether Airflow starts no runs.
        next_run: when the next run is due; None if none is.
        is_gone: whether Airflow no longer finds a valid config for it.
        found: when Airflow last found a valid config for it; None if unknown.
    """

    dag_id: str
    name: str
    description: str
    is_paused: bool
    next_run: datetime | None
    is_gone: bool = False
    found: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A Dag run; `pk` grows with every new run."""

    pk: int
    dag_id: str
    run_id: str
    kind: str
    state: str
    start: datetime | None
    end: datetime | None
    due: datetime

    @property
    def job(self) -> str:
        """The name of its job."""
        return self.dag_id.removeprefix(DAG_PREFIX)


_NOT_BEGUN = frozenset({"waiting", "scheduled", "queued", "skipped", "upstream_failed", "removed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task instance of a run; `index` is -1 if it is not mapped, `label` is what Airflow shows."""

    task_id: str
    index: int
    state: str
    start: datetime | None
    end: datetime | None
    tries: int
    label: str | None

    @property
    def begun(self) -> datetime | None:
        """The start of its last attempt; None if it waits or never began, whatever start Airflow gives it."""
        return None if self.state in _NOT_BEGUN else self.start


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """An import error that reports invalid configs, and the Dags of its file."""

    stacktrace: str
    dag_ids: frozenset[str]
