"""How many requests S3 takes per second, learned from its answers: docs/design/throttling.md."""

from __future__ import annotations

_SPAN_SECONDS = 0.25
_LOWERED, _AGAIN = 0.97, 0.94
"""The rate is multiplied by this after a SlowDown; by the second if it follows right after another."""
_STEP_LEAST, _STEP_GROWTH, _STEP_MOST = 0.01, 1.25, 0.2
"""How much the rate is raised, as a share of it."""
_USED = 0.75
_MANY = 0.25
"""Throttled requests for each answer with which the rate was far too high."""
_ROUND_TRIP_SECONDS = 0.1
"""A guess, used if S3 asks to slow down before any request was answered."""
_FIRST_GAP, _GAP_SECONDS_MAX = 0.0001, 1.0


class RequestRate:
    """How many requests may start in a second: any number, until S3 asks to slow down.

    The first SlowDown sets the rate to that of recent answers. Each later one lowers it, once per round trip:
    requests that were sent before the last decrease do not count again. After a quarter of a second in which
    a fifth of the requests were throttled, the rate is that of the answers. One in which the rate was used up
    raises it, by more each time until the next SlowDown (docs/design/throttling.md).

    Args:
        in_flight: limit of parallel requests; the first SlowDown leaves ten times as many per second.
        per_second: limit of requests per second; None means no limit.

    Attributes:
        gap_seconds: between the starts of two requests; 0 means no gap.
        generation: counts decreases; each request remembers it when it is sent.
    """

    def __init__(self, in_flight: int, per_second: float | None = None) -> None:
        self._in_flight = in_flight
        self._least_gap = self.gap_seconds = 0.0
        self.limit(per_second)
        self.generation = 0
        self._answered = self._throttled = 0
        self._since = self._lowered = float("-inf")
        self._step = _STEP_LEAST

    @property
    def is_lowered(self) -> bool:
        """Whether S3 has lowered the rate below the limit."""
        return self.gap_seconds > self._least_gap

    def seconds_of(self, weight: int) -> float:
        """Return how long after a request the next one may start, if it counts as `weight` requests.

        However far S3 has lowered the rate, that is at most a second.
        """
        return max(weight * self._least_gap, min(weight * self.gap_seconds, _GAP_SECONDS_MAX))

    def limit(self, per_second: float | None) -> None:
        """Change the limit; a rate that S3 has lowered below it stays as it is."""
        lowered = self.is_lowered
        self._least_gap = 0.0 if per_second is None else 1.0 / per_second
        self._first_gap_most = max(_ROUND_TRIP_SECONDS / self._in_flight, self._least_gap / _LOWERED)
        self.gap_seconds = max(self.gap_seconds, self._least_gap) if lowered else self._least_gap

    def answered(self, now: float, weight: int = 1) -> None:
        """Note a request that was not throttled; `weight` is how many it counts as."""
        self._end_span(now)
        self._answered += weight

    def throttled(self, generation: int, now: float) -> None:
        """Note a throttled request that was sent at `generation`."""
        if self.generation:
            self._end_span(now)
        self._throttled += 1
        if generation != self.generation:
            return
        if self.is_lowered:
            soon = now - self._lowered < _SPAN_SECONDS
            self.gap_seconds = min(self.gap_seconds / (_AGAIN if soon else _LOWERED), _GAP_SECONDS_MAX)
        else:
            lately = (now - self._since) / max(self._answered, 1)
            self.gap_seconds = min(max(lately, self._least_gap / _LOWERED, _FIRST_GAP), self._first_gap_most)
            self._begin_span(now)
        self.generation += 1
        self._step = _STEP_LEAST
        self._lowered = now

    def _end_span(self, now: float) -> None:
        """After each quarter of a second, lower a rate that was far too high, or raise one that was used."""
        seconds = now - self._since
        if seconds < _SPAN_SECONDS:
            return
        if self._throttled > _MANY * self._answered:
            lately = seconds / max(self._answered, 1)
            self.gap_seconds = max(self.gap_seconds, min(lately, 2.0 * self.gap_seconds, _GAP_SECONDS_MAX))
        elif self._answered * self.gap_seconds > _USED * seconds:
            self.gap_seconds = max(self.gap_seconds / (1.0 + self._step), self._least_gap)
            self._step = min(self._step * _STEP_GROWTH, _STEP_MOST)
        self._begin_span(now)

    def _begin_span(self, now: float) -> None:
        self._since = now
        self._answered = self._throttled = 0
