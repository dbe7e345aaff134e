"""What the page reads from Airflow's database. Each function sends one query, for any number of runs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from typing import Any

from airflow.models.dag import DagModel, DagTag
from airflow.models.dag_version import DagVersion
from airflow.models.dagrun import DagRun
from airflow.models.errors import ParseImportError
from airflow.models.pool import Pool
from airflow.models.serialized_dag import SerializedDagModel
from airflow.models.taskinstance import TaskInstance
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from s3copy_tasks.dag.factory import DAG_PREFIX
from s3copy_tasks.dag.page.problems import HEADLINE
from s3copy_tasks.dag.page.rows import Job, Reported, Run, Task

TAG = "s3copy"


def find_jobs(session: Session, dag_id: str | None = None) -> list[Job]:
    """Return the Dags of copy jobs, sorted: those with the prefix and the tag, with a config or without."""
    tagged = select(DagTag.dag_id).where(DagTag.name == TAG)
    query = (
        select(
            DagModel.dag_id,
            DagModel.description,
            DagModel.is_paused,
            DagModel.next_dagrun_create_after,
            DagModel.is_stale,
            DagModel.last_parsed_time,
        )
        .where(DagModel.dag_id.startswith(DAG_PREFIX, autoescape=True), DagModel.dag_id.in_(tagged))
        .order_by(DagModel.dag_id)
    )
    if dag_id is not None:
        query = query.where(DagModel.dag_id == dag_id)
    return [
        Job(
            dag_id=found_id,
            name=found_id.removeprefix(DAG_PREFIX),
            description=text or "",
            is_paused=is_paused,
            next_run=None if is_stale else due,
            is_gone=is_stale,
            found=parsed,
        )
        for found_id, text, is_paused, due, is_stale, parsed in session.execute(query)
    ]


def pool_exists(session: Session, name: str) -> bool:
    """Return whether Airflow has a pool of that name: tasks of another wait forever."""
    return session.scalar(select(Pool.id).where(Pool.pool == name)) is not None


def dag_hashes(session: Session, dag_ids: Collection[str]) -> dict[str, str]:
    """Return the hash of the latest serialized Dag, by Dag id."""
    query = _latest(SerializedDagModel.dag_id, SerializedDagModel.dag_hash, dag_ids=dag_ids)
    return {row.dag_id: row.dag_hash for row in session.execute(query)}


def serialized(session: Session, dag_ids: Collection[str]) -> dict[str, Any]:
    """Return the latest serialized Dags, by hash."""
    return {row.dag_hash: row.data for row in session.scalars(_latest(SerializedDagModel, dag_ids=dag_ids))}


def _latest(*columns: Any, dag_ids: Collection[str]) -> Any:
    """Return a query of the latest versions of Dags."""
    latest = (
        select(DagVersion.dag_id, func.max(DagVersion.version_number).label("number"))
        .where(DagVersion.dag_id.in_(dag_ids))
        .group_by(DagVersion.dag_id)
        .subquery()
    )
    return (
        select(*columns)
        .join(DagVersion, SerializedDagModel.dag_version_id == DagVersion.id)
        .join(latest, (DagVersion.dag_id == latest.c.dag_id) & (DagVersion.version_number == latest.c.number))
    )


_RUN = (
    DagRun.id,
    DagRun.dag_id,
    DagRun.run_id,
    DagRun.run_type,
    DagRun._state,  # noqa: SLF001 - the column; the attribute is not a column
    DagRun.start_date,
    DagRun.end_date,
    DagRun.run_after,
)


def _runs(session: Session, query: Any) -> list[Run]:
    return [
        Run(
            pk=pk,
            dag_id=dag_id,
            run_id=run_id,
            kind=str(kind),
            state=str(state),
            start=start,
            end=end,
            due=due,
        )
        for pk, dag_id, run_id, kind, state, start, end, due in session.execute(query)
    ]


def last_runs(session: Session, dag_ids: Collection[str]) -> dict[str, Run]:
    """Return the latest created run of each Dag, as Airflow's own list of Dags does."""
    last = select(func.max(DagRun.id)).where(DagRun.dag_id.in_(dag_ids)).group_by(DagRun.dag_id)
    return {run.dag_id: run for run in _runs(session, select(*_RUN).where(DagRun.id.in_(last)))}


def find_runs(session: Session, dag_id: str, number: int, before: int | None) -> list[Run]:
    """Return a job's latest runs, the latest first; with `before`, only runs that were created earlier."""
    query = select(*_RUN).where(DagRun.dag_id == dag_id).order_by(DagRun.id.desc()).limit(number)
    return _runs(session, query if before is None else query.where(DagRun.id < before))


def find_run(session: Session, dag_id: str, run_id: str) -> Run | None:
    """Return one run of a job."""
    found = _runs(session, select(*_RUN).where(DagRun.dag_id == dag_id, DagRun.run_id == run_id))
    return found[0] if found else None


def find_tasks(session: Session, run: Run) -> list[Task]:
    """Return the task instances of a run."""
    query = select(
        TaskInstance.task_id,
        TaskInstance.map_index,
        TaskInstance.state,
        TaskInstance.start_date,
        TaskInstance.end_date,
        TaskInstance.try_number,
        TaskInstance._rendered_map_index,  # noqa: SLF001 - the column; the attribute is not a column
    ).where(TaskInstance.dag_id == run.dag_id, TaskInstance.run_id == run.run_id)
    return [
        Task(
            task_id=task_id,
            index=index,
            state=str(state or "waiting"),
            start=start,
            end=end,
            tries=tries or 0,
            label=label,
        )
        for task_id, index, state, start, end, tries, label in session.execute(query)
    ]


def import_errors(session: Session) -> Iterable[Reported]:
    """Return the import errors that report invalid configs."""
    query = (
        select(ParseImportError.id, ParseImportError.stacktrace, DagModel.dag_id)
        .join(
            DagModel,
            (DagModel.relative_fileloc == ParseImportError.filename)
            & (DagModel.bundle_name == ParseImportError.bundle_name),
            isouter=True,
        )
        .where(ParseImportError.stacktrace.contains(HEADLINE, autoescape=True))
        .order_by(ParseImportError.id)
    )
    texts: dict[int, str] = {}
    dag_ids: dict[int, set[str]] = defaultdict(set)
    for pk, text, dag_id in session.execute(query):
        texts[pk] = text or ""
        dag_ids[pk] |= {dag_id} - {None}
    return [Reported(stacktrace=text, dag_ids=frozenset(dag_ids[pk])) for pk, text in texts.items()]
