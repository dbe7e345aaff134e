"""The batches of one run: state and times from Airflow, figures and labels from what the tasks pushed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from s3copy_tasks.dag.page.adding import PLAN, RESULT, Pushed, figures_by_batch, read_plan
from s3copy_tasks.dag.page.figures import Figures, parse_figures
from s3copy_tasks.dag.page.rows import Task
from s3copy_tasks.dag.page.shapes import mappings


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A batch of a run.

    Attributes:
        number: from 0; its map index.
        label: what it copies.
        state: state of its task.
        start: start of its task; None if it has not begun.
        end: end of its task; now if it is under way.
        tries: number of attempts.
        figures: its result, so far if it is under way.
    """

    number: int
    label: str
    state: str
    start: datetime | None
    end: datetime | None
    tries: int
    figures: Figures | None

    @property
    def seconds(self) -> float | None:
        """The duration of its last attempt, so far if it is under way."""
        return (self.end - self.start).total_seconds() if self.start and self.end else None


def batches(
    tasks: Sequence[Task], summarized: Any, pushed: Pushed, now: datetime, *, is_over: bool
) -> list[Batch]:
    """Return the batches of a run by number.

    Args:
        tasks: of the run.
        summarized: what `summarize` pushed as `batches`; any other shape is ignored.
        pushed: what the tasks pushed before.
        now: the end of batches under way.
        is_over: whether the run has ended.
    """
    metrics_by_batch = {
        metrics["batch"]: metrics for metrics in mappings(summarized) if isinstance(metrics.get("batch"), int)
    }
    mapped = [task for task in tasks if task.task_id == "copy_batch" and task.index >= 0]
    planned = read_plan(pushed.get(PLAN, {}).get(RESULT))
    added = figures_by_batch(pushed, {task.index: task.state for task in mapped}, is_over=is_over)
    found = []
    for task in sorted(mapped, key=lambda task: task.index):
        metrics, plan = metrics_by_batch.get(task.index, {}), planned.get(task.index)
        found.append(
            Batch(
                number=task.index,
                label=str(metrics.get("label") or (plan.label if plan else "") or task.label or ""),
                state=task.state,
                start=task.begun,
                end=(task.end or now) if task.begun else None,
                tries=task.tries,
                figures=parse_figures(metrics) or added.get(task.index),
            )
        )
    return found
