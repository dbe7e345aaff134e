"""Single tasks of a Dag: what they push for later tasks."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from airflow.sdk.api.datamodels._generated import DagRunType

from s3copy_tasks.core.collector import utc_now
from s3copy_tasks.core.deletions import DeleteBatch
from s3copy_tasks.core.metrics import TransferMetrics
from s3copy_tasks.dag.airflow_versions import AirflowException, AirflowFailException
from s3copy_tasks.dag.outcome import push_reason
from s3copy_tasks.dag.tasks.copy_batch import copy_batch
from s3copy_tasks.dag.tasks.deletions import deletions
from s3copy_tasks.dag.tasks.summarize import summarize
from s3copy_tasks.dag.xcom import EXTRANEOUS, OUTSIDE, dump, dump_job, load
from s3copy_tasks.report.summary import outside_metrics
from tests.support.builders.bench import Bench
from tests.support.builders.documents import document, job_of, write
from tests.support.builders.mirror import MirrorBench, make_mirror

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from airflow.sdk import Context


class Pushed:
    """A task instance that keeps XComs for the next one."""

    try_number, max_tries = 1, 0
    dag_id = "s3copy__job"

    def __init__(self) -> None:
        self.task = ""
        self.values: dict[tuple[str, str], Any] = {}
        self.running = 1

    def xcom_push(self, key: str, value: Any) -> None:
        self.values[self.task, key] = value

    def get_dr_count(self, dag_id: str, states: list[str]) -> int:
        assert (dag_id, states) == (self.dag_id, ["running"])
        return self.running

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


class Mirrored:
    """A mirror's run whose copies have ended, and the config that its Dag has now."""

    def __init__(self, folder: Path) -> None:
        content = document(on_empty="succeed", mirror={"max_deleted_objects": 9, "unversioned": "allow"})
        self.config = job_of(write(folder, content))
        mirror = make_mirror(digest=self.config.digest, allows_unversioned=True)
        self.bench = MirrorBench(mirror)
        self.bench.bench.put("in/0")
        self.bench.put_copies("out/0", "out/1")
        self.plan = self.bench.plan()
        self.pushed = Pushed()
        self.context: Any = {
            "ti": self.pushed,
            "run_id": mirror.run_id,
            "params": {"dry_run": False},
            "dag_run": SimpleNamespace(run_type="manual"),
        }
        self.pushed.values = {
            ("preflight", "return_value"): dump_job(mirror),
            ("plan", "return_value"): [],
            ("plan", OUTSIDE): dump(TransferMetrics(operation_id=mirror.run_id), sparse=True),
            ("plan", EXTRANEOUS): dump(self.plan, sparse=True),
        }

    def judge(self) -> list[dict[str, Any]]:
        self.pushed.task = "deletions"
        batches = deletions(self.config, self.context)
        self.pushed.values["deletions", "return_value"] = batches
        return batches

    def summarize(self) -> dict[str, Any]:
        """Return what a run that fails reports of its deletes."""
        self.pushed.task = "summarize"
        with pytest.raises(AirflowFailException):
            summarize(self.context)
        found: dict[str, Any] = self.pushed.values["summarize", "metrics"]["deletions"]
        return found


def test_batches_may_delete_until_tomorrow(tmp_path: Path) -> None:
    """The verdict sets the time after which a task that is cleared by hand deletes nothing."""
    (batch,) = [load(DeleteBatch, plain) for plain in Mirrored(tmp_path).judge()]
    assert batch.not_after is not None
    assert timedelta(hours=23) < batch.not_after - utc_now() <= timedelta(hours=24)


def start_another(mirrored: Mirrored) -> None:
    mirrored.pushed.running = 2


def edit_config(mirrored: Mirrored) -> None:
    mirrored.config = replace(mirrored.config, digest="another")


def start_by_backfill(mirrored: Mirrored) -> None:
    mirrored.context["dag_run"].run_type = DagRunType.BACKFILL


def add_writer(mirrored: Mirrored) -> None:
    inside = [{"source": "x/", "destination": "backup/daily/x/"}]
    write(mirrored.config.file.parent, document(prefixes=inside), "other.yaml")


CHANGES: dict[str, tuple[Callable[[Mirrored], None], str]] = {
    "another run": (start_another, "1 other runs of the job are running"),
    "another config": (edit_config, "the config has changed since the run was prepared"),
    "a backfill": (start_by_backfill, "a backfill never deletes"),
    "another job": (add_writer, "the job 'other' copies to s3://partner-granules/backup/daily/x/"),
}


@pytest.mark.parametrize(("change", "words"), CHANGES.values(), ids=CHANGES)
def test_what_the_run_can_not_know_refuses(
    tmp_path: Path, change: Callable[[Mirrored], None], words: str
) -> None:
    """Nothing is deleted, and the run fails with the reason."""
    mirrored = Mirrored(tmp_path)
    change(mirrored)
    assert mirrored.judge() == []
    found = mirrored.summarize()
    assert (words in found["refused"], found["kept"]) == (True, {"refused": 1})


def test_without_a_verdict_nothing_was_deleted(tmp_path: Path) -> None:
    """`deletions` that a worker has lost leaves no batch, and the summary says where to look."""
    found = Mirrored(tmp_path).summarize()
    assert "the task `deletions` ended without a verdict" in found["refused"]
    assert found["kept"] == {"refused": 1}


def test_a_batch_of_deletes_that_reports_nothing_is_unknown(tmp_path: Path) -> None:
    """Its objects may be deleted: the number that is reported is a lower bound."""
    mirrored = Mirrored(tmp_path)
    mirrored.judge()
    found = mirrored.summarize()
    assert (found["unknown"], found["deleted"], found["at_least"]) == (1, 0, True)
    assert found["errors_by_code"] == {"BatchLost": 1}


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
