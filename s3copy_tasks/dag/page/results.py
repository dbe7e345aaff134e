"""The figures of runs: those of their summaries, and added up here for runs that have none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy.orm import Session

from s3copy_tasks.dag.page import pushed
from s3copy_tasks.dag.page.adding import Pushed, add_up_run
from s3copy_tasks.dag.page.figures import Figures, parse_figures
from s3copy_tasks.dag.page.rows import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Results:
    """What is known of runs, by `pk`.

    Attributes:
        figures: of runs that have pushed any.
        summarized: the runs whose figures are those of their summary.
        pushed: what the tasks pushed, of runs without a summary and of the chosen run.
    """

    figures: Mapping[int, Figures]
    summarized: frozenset[int]
    pushed: Mapping[int, Pushed]


def load_results(session: Session, runs: Sequence[Run], chosen: Run | None = None) -> Results:
    """Return the results of runs, with three queries."""
    found = pushed.summaries(session, [run.pk for run in runs])
    figures = {pk: read for pk, value in found.items() if (read := parse_figures(value))}
    summarized, rest = frozenset(figures), [run for run in runs if run.pk not in figures]
    pks = {run.pk for run in [*rest, *([chosen] if chosen else [])]}
    before, states = pushed.pushed_before_summary(session, pks), pushed.batch_states(session, pks)
    for run in rest:
        added = add_up_run(before.get(run.pk, {}), states.get(run.pk, {}), is_over=run.end is not None)
        figures |= {run.pk: added} if added else {}
    return Results(figures=figures, summarized=summarized, pushed=before)
