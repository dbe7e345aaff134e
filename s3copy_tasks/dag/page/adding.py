"""Adds up a run that has no summary: it is under way, or a person marked its end, or a summary was lost.

The same law as in the summary: found = copied + skipped + failed + vanished + unknown. A batch that has ended
without a report leaves its objects unknown, except those that its progress counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, TypeAlias

from s3copy_tasks.core.objects import SkipReason
from s3copy_tasks.core.queue import add_messages
from s3copy_tasks.core.request_counts import Requests
from s3copy_tasks.core.text import printable
from s3copy_tasks.dag.page.deletions import add_up_deletions
from s3copy_tasks.dag.page.figures import Figures, parse_figures, parse_progress
from s3copy_tasks.dag.page.reading import ERRORS_SHOWN, add_up, read_count, read_whole
from s3copy_tasks.dag.page.shapes import mapping, mappings
from s3copy_tasks.dag.xcom import METRICS, OUTSIDE, PROGRESS, REASON, VERDICT

Pushed: TypeAlias = Mapping[tuple[str, int], Mapping[str, Any]]
"""What the tasks of a run pushed before its summary: by task and number (-1 if it is not mapped), by key."""

PLAN, RESULT = ("plan", -1), "return_value"
_ENDED = frozenset({"success", "failed", "upstream_failed", "skipped"})
_REMOVED = "removed"
"""The state of a batch that a later plan of the same run does not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedBatch:
    """What the plan found for a batch: the objects in its ranges, and the bytes to copy or compare."""

    found: int
    bytes: int
    plan_id: str
    label: str


def read_plan(value: Any) -> dict[int, PlannedBatch]:
    """Return the batches that the plan returned, by number; empty if it is unknown."""
    found = {}
    for batch in mappings(value):
        ranges = mappings(batch.get("ranges"))
        number = read_whole(batch.get("id"))
        if number is not None:
            found[number] = PlannedBatch(
                found=sum(read_count(one, "found") for one in ranges),
                bytes=sum(read_count(one, "bytes") for one in ranges),
                plan_id=str(batch.get("plan_id")),
                label=str(batch.get("label") or ""),
            )
    return found


def add_up_run(pushed: Pushed, states: Mapping[int, str], *, is_over: bool) -> Figures | None:
    """Return the figures of a run from what its tasks pushed; None if they pushed nothing.

    Args:
        pushed: by the tasks.
        states: of the batches, by number.
        is_over: whether the run has ended.
    """
    batches = figures_by_batch(pushed, states, is_over=is_over)
    outside = parse_figures(pushed.get(PLAN, {}).get(OUTSIDE))
    parts = [part for part in (outside, *_failed_steps(pushed), *batches.values()) if part is not None]
    if not parts:
        return None
    total = sum_figures(parts)
    is_planned = outside is not None and None not in batches.values()
    return replace(
        total,
        expected=total.expected if is_planned else None,
        expected_bytes=total.expected_bytes if is_planned else None,
        dollars=None if total.requests is None else Requests(by_kind=total.requests_by_kind).cost_usd,
        dry_run=SkipReason.DRY_RUN in total.skipped,
        under_way=not is_over,
        batches=len(batches),
        deletions=add_up_deletions(
            pushed.get(("deletions", -1), {}).get(VERDICT),
            [by_key.get(METRICS) for (task, _), by_key in pushed.items() if task == "delete_batch"],
        ),
    )


def figures_by_batch(
    pushed: Pushed, states: Mapping[int, str], *, is_over: bool
) -> dict[int, Figures | None]:
    """Return the figures of the batches of a run; None for one of which nothing is known."""
    planned = read_plan(pushed.get(PLAN, {}).get(RESULT))
    return {
        number: _batch_figures(
            pushed.get(("copy_batch", number), {}),
            planned.get(number),
            is_over=is_over or states.get(number) in _ENDED,
        )
        for number in sorted(planned or (one for one, state in states.items() if state != _REMOVED))
    }


def _batch_figures(
    pushed: Mapping[str, Any], planned: PlannedBatch | None, *, is_over: bool
) -> Figures | None:
    """Return the figures of a batch: its metrics, else its progress, else what was planned for it."""
    reported = _metrics_of(pushed, planned)
    if reported is not None:
        return _reported_figures(reported, planned, is_over=is_over)
    progress = parse_progress(pushed.get(PROGRESS))
    if progress is None and planned is None:
        return None
    so_far = progress or Figures(under_way=True)
    expected = planned.found if planned else so_far.expected or 0
    if is_over:
        unknown = max(0, expected - so_far.copied - so_far.failed)
        found = so_far.copied + so_far.failed + unknown
        return replace(
            so_far,
            found=found,
            unknown=unknown,
            expected=found,
            objects_per_second=None,
            under_way=False,
        )
    return replace(
        so_far,
        expected=max(expected, so_far.found),
        is_more_expected=so_far.found > expected,
        expected_bytes=max(planned.bytes if planned else 0, so_far.transferred),
    )


def _reported_figures(reported: Figures, planned: PlannedBatch | None, *, is_over: bool) -> Figures:
    """Return the figures of a batch that reported; what its next attempt will do again is not unknown."""
    size = planned.bytes if planned and reported.bad else 0
    whole = replace(
        reported, expected=reported.found, expected_bytes=max(size, reported.transferred), reported=1
    )
    if is_over:
        return whole
    return replace(
        whole,
        found=reported.found - reported.unknown,
        unknown=0,
        expected=max(planned.found if planned else 0, reported.found),
        objects_per_second=None,
        under_way=True,
    )


def _metrics_of(pushed: Mapping[str, Any], planned: PlannedBatch | None) -> Figures | None:
    """Return the metrics that a batch reported; those of an earlier plan do not count, as in the summary."""
    value = mapping(pushed.get(METRICS))
    if planned is not None and value.get("plan_id") != planned.plan_id:
        return None
    return parse_figures(value.get(METRICS))


def _failed_steps(pushed: Pushed) -> list[Figures]:
    """Return the figures of the steps that failed before the copies, each with its whole reason."""
    found = []
    for step in (("preflight", -1), PLAN):
        value = mapping(pushed.get(step, {}).get(METRICS))
        figures = parse_figures(_with_reason(value.get(METRICS), value.get(REASON)))
        found += [figures] if figures else []
    return found


def _with_reason(metrics: Any, reason: Any) -> Any:
    """Return the metrics of a failed step with its whole reason; earlier versions pushed none."""
    errors = mapping(mapping(metrics).get("errors_encountered"))
    if not errors or not isinstance(reason, str):
        return metrics
    first = [{**failure, "message": reason} for failure in mappings(errors.get("first"))]
    return {**metrics, "errors_encountered": {**errors, "first": first}}


def sum_figures(parts: Sequence[Figures]) -> Figures:
    """Return the sum; rates are those of batches that are being copied, and durations do not add up."""
    rates = [part.objects_per_second for part in parts if part.under_way and part.objects_per_second]
    sent = [part.requests for part in parts if part.requests is not None]
    return Figures(
        found=sum(part.found for part in parts),
        expected=sum(part.found if part.expected is None else part.expected for part in parts),
        is_more_expected=any(part.is_more_expected for part in parts),
        copied=sum(part.copied for part in parts),
        verified=sum(part.verified for part in parts),
        skipped=add_up(part.skipped for part in parts),
        failed=sum(part.failed for part in parts),
        vanished=sum(part.vanished for part in parts),
        unknown=sum(part.unknown for part in parts),
        transferred=sum(part.transferred for part in parts),
        expected_bytes=sum(part.expected_bytes or 0 for part in parts),
        objects_per_second=sum(rates) if rates else None,
        requests=sum(sent) if sent else None,
        requests_at_least=any(part.requests_at_least for part in parts),
        requests_by_kind=add_up(part.requests_by_kind for part in parts),
        retried=sum(part.retried for part in parts),
        throttled=sum(part.throttled for part in parts),
        peak_in_flight=max((part.peak_in_flight for part in parts), default=0),
        limited_milliseconds=add_up(part.limited_milliseconds for part in parts),
        errors_by_code=add_up(part.errors_by_code for part in parts),
        errors=tuple(error for part in parts for error in part.errors)[:ERRORS_SHOWN],
        messages=reduce(add_messages, (part.messages for part in parts), None),
        under_way=any(part.under_way for part in parts),
        reported=sum(part.reported for part in parts),
    )


def find_whole_errors(errors: Sequence[str], pushed: Pushed) -> tuple[str, ...]:
    """Return the errors of a summary, which have a line each, with the reasons as the tasks pushed them."""
    steps = [text for step in _failed_steps(pushed) for text in step.errors]
    if steps:
        return tuple(steps)
    batches = (_metrics_of(by_key, None) for (task, _), by_key in pushed.items() if task == "copy_batch")
    whole = {printable(text): text for batch in batches if batch for text in batch.errors}
    return tuple(whole.get(error, error) for error in errors)
