"""Writes jobs, runs and XComs for the page into Airflow's database."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from airflow.models.dag import DagModel
from airflow.models.dagrun import DagRun
from airflow.models.errors import ParseImportError
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from sqlalchemy import func, insert, select, update

from s3copy_tasks.config.show.report import as_text
from s3copy_tasks.core.batch import Batch, KeyRange
from s3copy_tasks.core.metrics import Errors, Failure, TransferMetrics
from s3copy_tasks.core.objects import SkipReason
from s3copy_tasks.core.request_counts import Requests
from s3copy_tasks.dag.airflow_versions import AIRFLOW
from s3copy_tasks.dag.factory import job_dags
from s3copy_tasks.dag.xcom import dump
from tests.support.airflow.dag_store import store_dags
from tests.support.builders.documents import write

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from sqlalchemy.orm import Session

    from s3copy_tasks.config.problem import Problem

BUNDLE = "dags-folder"


def add_jobs(folder: Path, documents: Mapping[str, dict[str, Any]]) -> list[str]:
    """Write configs, build their Dags, and store these like the Dag processor; return their ids."""
    folder.mkdir(exist_ok=True)
    for name, document in documents.items():
        write(folder, document, f"{name}.yaml")
    dags = job_dags(folder)
    store_dags(dags.values(), folder, BUNDLE)
    return sorted(dags)


def metrics(copied: int = 0, *, failed: int = 0, seconds: float = 10.0, **more: Any) -> dict[str, Any]:
    """Return what `summarize` pushes for a run that copied objects of 1 MB."""
    skipped = more.pop("files_skipped", {"unchanged": 5})
    errors = more.pop("errors", [f"daily/{i:04}.nc: AccessDenied after 1 attempt: no" for i in range(failed)])
    return {
        "total_files_found": copied + failed + sum(skipped.values()),
        "files_copied_successfully": copied,
        "files_verified": copied,
        "files_skipped": skipped,
        "files_failed": failed,
        "files_vanished": 0,
        "files_unknown": 0,
        "total_bytes_transferred": copied * 1_000_000,
        "duration_seconds": seconds,
        "objects_per_second": copied / seconds,
        "bytes_per_second": copied * 1e6 / seconds,
        "requests": copied * 2,
        "requests_by_kind": {"CopyObject": copied, "ListObjectsV2": 3},
        "requests_retried": 1,
        "requests_throttled": 0,
        "latency_seconds": {"p50": 0.041, "p95": 0.090, "p99": 0.200},
        "peak_in_flight": 105,
        "limited_by": {"in_flight": 8.25, "listing": 1.5},
        "cost_usd": copied * 5.4e-6,
        "errors": errors,
        "errors_by_code": {"AccessDenied": failed} if failed else {},
        "dry_run": False,
        **more,
    }


def planned(*batches: tuple[int, int], outside: int = 0) -> dict[str, Any]:
    """Return what `plan` pushes, for `Rows.run`: objects and bytes of each batch, and objects outside."""
    found = [
        Batch(
            id=number,
            of=len(batches),
            plan_id="p",
            label=f"{number + 1}/{len(batches)} daily/",
            ranges=(KeyRange(entry=0, after=None, through="z", found=objects, objects=objects, bytes=size),),
        )
        for number, (objects, size) in enumerate(batches)
    ]
    skipped = TransferMetrics(
        operation_id="run", total_files_found=outside, files_skipped={SkipReason.UNCHANGED: outside}
    )
    return {
        "plan__return_value": [dump(batch) for batch in found],
        "plan__outside": dump(skipped, sparse=True),
    }


def reported(copied: int = 0, *failures: Failure, seconds: float = 10.0, **more: Any) -> dict[str, Any]:
    """Return the metrics that a batch pushes: objects of 1 MB, and failures."""
    start = datetime.now(UTC) - timedelta(minutes=30)
    codes = Counter(failure.code for failure in failures)
    values: dict[str, Any] = {
        "operation_id": "run",
        "start_time": start,
        "end_time": start + timedelta(seconds=seconds),
        "total_files_found": copied + len(failures),
        "files_copied_successfully": copied,
        "files_failed": len(failures),
        "total_bytes_transferred": copied * 1_000_000,
        "errors_encountered": Errors(by_code=dict(codes), first=failures),
        "requests": Requests(by_kind={"CopyObject": copied + len(failures)}),
    }
    metrics = TransferMetrics(**values | more)
    return {"plan_id": "p", "metrics": dump(metrics, sparse=True)}


class Rows:
    """Writes rows into a session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def run(
        self,
        dag_id: str,
        run_id: str,
        *,
        state: str = "success",
        start: datetime | None = None,
        seconds: float | None = 60,
        batches: Sequence[tuple[str, float, float | None]] = (),
        states: Mapping[str, str | None] | None = None,
        **pushed: Any,
    ) -> int:
        """Write a run, its tasks and what they pushed; return its primary key.

        Args:
            dag_id: of the job.
            run_id: of the run.
            state: of the run.
            start: of the run.
            seconds: its duration; None if it is under way.
            batches: state, start and end of each, in seconds from the run's start.
            states: of other tasks, by id; the others have succeeded.
            **pushed: by `task__key`, such as `summarize__metrics`; a dict by number for `copy_batch__...`.
        """
        start = start or datetime.now(UTC) - timedelta(hours=1)
        end = None if seconds is None else start + timedelta(seconds=seconds)
        pk = self._next_pk()
        self._session.execute(
            insert(DagRun).values(
                id=pk,
                dag_id=dag_id,
                run_id=run_id,
                run_type="scheduled",
                _state=state,
                start_date=start,
                end_date=end,
                run_after=start,
                logical_date=start,
            )
        )
        given = {"preflight": "success", "plan": "success", "summarize": "success"} | dict(states or {})
        tasks: list[tuple[Any, ...]] = [(name, -1, state, start, end) for name, state in given.items()]
        tasks += [
            (
                "copy_batch",
                number,
                batch_state,
                start + timedelta(seconds=begin),
                None if finish is None else start + timedelta(seconds=finish),
            )
            for number, (batch_state, begin, finish) in enumerate(batches)
        ]
        self._tasks(dag_id, run_id, tasks)
        self._pushed(pk, dag_id, run_id, pushed)
        return pk

    def lose_config(self, dag_id: str, found: datetime) -> None:
        """Mark a Dag as the Dag processor does that no longer finds it in any file."""
        lost = update(DagModel).where(DagModel.dag_id == dag_id)
        self._session.execute(lost.values(is_stale=True, last_parsed_time=found))

    def import_error(self, filename: str, problems: Iterable[Problem]) -> None:
        """Write the import error of a file that reports invalid configs."""
        text = "Traceback (most recent call last):\ns3copy_tasks.errors.ConfigError: InvalidConfig: "
        self._session.add(
            ParseImportError(
                timestamp=datetime.now(UTC),
                filename=filename,
                bundle_name=BUNDLE,
                stacktrace=f"{text}invalid copy configs\n{as_text(problems)}",
            )
        )
        self._session.flush()

    def _next_pk(self) -> int:
        return (self._session.scalar(select(func.max(DagRun.id))) or 0) + 1

    def _tasks(self, dag_id: str, run_id: str, tasks: Sequence[tuple[Any, ...]]) -> None:
        column = "region_index" if AIRFLOW >= (3, 4) else "map_index"
        self._session.execute(
            insert(TaskInstance),
            [
                {
                    "dag_id": dag_id,
                    "run_id": run_id,
                    "task_id": name,
                    column: index,
                    "state": state,
                    "start_date": start,
                    "end_date": end,
                    "try_number": 1,
                    "pool": "default_pool",
                }
                for name, index, state, start, end in tasks
            ],
        )

    def _pushed(self, pk: int, dag_id: str, run_id: str, pushed: Mapping[str, Any]) -> None:
        values = {
            (task_id, index, key): value
            for name, of_task in pushed.items()
            for task_id, key in [name.split("__")]
            for index, value in (of_task if task_id == "copy_batch" else {-1: of_task}).items()
        }
        if not values:
            return
        if AIRFLOW >= (3, 4):
            self._pushed_by_attempts(dag_id, run_id, values)
            return
        self._session.execute(
            insert(XComModel),
            [
                {
                    "dag_run_id": pk,
                    "task_id": task_id,
                    "map_index": index,
                    "key": key,
                    "dag_id": dag_id,
                    "run_id": run_id,
                    "value": value,
                }
                for (task_id, index, key), value in values.items()
            ],
        )

    def _pushed_by_attempts(
        self, dag_id: str, run_id: str, values: Mapping[tuple[str, int, str], Any]
    ) -> None:
        """Write XComs as Airflow 3.4 does: for the attempt of the task that pushed them."""
        from airflow.models import xcom  # noqa: PLC0415

        query = select(TaskInstance.task_id, TaskInstance.map_index, TaskInstance.id)
        of_run = query.where(TaskInstance.dag_id == dag_id, TaskInstance.run_id == run_id)
        attempts = {(task_id, index): pk for task_id, index, pk in self._session.execute(of_run)}
        rows = [
            {"task_instance_id": attempts[task_id, index], "key": key, "value": value}
            for (task_id, index, key), value in values.items()
        ]
        self._session.execute(insert(vars(xcom)["XComModelV2"]), rows)
