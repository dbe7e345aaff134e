"""One job: its runs, and one run with its batches, skips, failures and config."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from s3copy_tasks.dag.page.adding import Pushed, find_whole_errors
from s3copy_tasks.dag.page.batches import Batch, batches
from s3copy_tasks.dag.page.charts import LANE_HEIGHT, Bar, columns, lanes, ticks
from s3copy_tasks.dag.page.figures import Figures, parse_figures
from s3copy_tasks.dag.page.rows import Run, Task
from s3copy_tasks.dag.page.settings import Setting, list_explained_settings
from s3copy_tasks.dag.page.shapes import mappings
from s3copy_tasks.dag.xcom import BATCHES, CONFIG, ENTRIES
from s3copy_tasks.report.advice import advise, advise_faster, advise_rerun

RUNS_SHOWN = 30
_APPROVE = "approve"
_WAITING = frozenset({"deferred", "awaiting_input", "running"})
STEPS = (
    "preflight",
    "plan",
    "copy_batch",
    _APPROVE,
    "deletions",
    "delete_batch",
    "summarize",
    "publish",
)


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
        waits_for_approval: whether a person has to decide whether it deletes.
        batches: by number.
        timeline: batches that have begun, in lanes.
        height: of the timeline, in pixels.
        ticks: marks of the timeline's axis: position in percent, and second.
        entries: the entries of the job.
        advice: what to do about the most frequent codes, as in messages; empty while it is under way.
        delete_advice: the same about the codes of deletes.
        errors: the first failures, with their whole reasons.
        faster: what would make it faster, by what limited it for longest; empty if that is unknown.
        settings: the config that it used; empty if `preflight` pushed none.
    """

    row: RunRow
    steps: tuple[Step, ...]
    waits_for_approval: bool
    batches: tuple[Batch, ...]
    timeline: tuple[Bar[Batch], ...]
    height: float
    ticks: tuple[tuple[float, float], ...]
    entries: tuple[Entry, ...]
    advice: tuple[str, ...]
    delete_advice: tuple[str, ...]
    errors: tuple[str, ...]
    faster: str
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
    ("Failed or unknown", "number", _of_figures("bad")),
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
        starts = [task.begun for task in instances if task.begun]
        ends = [task.end or now for task in instances if task.begun]
        found.append(
            Step(
                name=name,
                state=next((state for state in worst if state in states), instances[0].state),
                instances=len(instances),
                seconds=(max(ends) - min(starts)).total_seconds() if starts else None,
            )
        )
    return found


def run_view(
    row: RunRow, tasks: Sequence[Task], summarized: Mapping[str, Any], pushed: Pushed, now: datetime
) -> RunView:
    """Return the view of a run.

    Args:
        row: the run.
        tasks: all its task instances.
        summarized: what `summarize` pushed, by key, and the `config` of `preflight`.
        pushed: what the tasks pushed before the summary.
        now: the end of batches under way.
    """
    found = batches(tasks, summarized.get(BATCHES), pushed, now, is_over=row.run.end is not None)
    begun = [(batch.start, batch.end) for batch in found if batch.start and batch.end]
    span = (max(e for _, e in begun) - min(s for s, _ in begun)).total_seconds() if begun else 0.0
    bars = lanes(
        found,
        lambda batch: (batch.start.timestamp(), batch.end.timestamp()) if batch.start and batch.end else None,
    )
    return RunView(
        row=row,
        steps=tuple(steps(tasks, now)),
        waits_for_approval=any(task.task_id == _APPROVE and task.state in _WAITING for task in tasks),
        batches=tuple(found),
        timeline=tuple(bars),
        height=max((bar.y + LANE_HEIGHT for bar in bars), default=0),
        ticks=tuple(ticks(span)),
        entries=tuple(entries(summarized.get(ENTRIES))),
        advice=_advise(row) if row.run.end else (),
        delete_advice=_advise_deletes(row) if row.run.end else (),
        errors=find_whole_errors(row.figures.errors, pushed) if row.figures else (),
        faster=_advise_faster(row.figures) if row.figures else "",
        settings=tuple(list_explained_settings(summarized.get(CONFIG))),
    )


def _advise_faster(figures: Figures) -> str:
    limited_by = next(iter(figures.limited_milliseconds), "")
    return advise_faster(limited_by, has_queue=figures.messages is not None)


def _advise(row: RunRow) -> tuple[str, ...]:
    """Return what to do about failures: about the most frequent codes, and how to run only these objects."""
    figures = row.figures
    if figures is None:
        return ()
    has_queue = figures.messages is not None
    rerun = advise_rerun(figures.failed, figures.results, row.run.job, has_queue=has_queue)
    return (*advise(figures.errors_by_code, row.run.job), *([] if rerun is None else [rerun]))


def _advise_deletes(row: RunRow) -> tuple[str, ...]:
    """Return what to do about errors of deletes; a refusal says itself what to do."""
    deletions = row.figures.deletions if row.figures else None
    return tuple(advise(deletions.errors_by_code, row.run.job)) if deletions else ()


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
