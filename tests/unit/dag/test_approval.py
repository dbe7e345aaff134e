"""The question about deletes, and what an answer means."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from s3copy_tasks.core.collector import utc_now
from s3copy_tasks.core.deletions import DeleteBatch, DeletePlan, GroupPlan
from s3copy_tasks.dag.airflow_versions import HAS_APPROVALS
from s3copy_tasks.dag.pulled import withdraw_unapproved
from s3copy_tasks.dag.tasks.preflight import check_approval
from s3copy_tasks.dag.xcom import EXTRANEOUS, VERDICT, dump
from s3copy_tasks.delete.judge import Verdict
from s3copy_tasks.errors import ConfigError
from tests.support.builders.documents import document, job_of, write
from tests.support.builders.mirror import make_folder_deletes, make_mirror

if TYPE_CHECKING:
    from pathlib import Path

MIRROR = {"max_deleted_objects": 1, "approval": "always", "approvers": ["17"], "answer_within": "4h"}
OLD_PLAN, PLAN = "0123/run/a/aaaaaabbbbbb", "0123/run/a/ccccccdddddd"


BATCH = DeleteBatch(id=0, of=1, plan_id=PLAN, label="1/1", ranges=(), not_after=utc_now())


class Pulled:
    """A task instance of a run whose tasks have pushed values."""

    def __init__(self, values: dict[tuple[str, str], Any]) -> None:
        self._values = values

    def xcom_pull(self, *, task_ids: str, key: str) -> Any:
        return self._values.get((task_ids, key))


def is_allowed(verdict: Verdict | None, answer: dict[str, str] | None) -> bool:
    """Return whether a batch may delete after a verdict, while `approve` has returned an answer."""
    judged = None if verdict is None else dump(verdict)
    pulled = Pulled({("deletions", VERDICT): judged, ("approve", "return_value"): answer})
    context: Any = {"ti": pulled}
    return withdraw_unapproved(context, BATCH).not_after is not None


def test_a_batch_reads_the_answer_again() -> None:
    """What was approved needs that answer still, about this plan; what no one was asked about does not."""
    approved, yes = Verdict(by_approval=True), {"answer": "delete", "plan_id": PLAN}
    assert is_allowed(approved, yes)
    for other in (yes | {"plan_id": OLD_PLAN}, yes | {"answer": "keep"}, None):
        assert not is_allowed(approved, other)
        assert is_allowed(Verdict(), other)
        assert not is_allowed(None, other)


@pytest.mark.skipif(not HAS_APPROVALS, reason="Airflow 3.0 asks no one")
class TestQuestion:
    """From Airflow 3.1 on."""

    def test_only_the_plan_that_was_asked_about_is_approved(self) -> None:
        """Airflow shows the old question of a cleared task: any other option than today's is Keep."""
        from s3copy_tasks.dag.approval import name_option  # noqa: PLC0415 - Airflow 3.0 can't import it
        from s3copy_tasks.dag.tasks.approve import read_answer  # noqa: PLC0415

        group = GroupPlan(prefix="out/", in_scope=19_000, extraneous=19_000)
        plan = DeletePlan(batches=(BATCH,), groups=(group,))
        context: Any = {"ti": Pulled({("plan", EXTRANEOUS): dump(plan)})}

        def answer(*options: str) -> str:
            chosen = read_answer(context, {"chosen_options": list(options)})
            assert chosen["plan_id"] == PLAN
            return str(chosen["answer"])

        asked = name_option(PLAN, 19_000)
        assert asked == "Delete 19,000 (plan cccccc)"
        assert answer(asked) == "delete"
        for other in (
            (name_option(OLD_PLAN, 19_000),),
            (name_option(PLAN, 100),),
            ("Keep",),
            ("Delete",),
            (),
        ):
            assert answer(*other) == "keep"
        assert read_answer(context, {"error": "no trigger"})["answer"] == "keep"

    def test_the_task_waits_as_long_as_the_job_says(self, tmp_path: Path) -> None:
        """For an answer of its approvers, without retries; the default is Keep."""
        from s3copy_tasks.dag.factory import build_dag  # noqa: PLC0415

        task: Any = build_dag(job_of(write(tmp_path, document(mirror=MIRROR)))).get_task("approve")
        limit = getattr(task, "response_timeout", None) or task.execution_timeout
        assert (limit.total_seconds(), task.retries, task.defaults) == (4 * 3_600, 0, ["Keep"])
        assert [user["id"] for user in task.assigned_users] == ["17"]
        assert task.downstream_task_ids == {"deletions"}

    def test_a_job_that_deletes_folders_can_ask(self, tmp_path: Path) -> None:
        """Whatever `approval` says, and each question says what comes back; names end no code."""
        from s3copy_tasks.dag.factory import build_dag  # noqa: PLC0415
        from s3copy_tasks.dag.tasks.approve import _describe  # noqa: PLC0415

        job = job_of(write(tmp_path, document(mirror={"max_deleted_objects": 1, "delete_folder": True})))
        assert "approve" in build_dag(job).task_ids
        group = GroupPlan(prefix="out/`|/", in_scope=3, extraneous=2)
        body = _describe(make_folder_deletes("out/`|/"), DeletePlan(groups=(group,), comes_back=True))
        assert "2 of 3 objects" in body
        assert (
            "lists the objects. Limits of the job: max_deleted_objects 1,000. Each delete can be undone."
            in body
        )
        assert "the next copy brings them back" in body
        assert "| `out/??/` | 3 | 2 |" in body


@pytest.mark.skipif(HAS_APPROVALS, reason="Airflow can ask")
def test_airflow_3_0_is_refused(tmp_path: Path) -> None:
    """The job has its Dag, and its run fails before anything is copied."""
    with pytest.raises(ConfigError, match=r"mirror\.approval: needs Airflow 3\.1"):
        check_approval(job_of(write(tmp_path, document(mirror=MIRROR))), make_mirror())
    folder = make_folder_deletes("out/x/")
    with pytest.raises(ConfigError, match=r"delete_folder: needs Airflow 3\.1"):
        check_approval(job_of(write(tmp_path, document(mirror={"max_deleted_objects": 1}))), folder)
