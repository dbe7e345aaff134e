"""Positions of the bars of charts: horizontal in percent, so that they fit any window; vertical in pixels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

BAR_HEIGHT = 44
LANE_HEIGHT = 22
_GAP = 0.2
_LEAST = 2.0
_LEAST_WIDTH = 0.35
_STEPS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 43200, 86400)
_TICKS_MAX = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar(Generic[T]):
    """A rectangle.

    Attributes:
        x: left edge, in percent.
        width: in percent.
        y: upper edge, in pixels.
        height: in pixels; 0 if there is nothing to show.
        of: the value that it shows.
    """

    x: float
    width: float
    y: float
    height: float
    of: T


def columns(values: Sequence[T], amount: Callable[[T], float | None], slots: int) -> list[Bar[T]]:
    """Return a bar for each value, from left to right, ending at the right edge.

    Args:
        values: the first is leftmost.
        amount: returns the amount of a value; None if unknown.
        slots: the number of bars for which there is room.
    """
    top = max((amount(value) or 0 for value in values), default=0) or 1
    slot = 100 / max(slots, 1)
    first = slots - len(values)
    bars = []
    for index, value in enumerate(values, start=first):
        share = (amount(value) or 0) / top
        height = max(_LEAST, round(share * BAR_HEIGHT, 1)) if share > 0 else 0.0
        bars.append(
            Bar(
                x=round((index + _GAP / 2) * slot, 3),
                width=round(slot * (1 - _GAP), 3),
                y=round(BAR_HEIGHT - height, 1),
                height=height,
                of=value,
            )
        )
    return bars


def lanes(values: Sequence[T], span: Callable[[T], tuple[float, float] | None]) -> list[Bar[T]]:
    """Return a bar for each value that has begun: each in the uppermost lane that is free at its start.

    Args:
        values: what has a span of time.
        span: returns start and end in seconds; None if the value has not begun.
    """
    spans = [(found, value) for value in values if (found := span(value)) is not None]
    spans.sort(key=lambda item: item[0])
    if not spans:
        return []
    start = spans[0][0][0]
    length = max(end for (_, end), _ in spans) - start or 1
    free: list[float] = []
    bars = []
    for (begin, end), value in spans:
        lane = next((number for number, until in enumerate(free) if until <= begin), len(free))
        free[lane : lane + 1] = [max(end, begin)]
        bars.append(
            Bar(
                x=round((begin - start) / length * 100, 3),
                width=max(_LEAST_WIDTH, round((end - begin) / length * 100, 3)),
                y=lane * LANE_HEIGHT,
                height=LANE_HEIGHT - 4,
                of=value,
            )
        )
    return bars


def ticks(seconds: float) -> list[tuple[float, float]]:
    """Return the marks of a time axis: position in percent, and second; few, and none at its end."""
    step = next((length for length in _STEPS if seconds / length <= _TICKS_MAX), _STEPS[-1])
    while seconds / step > _TICKS_MAX:
        step *= 2
    count = int(seconds / step) if seconds > 0 else 0
    return [(round(i * step / seconds * 100, 3), i * step) for i in range(count + 1) if i * step < seconds]
