"""The limit of requests in flight, with servers near and far, in virtual time."""

from __future__ import annotations

import heapq
import random
from collections import defaultdict
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, TypeVar

import pytest

from s3copy_tasks.core.in_flight import IN_FLIGHT_LEAST, IN_FLIGHT_MOST, InFlightLimit

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
_HANDSHAKE = 2
"""Round trips before the first request of a connection is sent."""
_BYTES_PER_SECOND = 100_000_000
"""How fast the server copies, in each request."""
PART = 256 * 2**20


def constantly(value: T) -> Callable[[float], T]:
    """Return what is the same at all times."""
    return lambda _: value


UNLIMITED = constantly(1_000_000.0)
SMALL = constantly(1_000)


@dataclass(kw_only=True)
class Trial:
    """Tasks that copy as fast as they may, and a server that works in a queue; latencies are spread."""

    latency: Callable[[float], float]
    size: Callable[[float], int] = SMALL
    per_second: float = 3_500.0
    capacity: Callable[[float], float] = UNLIMITED
    tasks: int = 1
    least: int = IN_FLIGHT_LEAST
    most: int = IN_FLIGHT_MOST
    listed_after: float | None = None
    copies: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    in_flight: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    limits: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))

    def run(self, seconds: int) -> Trial:
        """Count copies, and the most in flight and the highest limit of any task, by second."""
        self._random, self._order = random.Random(1), count()
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._server_free = 0.0
        for _ in range(self.tasks):
            limit = InFlightLimit(self.least, self.most, per_second=self.per_second)
            if self.listed_after is not None:
                limit.answered(0.0, self.listed_after, 0, copied=None)
            _Task(self, limit).start(0.0)
        while self._events and self._events[0][0] < seconds:
            now, _, act = heapq.heappop(self._events)
            act(now)
        return self

    def at(self, time: float, act: Callable[[float], None]) -> None:
        """Call `act` at a time."""
        heapq.heappush(self._events, (time, next(self._order), act))

    def travel(self, now: float) -> float:
        """Return how long a request travels, one way."""
        return self.latency(now) * (0.5 + 0.1 * self._random.expovariate(1.0))

    def work(self, now: float) -> float:
        """Return when the server has done a request that arrives now."""
        self._server_free = max(self._server_free, now) + 1 / self.capacity(now)
        return self._server_free


class _Task:
    """One task: starts requests at its rate, as many as its limit allows."""

    def __init__(self, trial: Trial, limit: InFlightLimit) -> None:
        self._trial = trial
        self._limit = limit
        self._running = self._connections = 0
        self._next_start, self._is_waiting = 0.0, False

    def start(self, now: float) -> None:
        trial = self._trial
        while self._running < self._limit.value:
            if self._next_start > now + 0.002:
                if not self._is_waiting:
                    self._is_waiting = True
                    trial.at(self._next_start, self._go_on)
                break
            self._next_start = max(now - 0.005, self._next_start) + 1 / trial.per_second
            self._send(now)
        second = int(now)
        trial.in_flight[second] = max(trial.in_flight[second], self._running)
        trial.limits[second] = max(trial.limits[second], self._limit.value)

    def _go_on(self, now: float) -> None:
        self._is_waiting = False
        self.start(now)

    def _send(self, now: float) -> None:
        trial, size = self._trial, self._trial.size(now)
        self._running += 1
        self._limit.started(self._running)
        is_new = self._running > self._connections
        self._connections += is_new
        arrives = now + is_new * _HANDSHAKE * trial.latency(now) + trial.travel(now)

        def arrive(time: float) -> None:
            trial.at(trial.work(time) + size / _BYTES_PER_SECOND + trial.travel(time), end)

        def end(time: float) -> None:
            self._running -= 1
            trial.copies[int(time)] += 1
            self._limit.answered(time, time - now, self._running, copied=size)
            self.start(time)

        trial.at(arrives, arrive)


@pytest.mark.parametrize(
    ("latency", "per_second", "settled"),
    [(0.01, 100, 1), (0.03, 3_500, 1), (0.1, 3_500, 2), (0.3, 3_500, 3), (0.3, 100, 3), (0.1, 10_000, 4)],
)
def test_the_rate_is_reached_at_any_latency(latency: float, per_second: float, settled: int) -> None:
    """Within seconds requests in flight do not limit the rate, whether 10 ms or 300 ms away."""
    trial = Trial(latency=constantly(latency), per_second=per_second, listed_after=latency).run(settled + 3)
    assert sum(trial.copies[second] for second in (settled, settled + 1, settled + 2)) > 2.9 * per_second


def test_copies_that_take_longer_than_listings() -> None:
    """The latency of the copies counts: 30 ms for a page and 300 ms for a copy need 1,250 in flight."""
    trial = Trial(latency=constantly(0.3), listed_after=0.03).run(9)
    assert trial.copies[8] > 3_400


def test_no_more_than_4000() -> None:
    """At one second a copy the highest limit is reached, and not exceeded."""
    trial = Trial(latency=constantly(1.0), listed_after=1.0).run(20)
    assert max(trial.in_flight.values()) == IN_FLIGHT_MOST
    assert trial.copies[19] > 3_000


def test_latency_that_changes() -> None:
    """From 10 ms to 1 s the limit rises within 20 s to more than it was; back, it falls within 3 s."""
    trial = Trial(latency=lambda now: 1.0 if 3 <= now < 33 else 0.01, listed_after=0.01).run(39)
    assert trial.copies[32] > 1_500
    assert trial.limits[38] == IN_FLIGHT_LEAST
    assert trial.copies[38] > 3_400


@pytest.mark.parametrize("tasks", [1, 2, 8])
@pytest.mark.parametrize("latency", [0.03, 0.3])
def test_a_server_with_a_queue(latency: float, tasks: int) -> None:
    """More in flight only wait in the server: the limits stay low, and nothing is lost by that."""
    trial = Trial(
        latency=constantly(latency),
        per_second=3_500 / tasks,
        capacity=constantly(500),
        tasks=tasks,
        listed_after=latency,
    ).run(60)
    assert max(trial.limits[second] for second in range(20, 60)) < IN_FLIGHT_MOST / 2
    assert sum(trial.copies[second] for second in range(20, 60)) > 0.9 * 40 * 500


def test_a_server_that_becomes_slow() -> None:
    """When a server slows down under load, the limit falls; what waits in it falls with the limit."""
    trial = Trial(
        latency=constantly(0.3), capacity=lambda now: 4_000 if now < 8 else 300, listed_after=0.3
    ).run(60)
    assert trial.copies[7] > 3_300
    assert trial.limits[59] <= 2 * IN_FLIGHT_LEAST
    assert sum(trial.copies[second] for second in range(30, 60)) > 0.9 * 30 * 300


@pytest.mark.parametrize("alternating", [False, True], ids=["then parts only", "in turns"])
def test_large_copies_are_not_taken_for_a_queue(*, alternating: bool) -> None:
    """Parts of 256 MiB take longer than small objects: more are in flight for that, never fewer."""
    trial = Trial(
        latency=constantly(0.03),
        size=lambda now: 1_000 if now < 3 or (alternating and now % 10 < 2) else PART,
        listed_after=0.03,
    ).run(60)
    assert min(trial.limits.values()) >= IN_FLIGHT_LEAST
    assert max(trial.limits.values()) > IN_FLIGHT_LEAST


def test_a_queue_of_large_copies() -> None:
    """Parts that wait for each other in the server are a queue, as small objects that do."""
    trial = Trial(latency=constantly(0.03), size=constantly(PART), capacity=constantly(20)).run(120)
    assert max(trial.limits[second] for second in range(60, 120)) < IN_FLIGHT_MOST / 2


def test_a_number_fixes_it() -> None:
    """With equal bounds the limit never changes."""
    trial = Trial(latency=constantly(0.3), least=16, most=16, listed_after=0.3).run(5)
    assert set(trial.limits.values()) == {16}


def test_nothing_changes_while_s3_asks_to_slow_down() -> None:
    """Then the rate decides; both would follow each other if the limit did, too."""
    limit = InFlightLimit(4, 100, per_second=1_000)
    for second in range(20):
        limit.throttled()
        for _ in range(10):
            limit.started(4)
            limit.answered(float(second), 0.01, 3, copied=1)
    assert limit.value == 4
