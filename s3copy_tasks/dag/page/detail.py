"""One job: its runs, and one run with its batches, skips, failures and config."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from s3copy_tasks.dag.page.charts import LANE_HEIGHT, Bar, columns, lanes, ticks
from s3copy_tasks.dag.page.figures import Figures, parse_figures
from s3copy_tasks.dag.page.overview import batch_figures
from s3copy_tasks.dag.page.rows import Run, Task
from s3copy_tasks.dag.page.settings import Setting, list_explained_settings
from s3copy_tasks.dag.page.shapes import mappings
from s3copy_tasks.dag.xcom import BATCHES, CONFIG, ENTRIES

RUNS_SHOWN = 30
STEPS = ("preflight", "plan", "copy_batch", "summarize", "publish")


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """A run with its figures; they are None if it has pushed none."""

    run: Run
    figures: Figures | None
    seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The task instances with one id in a run.

    Attributes:
        name: the task's id.
        state: the worst state of its instances, else the least advanced.
        instances: their number.
        seconds: from the first start to the last end; None if none has begun.
    """

    name: str
    state: str
    instances: int
    seconds: float | None


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An entry of a job in a run."""

    name: str
    source: str
    destination: str
    figures: Figures


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """A run in full.

    Attributes:
        row: the run and its figures.
        steps: its tasks.
        batches: by number.
        timeline: batches that have begun, in lanes.
        height: of the timeline, in pixels.
        ticks: marks of the timeline's axis: position in percent, and second.
        entries: the entries of the job.
        settings: the config that it used; empty if `preflight` pushed none.
    """

    row: RunRow
    steps: tuple[Step, ...]
    batches: tuple[Batch, ...]
    timeline: tuple[Bar[Batch], ...]
    height: float
    ticks: tuple[tuple[float, float], ...]
    entries: tuple[Entry, ...]
    settings: tuple[Setting, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """One measure of many runs.

    Attributes:
        name: of the measure.
        unit: the format of its numbers: `number`, `size` or `duration`.
        top: the largest value.
        bars: a bar for each run, the oldest first.
    """

    name: str
    unit: str
    top: float
    bars: tuple[Bar[RunRow], ...]


def run_rows(runs: Sequence[Run], figures: Mapping[int, Figures], now: datetime) -> list[RunRow]:
    """Return rows of runs with their figures; the duration of a run under way is until now."""
    return [
        RunRow(
            run=run,
            figures=figures.get(run.pk),
            seconds=((run.end or now) - run.start).total_seconds() if run.start else None,
        )
        for run in runs
    ]


def charts(rows: Sequence[RunRow]) -> list[Chart]:
    """Return the charts of runs, which are given latest first; the oldest is leftmost."""
    oldest_first = list(reversed(rows))
    return [
        Chart(
            name=name,
            unit=unit,
            top=max((amount(row) or 0 for row in rows), default=0),
            bars=tuple(columns(oldest_first, amount, RUNS_SHOWN)),
        )
        for name, unit, amount in _MEASURES
    ]


def _of_figures(name: str) -> Callable[[RunRow], float | None]:
    return lambda row: getattr(row.figures, name) if row.figures else None


_MEASURES: tuple[tuple[str, str, Callable[[RunRow], float | None]], ...] = (
    ("Objects copied", "number", _of_figures("copied")),
    ("Bytes copied", "size", _of_figures("transferred")),
    ("Duration", "duration", lambda row: row.seconds),
    ("Failed objects", "number", _of_figures("bad")),
)


def steps(tasks: Sequence[Task], now: datetime) -> list[Step]:
    """Return the steps of a run in their order."""
    worst = ("failed", "upstream_failed", "up_for_retry", "running", "queued", "scheduled", "waiting")
    found = []
    for name in STEPS:
        instances = [task for task in tasks if task.task_id == name]
        if not instances:
            continue
        states = {task.state for task in instances}
        starts = [task.start for task in instances if task.start]
        ends = [task.end or now for task in instances if task.start]
        found.append(
            Step(
                name=name,
                state=next((state for state in worst if state in states), instances[0].state),
                instances=len(instances),
                seconds=(max(ends) - min(starts)).total_seconds() if starts else None,
            )
        )
    return found


def batches(
    tasks: Sequence[Task], summarized: Any, pushed: Mapping[int, Mapping[str, Any]], now: datetime
) -> list[Batch]:
    """Return the batches of a run by number.

    Args:
        tasks: of the run.
        summarized: what `summarize` pushed as `batches`; any other shape is ignored.
        pushed: what each batch pushed, by its number.
        now: the end of batches under way.
    """
    metrics_by_batch = {
        metrics["batch"]: metrics for metrics in mappings(summarized) if isinstance(metrics.get("batch"), int)
    }
    found = []
    for task in sorted(tasks, key=lambda task: task.index):
        if task.task_id != "copy_batch" or task.index < 0:
            continue
        metrics = metrics_by_batch.get(task.index, {})
        found.append(
            Batch(
                number=task.index,
                label=str(metrics.get("label") or task.label or ""),
                state=task.state,
                start=task.start,
                end=task.end or (now if task.start else None),
                tries=task.tries,
                figures=parse_figures(metrics) or batch_figures(pushed.get(task.index, {})),
            )
        )
    return found


def run_view(
    row: RunRow,
    tasks: Sequence[Task],
    pushed: Mapping[str, Any],
    by_batches: Mapping[int, Mapping[str, Any]],
    now: datetime,
) -> RunView:
    """Return the view of a run.

    Args:
        row: the run.
        tasks: all its task instances.
        pushed: what `preflight` and `summarize` pushed, by key.
        by_batches: what each batch pushed, by its number.
        now: the end of batches under way.
    """
    found = batches(tasks, pushed.get(BATCHES), by_batches, now)
    begun = [(batch.start, batch.end) for batch in found if batch.start and batch.end]
    span = (max(e for _, e in begun) - min(s for s, _ in begun)).total_seconds() if begun else 0.0
    bars = lanes(
        found,
        lambda batch: (batch.start.timestamp(), batch.end.timestamp()) if batch.start and batch.end else None,
    )
    return RunView(
        row=row,
        steps=tuple(steps(tasks, now)),
        batches=tuple(found),
        timeline=tuple(bars),
        height=max((bar.y + LANE_HEIGHT for bar in bars), default=0),
        ticks=tuple(ticks(span)),
        entries=tuple(entries(pushed.get(ENTRIES))),
        settings=tuple(list_explained_settings(pushed.get(CONFIG))),
    )


def entries(pushed: Any) -> list[Entry]:
    """Return the entries that `summarize` pushed."""
    return [
        Entry(
            name=str(entry.get("entry", "")),
            source=str(entry.get("source", "")),
            destination=str(entry.get("destination", "")),
            figures=figures,
        )
        for entry in mappings(pushed)
        if (figures := parse_figures(entry)) is not None
    ]
