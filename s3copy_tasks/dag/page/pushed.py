"""What the tasks of runs pushed, read from Airflow's database with one query for any number of runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from sqlalchemy import and_, exists, or_, select
from sqlalchemy.orm import Session, aliased

from s3copy_tasks.dag.page.adding import RESULT
from s3copy_tasks.dag.page.shapes import plain
from s3copy_tasks.dag.storable import unescape
from s3copy_tasks.dag.xcom import METRICS, OUTSIDE, PROGRESS, VERDICT

_ENDED = ("success", "failed", "skipped", "upstream_failed", "removed")
_PUSHED = ("running", "success", "failed", "skipped", "up_for_retry", "deferred")
"""The states in which the XComs of a task are those of its last attempt: a task that was cleared and has not
begun again still has earlier ones. Airflow skips a task that waits when a person marks the end of its run."""


def _read(value: Any) -> Any:
    """Return what a task pushed, from the column of an XCom."""
    return unescape(plain(value))


def summaries(session: Session, run_pks: Collection[int]) -> dict[int, Any]:
    """Return the metrics that `summarize` has pushed, by run.

    They do not count after the run was cleared: a task that they add up waits, or has begun again since.
    """
    added = aliased(TaskInstance)
    is_outdated = exists().where(
        added.dag_id == TaskInstance.dag_id,
        added.run_id == TaskInstance.run_id,
        added.task_id.in_(("preflight", "plan", "copy_batch", "approve", "deletions", "delete_batch")),
        or_(
            added.state.is_(None),
            added.state.not_in(_ENDED),
            and_(added.state.in_(("success", "failed")), added.start_date > XComModel.timestamp),
        ),
    )
    query = (
        select(XComModel.dag_run_id, XComModel.value)
        .join(XComModel.task)
        .where(
            XComModel.dag_run_id.in_(run_pks),
            XComModel.task_id == "summarize",
            XComModel.map_index == -1,
            XComModel.key == METRICS,
            TaskInstance.state.in_(_PUSHED),
            ~is_outdated,
        )
    )
    return {pk: _read(value) for pk, value in session.execute(query)}


def pushed_by_tasks(session: Session, run_pk: int, keys: Sequence[str]) -> dict[str, Any]:
    """Return the XComs of a run's `preflight` and `summarize`, by key."""
    query = select(XComModel.key, XComModel.value).where(
        XComModel.dag_run_id == run_pk,
        XComModel.task_id.in_(("preflight", "summarize")),
        XComModel.map_index == -1,
        XComModel.key.in_(keys),
    )
    return {key: _read(value) for key, value in session.execute(query)}


def pushed_before_summary(
    session: Session, run_pks: Collection[int]
) -> dict[int, dict[tuple[str, int], dict[str, Any]]]:
    """Return what the tasks of runs pushed for their summary: by run, by task and number, by key."""
    query = (
        select(XComModel.dag_run_id, XComModel.task_id, XComModel.map_index, XComModel.key, XComModel.value)
        .join(XComModel.task)
        .where(
            XComModel.dag_run_id.in_(run_pks),
            or_(
                and_(XComModel.task_id == "preflight", XComModel.key == METRICS),
                and_(XComModel.task_id == "plan", XComModel.key.in_((METRICS, OUTSIDE, RESULT))),
                and_(XComModel.task_id == "copy_batch", XComModel.key.in_((METRICS, PROGRESS))),
                and_(XComModel.task_id == "deletions", XComModel.key == VERDICT),
                and_(XComModel.task_id == "delete_batch", XComModel.key == METRICS),
            ),
            TaskInstance.state.in_(_PUSHED),
        )
    )
    found: dict[int, dict[tuple[str, int], dict[str, Any]]] = defaultdict(lambda: defaultdict(dict))
    for pk, task_id, index, key, value in session.execute(query):
        found[pk][task_id, index][key] = _read(value)
    return found


def batch_states(session: Session, run_pks: Collection[int]) -> dict[int, dict[int, str]]:
    """Return the states of the batches of runs: by run, by number."""
    query = (
        select(DagRun.id, TaskInstance.map_index, TaskInstance.state)
        .join(DagRun, and_(DagRun.dag_id == TaskInstance.dag_id, DagRun.run_id == TaskInstance.run_id))
        .where(DagRun.id.in_(run_pks), TaskInstance.task_id == "copy_batch")
    )
    found: dict[int, dict[int, str]] = defaultdict(dict)
    for pk, index, state in session.execute(query):
        if index >= 0:  # -1 stands for all batches until the plan has ended
            found[pk][index] = str(state or "waiting")
    return found
