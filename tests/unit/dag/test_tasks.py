"""Single tasks of a Dag: what they push for later tasks."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from s3copy_tasks.dag.airflow_versions import AirflowException, AirflowFailException
from s3copy_tasks.dag.outcome import push_reason
from s3copy_tasks.dag.tasks.copy_batch import copy_batch
from s3copy_tasks.dag.tasks.summarize import summarize
from s3copy_tasks.dag.xcom import OUTSIDE, dump, dump_job
from s3copy_tasks.report.summary import outside_metrics
from tests.support.builders.bench import Bench

if TYPE_CHECKING:
    from airflow.sdk import Context


class Pushed:
    """A task instance that keeps XComs for the next one."""

    try_number, max_tries = 1, 0

    def __init__(self) -> None:
        self.task = ""
        self.values: dict[tuple[str, str], Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.values[self.task, key] = value

    def xcom_pull(self, task_ids: str, key: str = "return_value") -> Any:
        return self.values.get((task_ids, key))


def test_a_batch_that_never_begins_is_unknown() -> None:
    """A batch that fails before it lists anything leaves its objects unknown: the run fails, too."""
    bench = Bench()
    bench.put(*(f"in/{number}" for number in range(7)))
    job = bench.started()
    plan = bench.plan(job)
    pushed = Pushed()
    context: Context = {"ti": pushed, "run_id": job.run_id, "params": {"dry_run": False}}  # type: ignore[typeddict-item]
    moment = bench.destination.server_time()
    pushed.values = {
        ("plan", "return_value"): [dump(batch) for batch in plan.batches],
        ("plan", OUTSIDE): dump(outside_metrics(job, plan, moment, moment), sparse=True),
        ("preflight", "return_value"): dump_job(job),
    }
    another = replace(job, run_started=moment + timedelta(days=1))
    pushed.task = "copy_batch"
    with pytest.raises(AirflowFailException, match="PlanMismatch"):
        copy_batch(dump_job(another), dump(plan.batches[0]), context)
    pushed.task = "summarize"
    with pytest.raises(AirflowException, match="7"):
        summarize(context)
    summary = pushed.values["summarize", "metrics"]
    assert (summary["total_files_found"], summary["files_unknown"]) == (7, 7)


class TaskTimeoutError(BaseException):
    """As Airflow's: not an `Exception`."""


@pytest.mark.parametrize("error", [TaskTimeoutError("Timeout"), KeyError("x")])
def test_whatever_ends_a_step_before_the_copies_is_in_the_summary(error: BaseException) -> None:
    """A timeout of `plan`, say, has its name there, and not only in the log of the task."""
    job, pushed = Bench().started(), Pushed()
    context: Context = {"ti": pushed, "run_id": job.run_id, "params": {"dry_run": False}}  # type: ignore[typeddict-item]
    pushed.task = "plan"
    with pytest.raises(type(error)), push_reason("plan", job, context):
        raise error
    pushed.values["preflight", "return_value"] = dump_job(job)
    pushed.task = "summarize"
    with pytest.raises(AirflowFailException, match=type(error).__name__):
        summarize(context)
    assert pushed.values["summarize", "metrics"]["errors_by_code"] == {type(error).__name__: 1}
