"""All jobs at a glance: a row for each, what needs attention first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from s3copy_tasks.dag.page.figures import Figures, figures_of, figures_under_way, so_far
from s3copy_tasks.dag.page.rows import Job, Run
from s3copy_tasks.dag.page.settings import Route, route_of, schedule_of
from s3copy_tasks.dag.xcom import METRICS, PROGRESS


class State(StrEnum):
    """How a job stands, by its last run. In the order in which rows are shown."""

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
        run: the last one; None where it never ran.
        figures: of the last run, so far where it is under way; None where it has pushed none.
        route: where it reads and writes; None where its Dag does not say.
        schedule: in a few words.
    """

    job: Job
    state: State
    run: Run | None
    figures: Figures | None
    route: Route | None
    schedule: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """The table and what it comes to.

    Attributes:
        rows: those that were asked for, what needs attention first.
        counts: all jobs that the user may see, by state, in the order of `State`.
    """

    rows: tuple[JobRow, ...]
    counts: Mapping[State, int]

    @property
    def total(self) -> int:
        """All jobs that the user may see."""
        return sum(self.counts.values())


def state_of(run: Run | None) -> State:
    """Return how a job stands; a state that Airflow may add later counts as under way."""
    if run is None:
        return State.NEVER
    try:
        return State(run.state)
    except ValueError:
        return State.RUNNING


def job_row(job: Job, run: Run | None, figures: Figures | None, config: dict[str, Any]) -> JobRow:
    """Put together what is known of a job; its config may be empty."""
    return JobRow(
        job=job,
        state=state_of(run),
        run=run,
        figures=figures,
        route=route_of(config),
        schedule=schedule_of(config) if config else "",
    )


def overview(rows: Iterable[JobRow], only: State | None) -> Overview:
    """Return the rows of a state, or all, and how many there are of each."""
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
    """Return the figures of runs by their `pk`: the summary's, else what the batches have come to so far."""
    found: dict[int, Figures] = {}
    for run in runs:
        figures = figures_of(summaries.get(run.pk)) or so_far(
            account for one in batches.get(run.pk, {}).values() if (account := batch_figures(one))
        )
        if figures:
            found[run.pk] = figures
    return found


def batch_figures(pushed: Mapping[str, Any]) -> Figures | None:
    """Return what a batch has come to: its own account, else its progress."""
    account = pushed.get(METRICS)
    inner = account.get(METRICS) if isinstance(account, dict) else None
    return figures_of(inner) or figures_under_way(pushed.get(PROGRESS))
