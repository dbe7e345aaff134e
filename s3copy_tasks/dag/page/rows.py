"""Rows of Airflow's database, as far as the page needs them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The Dag of a copy job; `name` is the stem of its config file."""

    dag_id: str
    name: str
    description: str
    is_paused: bool
    next_run: datetime | None


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """An import error that reports invalid configs, and the Dags of its file."""

    stacktrace: str
    dag_ids: frozenset[str]
