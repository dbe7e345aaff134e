"""The table of all jobs: one row each, those that need attention first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from s3copy_tasks.dag.page.figures import Figures
from s3copy_tasks.dag.page.rows import Job, Run
from s3copy_tasks.dag.page.settings import Route, describe_schedule, find_route


class State(StrEnum):
    """The state of a job, in the order in which rows are shown: that of its last run, if it has a config."""

    FAILED = "failed"
    RUNNING = "running"
    QUEUED = "queued"
    SUCCESS = "success"
    NEVER = "never ran"
    GONE = "config gone"


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
    """The jobs in the table, and the totals above it.

    Attributes:
        jobs: the requested jobs, those that need attention first.
        counts: the number of all jobs that the user may see, by state, in the order of `State`.
    """

    jobs: tuple[Job, ...]
    counts: Mapping[State, int]

    @property
    def total(self) -> int:
        """The number of all jobs that the user may see, without those whose config is gone."""
        return sum(count for state, count in self.counts.items() if state is not State.GONE)


def overview(jobs: Iterable[Job], runs: Mapping[str, Run], only: State | None) -> Overview:
    """Return which jobs to show: those in one state, or all that have a config.

    Args:
        jobs: all that the user may see.
        runs: the last run of each job, by Dag id.
        only: the state.
    """
    states = {job: State.GONE if job.is_gone else find_state(runs.get(job.dag_id)) for job in jobs}
    wanted = {only} if only else set(State) - {State.GONE}
    order, counts = list(State), Counter(states.values())
    return Overview(
        jobs=tuple(
            job
            for job, state in sorted(states.items(), key=lambda one: (order.index(one[1]), one[0].name))
            if state in wanted
        ),
        counts={state: counts[state] for state in State},
    )


def find_state(run: Run | None) -> State:
    """Return the state of a last run; a state that this package does not know counts as running."""
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
