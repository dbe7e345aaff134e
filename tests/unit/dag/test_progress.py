"""The progress of a running batch, in its log and as an XCom."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

import pytest

from s3copy_tasks.core.batch import Batch, KeyRange
from s3copy_tasks.core.collector import MetricsCollector
from s3copy_tasks.core.metrics import Failure
from s3copy_tasks.core.objects import SkipReason
from s3copy_tasks.dag.telemetry.progress import SECONDS, report_progress
from tests.support.airflow.operators import Attempt
from tests.support.builders.bench import make_job
from tests.support.builders.logs import log_lines
from tests.support.s3.memory import Clock

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow.sdk import Context

BATCH = Batch(
    id=3,
    of=5,
    plan_id="p",
    label="4/5 in/",
    ranges=(KeyRange(entry=0, after=None, through="z", found=9, objects=9, bytes=9),),
)
PATIENCE_SECONDS = 10


class Ticks:
    """A wait that runs one action each time, and then says that the batch has ended."""

    def __init__(self, *actions: Callable[[], object]) -> None:
        self.actions = list(actions)
        self.waited: list[float] = []

    def __call__(self, seconds: float) -> bool:
        self.waited.append(seconds)
        if not self.actions:
            return True
        self.actions.pop(0)()
        return False


class Broken(Attempt):
    """A task instance whose first push fails."""

    pushes = 0

    def xcom_push(self, key: str, value: Any) -> None:
        self.pushes += 1
        if self.pushes == 1:
            raise RuntimeError("the API is away")
        super().xcom_push(key, value)


@pytest.fixture
def collector() -> MetricsCollector:
    made = MetricsCollector(Clock())
    made.start_operation("run-1")
    return made


def report_batch(collector: MetricsCollector, ti: Attempt, wait: Ticks) -> list[dict[str, Any]]:
    """Return the log lines of a batch that ends when `wait` returns True."""
    with log_lines() as lines, report_progress(make_job(), BATCH, collector, in_task(ti), wait=wait):
        pass  # the exit waits for the thread
    return lines


def in_task(ti: Attempt) -> Context:
    return cast("Context", {"ti": ti})


def test_progress(collector: MetricsCollector) -> None:
    """Every 5 s log and XCom report objects found, their total, copied and failed, the rate, and the time."""
    clock = collector._clock
    assert isinstance(clock, Clock)

    def some() -> None:
        clock.tick(5)
        for _ in range(4):
            collector.record_file_success(10, entry=0)
        collector.record_skip(SkipReason.UNCHANGED, 0)

    def more() -> None:
        clock.tick(5)
        collector.record_file_failure(Failure.of(entry=0, key="k", code="c", message="m", attempts=1))

    ti, wait = Attempt(), Ticks(some, more)
    lines = report_batch(collector, ti, wait)
    assert wait.waited == [SECONDS] * 3
    assert [line["event"] for line in lines] == ["batch progress"] * 2
    shown = [{k: line[k] for k in ("batch", "found", "of", "copied", "failed", "bytes")} for line in lines]
    assert shown == [
        {"batch": 4, "found": 5, "of": 9, "copied": 4, "failed": 0, "bytes": 40},
        {"batch": 4, "found": 6, "of": 9, "copied": 4, "failed": 1, "bytes": 40},
    ]
    assert [line["objects_per_second"] for line in lines] == [0.8, 0.4]
    pushed = ti.pushed["progress"]
    assert pushed == {key: lines[1][key] for key in pushed}
    assert datetime.fromisoformat(pushed["at"]).tzinfo is not None


def test_a_failed_push_is_a_warning(collector: MetricsCollector) -> None:
    """A failed push stops neither the copy nor later pushes."""
    ti = Broken()
    lines = report_batch(collector, ti, Ticks(lambda: None, lambda: None))
    assert [line["event"] for line in lines] == ["batch progress", "progress is not shown", "batch progress"]
    assert ti.pushed["progress"]["found"] == 0


def test_a_short_batch_reports_no_progress(collector: MetricsCollector) -> None:
    """A batch that ends within 5 s does not wait, even if it ends with an error."""
    ti = Attempt()
    with pytest.raises(ValueError, match="bug"), report_progress(make_job(), BATCH, collector, in_task(ti)):
        raise ValueError("bug")
    assert ti.pushed == {}
