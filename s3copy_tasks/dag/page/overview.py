"""The table of all jobs: one row each, those that need attention first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from s3copy_tasks.dag.page.figures import Figures, add_up_figures, parse_figures, parse_progress
from s3copy_tasks.dag.page.rows import Job, Run
from s3copy_tasks.dag.page.settings import Route, describe_schedule, find_route
from s3copy_tasks.dag.xcom import METRICS, PROGRESS


class State(StrEnum):
    """The state of a job's last run, in the order in which rows are shown."""

    FAILED = "failed"
    RUNNING = "running"
    QUEUED = "queued"
    SUCCESS = "success"
    NEVER = "never ran"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRow:
    """A job in the table.

    Attributes:
        job: the Dag.
        state: of its last run.
        run: the last run; None if the job never ran.
        figures: of the last run, so far if it is under way; None if it has pushed none.
        route: where it reads and writes; None if its config is unknown.
        schedule: a short description.
    """

    job: Job
    state: State
    run: Run | None
    figures: Figures | None
    route: Route | None
    schedule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The table and its totals.

    Attributes:
        rows: the requested jobs, those that need attention first.
        counts: the number of all jobs that the user may see, by state, in the order of `State`.
    """

    rows: tuple[JobRow, ...]
    counts: Mapping[State, int]

    @property
    def total(self) -> int:
        """The number of all jobs that the user may see."""
        return sum(self.counts.values())


def find_state(run: Run | None) -> State:
    """Return the state of a job; a state that this package does not know counts as running."""
    if run is None:
        return State.NEVER
    try:
        return State(run.state)
    except ValueError:
        return State.RUNNING


def job_row(job: Job, run: Run | None, figures: Figures | None, config: dict[str, Any]) -> JobRow:
    """Return the row of a job; its config may be empty."""
    return JobRow(
        job=job,
        state=find_state(run),
        run=run,
        figures=figures,
        route=find_route(config),
        schedule=describe_schedule(config) if config else "",
    )


def overview(rows: Iterable[JobRow], only: State | None) -> Overview:
    """Return the rows with one state, or all, and the number of jobs in each state."""
    order = list(State)
    rows = sorted(rows, key=lambda row: (order.index(row.state), row.job.name))
    counts = Counter(row.state for row in rows)
    return Overview(
        rows=tuple(row for row in rows if only is None or row.state is only),
        counts={state: counts[state] for state in State},
    )


def figures_by_run(
    runs: Sequence[Run], summaries: Mapping[int, Any], batches: Mapping[int, Mapping[int, Mapping[str, Any]]]
) -> dict[int, Figures]:
    """Return the figures of runs by `pk`: those of the summary, else the sum of the batches so far."""
    found: dict[int, Figures] = {}
    for run in runs:
        figures = parse_figures(summaries.get(run.pk)) or add_up_figures(
            part for pushed in batches.get(run.pk, {}).values() if (part := batch_figures(pushed))
        )
        if figures:
            found[run.pk] = figures
    return found


def batch_figures(pushed: Mapping[str, Any]) -> Figures | None:
    """Return the figures of a batch: its metrics, else its progress."""
    metrics = pushed.get(METRICS)
    inner = metrics.get(METRICS) if isinstance(metrics, dict) else None
    return parse_figures(inner) or parse_progress(pushed.get(PROGRESS))
