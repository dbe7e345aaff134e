"""How many requests may be in flight, learned from how long answers take: docs/design/in-flight.md."""

from __future__ import annotations

from math import ceil, inf

IN_FLIGHT_LEAST, IN_FLIGHT_MOST = 256, 4_000
"""What is chosen is between these: at 30 ms the first is 8,500 requests a second, at 1 s the second 4,000."""
_GUESS_MOST = 1_500
"""Limit of what the first latency justifies, before any copy was answered: 3,500 a second at 340 ms."""
_OF_ONE_CORE = 6_000
"""Copies a second, as far as the first latency justifies: no core sends many more."""
_ROOM = 1.25
"""Latencies differ: slow requests keep their slots for longer."""
_GROWTH_MOST, _CUT = 2.0, 0.75
_ENOUGH = 0.95
"""Share of the allowed rate at which the limit is not raised."""
_TURNS_TO_SETTLE = 2
"""Answers per slot before a new limit is judged: new connections need several round trips for the first."""
_SPAN_SECONDS = 0.25
_QUEUED, _SAME = 2.0, 1.25
"""Copies wait in a queue if even the fastest takes this many times as long as it did; below the second, it
takes as long as it did."""
_DOUBT_SECONDS, _DOUBT_SECONDS_MOST = 10.0, 160.0
"""How long a queue is believed before it is checked again; twice as long each time that it was one."""
_CHECKING = 32
"""Requests in flight while a queue is checked."""
_SIZE_STEP = 8 * 2**20
"""Copies of up to so many bytes are compared with each other, and above that those of up to twice as many."""


class InFlightLimit:
    """The limit of requests in flight: what the allowed rate needs at the latency of now.

    A limit that is reached is raised, unless copies wait in a queue: then it is lowered. They do if even the
    fastest takes longer than one of its size did; the limit then falls to 32 for a moment, to see whether it
    was the distance that has become longer. A limit that is not reached is lowered to twice what was needed.
    While S3 asks to slow down nothing changes: then the rate decides.

    Args:
        least: the first limit, and the lowest.
        most: the highest; equal to `least`, the limit is fixed.
        per_second: how many requests may start in a second; None if that is not limited.
        opened: connections that may be opened at once, others by `open_more`; None for all.

    Attributes:
        value: of requests in flight, once the connections for them are open.
        highest: the most that were in flight.
    """

    def __init__(
        self, least: int, most: int, *, per_second: float | None = None, opened: int | None = None
    ) -> None:
        self.value = self._least = least
        self._opened = most if opened is None else opened
        self._most = max(most, least)
        self._per_second = per_second
        self._first_latency: float | None = inf
        """The lowest latency of any request; None once the limit was reached."""
        self._usual: dict[int, float] = {}
        """The latency of the fastest copies, by size."""
        self._doubt_seconds = _DOUBT_SECONDS
        self._checked: dict[int, float] | None = None
        """While a queue is checked: the usual latencies of before."""
        self._check_again = 0.0
        self._is_settling, self._is_throttled = True, False
        self.highest = self._peak = self._answered = 0
        self._since = 0.0
        self._fastest: dict[int, float] = {}

    @property
    def current(self) -> int:
        """How many requests may be in flight now."""
        return min(self.value, self._opened)

    def open_more(self, connections: int) -> None:
        """Let that many more connections be opened, if all others are in use."""
        if self.highest >= self._opened:
            self._opened = min(self._opened + connections, self._most)

    def allow(self, per_second: float) -> None:
        """Change how many requests may start in a second."""
        self._per_second = per_second

    def started(self, in_flight: int) -> None:
        """Note that a request started, and how many are in flight now."""
        if in_flight > self._peak:
            self._peak = in_flight
            self.highest = max(self.highest, in_flight)

    def throttled(self) -> None:
        """Note that S3 asked to slow down."""
        self._is_throttled = True

    def answered(self, now: float, seconds: float, in_flight: int, *, copied: int | None) -> None:
        """Note an answer; the limit may change.

        Args:
            now: monotonic seconds.
            seconds: from the request to its answer.
            in_flight: other requests that are in flight now.
            copied: bytes that the request wrote; None for other requests, which take another time.
        """
        if self._least == self._most:
            return
        self._answered += 1
        if copied is not None:
            size = (copied // _SIZE_STEP).bit_length()
            self._fastest[size] = min(seconds, self._fastest.get(size, inf))
        if self._first_latency is not None and seconds < self._first_latency:
            self._guess(seconds)
        if in_flight > self.value:  # it was lowered: first the requests from before have to end
            self._begin_span(now, in_flight)
        elapsed = now - self._since
        wanted = self.value * (_TURNS_TO_SETTLE if self._is_settling else 1)
        if elapsed >= _SPAN_SECONDS and (self._answered >= wanted or not self._is_full):
            self._end_span(now, self._answered / elapsed)
            self._begin_span(now, in_flight)

    @property
    def _is_full(self) -> bool:
        return self._peak >= self.value

    def _guess(self, seconds: float) -> None:
        """Expect from the lowest latency what the rate needs, until the limit is reached."""
        self._first_latency = None if self._is_full else seconds
        if self._per_second is not None and not self._is_full:
            wanted = ceil(min(self._per_second, _OF_ONE_CORE) * seconds * _ROOM)
            self.value = max(self._least, min(wanted, _GUESS_MOST, self._most))
            self._opened = max(self._opened, self.value // 2)

    def _end_span(self, now: float, per_second: float) -> None:
        is_slower = self._learn_latency()
        before = self.value
        if self._is_throttled:
            pass
        elif not self._is_full and self._checked is None:
            if self._first_latency is None:
                self.value = self._bound(min(before, 2 * self._peak))
        elif self._is_settling:
            self._first_latency = None
        elif self._checked is not None:
            self._end_check(self._checked, now)
        elif not is_slower:
            self.value = self._grow(per_second)
        elif now < self._check_again:
            self.value = self._bound(ceil(before * _CUT))
        else:
            self._checked, self._usual = self._usual, {}
            self.value = min(_CHECKING, self._least)
        self._is_settling = self.value != before

    def _learn_latency(self) -> bool:
        """Return whether even the fastest copies of the span took longer than usual, of each size."""
        usual, fastest = self._usual, self._fastest
        self._usual = usual | {size: min(fast, usual.get(size, inf)) for size, fast in fastest.items()}
        slower = [fast > _QUEUED * usual[size] for size, fast in fastest.items() if size in usual]
        return bool(slower) and all(slower)

    def _end_check(self, usual: dict[int, float], now: float) -> None:
        """Go on from `least`, with the latencies that were found."""
        self._checked, self.value = None, self._least
        same = any(fast <= _SAME * usual.get(size, 0.0) for size, fast in self._usual.items())
        self._doubt_seconds = min(2 * self._doubt_seconds, _DOUBT_SECONDS_MOST) if same else _DOUBT_SECONDS
        self._check_again = now + self._doubt_seconds

    def _grow(self, per_second: float) -> int:
        """Return what the rate needs at the latency of now."""
        growth = _GROWTH_MOST
        if self._per_second is not None:
            if per_second >= _ENOUGH * self._per_second:
                return self.value
            growth = min(growth, _ROOM * self._per_second / per_second)
        return self._bound(ceil(self.value * growth))

    def _bound(self, limit: int) -> int:
        return max(self._least, min(limit, self._most))

    def _begin_span(self, now: float, in_flight: int) -> None:
        self._since, self._peak = now, in_flight
        self._answered, self._fastest = 0, {}
        self._is_throttled = False
