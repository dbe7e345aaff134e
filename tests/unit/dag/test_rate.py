"""A running batch adapts its limit to how many batches run, and never fails because of that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from s3copy_tasks.core.batch import Batch, KeyRange
from s3copy_tasks.core.options import TransferOptions
from s3copy_tasks.core.rate_share import ASK_SECONDS, NEW_SECONDS
from s3copy_tasks.dag.rate import share_rate
from tests.support.builders.bench import make_job
from tests.support.builders.logs import log_lines

if TYPE_CHECKING:
    from airflow.sdk import Context

    from s3copy_tasks.engine.sender import Sender

JOB = make_job(transfer=TransferOptions(max_requests_per_second=1_600, max_active_batches=8))


def batch(of: int) -> Batch:
    key_range = KeyRange(entry=0, after=None, through="z", found=9, objects=9, bytes=9)
    return Batch(id=0, of=of, plan_id="p", label="1 in/", ranges=(key_range,))


class Instance:
    """A task instance that answers how many run, and remembers the questions."""

    dag_id, task_id = "s3copy__job", "copy_batch"

    def __init__(self, *counts: int | Exception) -> None:
        self.counts = list(counts)
        self.questions: list[dict[str, Any]] = []

    def get_ti_count(self, **question: Any) -> int:
        self.questions.append(question)
        count = self.counts.pop(0)
        if isinstance(count, Exception):
            raise count
        return count


class Limits:
    """A sender that remembers its limits."""

    def __init__(self) -> None:
        self.limits: list[float] = []

    def limit(self, per_second: float) -> None:
        self.limits.append(per_second)


def follow(instance: Instance, of: int, waits: int) -> tuple[list[float], list[float]]:
    """Return the limits that were set, and the seconds waited, until the batch ends."""
    sender, waited = Limits(), list[float]()

    def wait(seconds: float) -> bool:
        waited.append(seconds)
        return len(waited) > waits

    context = cast("Context", {"ti": instance, "run_id": "manual__1"})
    with share_rate(JOB, batch(of), cast("Sender", sender), context, wait=wait):
        pass
    return sender.limits, waited


def test_the_limit_follows_what_runs() -> None:
    """A new batch begins with half its part; alone it gets more than half of everything."""
    instance = Instance(1, 1, 8)
    limits, waited = follow(instance, of=20, waits=3)
    assert waited == [NEW_SECONDS, ASK_SECONDS, ASK_SECONDS, ASK_SECONDS]
    assert limits == [100, 100, 200, 200, 200, 900, 200, 200]
    assert instance.questions[0] == {
        "dag_id": "s3copy__job",
        "task_ids": ["copy_batch"],
        "run_ids": ["manual__1"],
        "states": ["running"],
    }


@pytest.mark.parametrize("error", [RuntimeError("the API is away"), AttributeError("no such method")])
def test_without_an_answer_the_part_stays(error: Exception) -> None:
    """If Airflow can't be asked, that is logged once, and the batch keeps an even part."""
    with log_lines() as lines:
        limits, _ = follow(Instance(1, 1, error), of=20, waits=9)
    assert limits[-1] == 200
    assert [line["event"] for line in lines] == ["the rate is not shared by what runs"]


def test_a_single_batch_has_everything() -> None:
    """A run of one batch asks for nothing."""
    instance = Instance()
    limits, waited = follow(instance, of=1, waits=0)
    assert (limits, waited, instance.questions) == ([1_600], [], [])
