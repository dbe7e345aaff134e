"""Decides when a request may start: limits requests in flight and per second, in order of arrival.

Urgent requests come first.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from threading import Event
from typing import TYPE_CHECKING, NamedTuple

from s3copy_tasks.core.bottleneck import Bottleneck
from s3copy_tasks.core.in_flight import InFlightLimit
from s3copy_tasks.core.request_rate import RequestRate
from s3copy_tasks.engine.loop import event_loop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_AHEAD_SECONDS, _AHEAD_THROTTLED_SECONDS = 0.005, 0.002
"""How early a request may start, so that one timer is for many, and their answers come together, too;
less from the first SlowDown on, because a server with a small burst refuses large groups."""
_BEHIND_SECONDS = 0.005
"""How much of a delay is made up for, because the loop also does other things."""
_OPENED_PER_SECOND, _OPENING_SECONDS_MAX = 2_000, 0.1
"""More connections, if more are needed: each takes 0.6 ms of CPU for its handshake."""


class _Turn(NamedTuple):
    """A request that waits: what is awaited, and how much of the rate it takes."""

    called: asyncio.Future[None]
    weight: int


class Pacer:
    """Lets requests start, and learns from the answers how many S3 accepts. Used on the loop, except `stop`.

    Attributes:
        in_flight: number of requests that were started and have not ended.
        in_flight_limit: limit of requests in flight.

    Args:
        in_flight: limit of parallel requests.
        in_flight_most: the limit may be raised to this; None means that it is fixed.
        opened: connections that may be opened at once, others by `open_more`; None for all.
        per_second: limit of requests per second; None means no limit.
        wait: waits for the given seconds and returns whether to stop; the default wakes up on `stop`.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        in_flight: int,
        *,
        in_flight_most: int | None = None,
        opened: int | None = None,
        per_second: float | None = None,
        wait: Callable[[float], Awaitable[bool]] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.in_flight = 0
        self._wait = wait or self._sleep
        self.clock = clock
        self.in_flight_limit = InFlightLimit(
            in_flight, in_flight_most or in_flight, per_second=per_second, opened=opened
        )
        self._rate = RequestRate(in_flight, per_second)
        self._stopping = Event()
        self._queue: deque[_Turn] = deque()
        self._sleepers: set[asyncio.Future[None]] = set()
        self._pausing = 0
        self._called = 0  # were in the queue, and start as soon as the loop runs them
        self._ahead_seconds = _AHEAD_SECONDS
        self._next_start = 0.0
        self._timer: asyncio.Task[None] | None = None
        self._opening_since = clock()

    @property
    def is_stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stopping.is_set()

    def stop(self) -> None:
        """Wake all waiting requests, which then do not start; safe in any thread and in a signal handler."""
        self._stopping.set()
        event_loop().call_soon_threadsafe(self._wake_all)

    def limit(self, per_second: float) -> None:
        """Change the limit of requests per second; safe in any thread."""
        event_loop().call_soon_threadsafe(self._limit, per_second)

    @property
    def must_wait(self) -> bool:
        """Whether a request has to wait for its turn."""
        return self.in_flight + self._called >= self.in_flight_limit.current or bool(self._rate.gap_seconds)

    async def wait_for_turn(self, *, urgent: bool, weight: int = 1) -> None:
        """Wait for a slot and for the time to start, or for `stop`.

        Args:
            urgent: before all others that wait.
            weight: the next request starts as much later as after this many.
        """
        if self._stopping.is_set():
            return
        if self._timer is None and self._count_startable():
            self._use_time(self._rate.seconds_of(weight))
            return
        turn = _Turn(event_loop().create_future(), weight)
        if urgent:
            self._queue.appendleft(turn)
        else:
            self._queue.append(turn)
        self._keep_pace()
        try:
            await turn.called
        except asyncio.CancelledError:
            if not turn.called.cancelled():  # it was called already: the next one gets its slot
                self._called -= 1
                self._wake_next()
            raise
        self._called -= 1

    def start(self) -> int:
        """Take a slot; return the generation of the rate, for `throttled`."""
        self.in_flight += 1
        self.in_flight_limit.started(self.in_flight)
        return self._rate.generation

    def throttled(self, generation: int, *, accepted: int = 0) -> None:
        """Lower the rate, once for all requests that were started at the same rate.

        Args:
            generation: of the rate that the request was started at.
            accepted: how much of its weight S3 accepted.
        """
        now = self.clock()
        self._ahead_seconds = _AHEAD_THROTTLED_SECONDS
        if accepted:
            self._rate.answered(now, accepted)
        self._rate.throttled(generation, now)
        self.in_flight_limit.throttled()

    def failed(self, weight: int = 1) -> None:
        """Let the rate recover after an error that asks for no other rate."""
        self._rate.answered(self.clock(), weight)

    def answered(self, start: float, *, copied: int | None, weight: int = 1) -> float:
        """Learn from a successful answer; return its latency in seconds.

        Args:
            start: of the request, by the clock.
            copied: bytes that the request wrote; None if it wrote none.
            weight: of the request.
        """
        now = self.clock()
        self._rate.answered(now, weight)
        self.in_flight_limit.answered(now, now - start, self.in_flight - 1, copied=copied)
        return now - start

    async def pause(self, seconds: float) -> bool:
        """Wait before a request is sent again; return whether to stop."""
        self._pausing += 1
        try:
            return await self._wait(seconds)
        finally:
            self._pausing -= 1

    async def rest(self, seconds: float) -> bool:
        """Wait for something else than S3; return whether to stop."""
        return await self._wait(seconds)

    def end(self) -> None:
        """Give the slot back."""
        self.in_flight -= 1
        if self._queue and self._timer is None:  # a timer wakes those that wait for their time
            self._wake_next()

    def open_more(self) -> None:
        """Let more connections be opened: called often while the process has CPU time left for them."""
        now = self.clock()
        seconds = min(now - self._opening_since, _OPENING_SECONDS_MAX)
        self._opening_since = now
        self.in_flight_limit.open_more(int(seconds * _OPENED_PER_SECOND))

    def find_bottleneck(self, lacking: Bottleneck | None) -> Bottleneck | None:
        """Return what limits a batch now; None if nothing does.

        Args:
            lacking: what its workers lack; requests that wait here count before that.
        """
        is_full = self.in_flight >= self.in_flight_limit.current
        if self._queue:
            lacking = Bottleneck.RATE if self._rate.gap_seconds and not is_full else Bottleneck.IN_FLIGHT
        if is_full or lacking is Bottleneck.LISTING or not self._rate.is_lowered:
            return lacking
        return Bottleneck.S3 if self._queue or self._pausing else lacking

    def _limit(self, per_second: float) -> None:
        self._rate.limit(per_second)
        self.in_flight_limit.allow(per_second)

    def _count_startable(self) -> int:
        """Return how many requests may start now, by slots and rate; unused starts do not carry over."""
        free = self.in_flight_limit.current - self.in_flight - self._called
        gap = self._rate.gap_seconds
        if not gap or free <= 0:
            return max(free, 0)
        ahead = min(self.clock() - self._next_start, 0.0) + self._ahead_seconds
        return min(free, int(ahead / gap) + 1) if ahead >= 0.0 else 0

    def _wake_next(self) -> None:
        """Wake the requests that may start."""
        startable, called, weight, seconds = self._count_startable(), 0, 0, 0.0
        while self._queue and (weight if self._rate.gap_seconds else called) < startable:
            turn = self._queue.popleft()
            if _wake(turn.called):
                called, weight = called + 1, weight + turn.weight
                seconds += self._rate.seconds_of(turn.weight)
        self._called += called
        self._use_time(seconds)
        self._keep_pace()

    def _use_time(self, seconds: float) -> None:
        """Put off the next start, by what the requests that start now take of the rate."""
        self._next_start = max(self.clock() - _BEHIND_SECONDS, self._next_start) + seconds

    def _keep_pace(self) -> None:
        """Set a timer for requests that wait for their time; an answer wakes those that wait for a slot."""
        if (
            self._rate.gap_seconds
            and self._timer is None
            and self._queue
            and self.in_flight + self._called < self.in_flight_limit.current
        ):
            self._timer = event_loop().create_task(self._wake_in_time())

    async def _wake_in_time(self) -> None:
        await self._wait(max(self._next_start - self.clock(), 0.0))
        self._timer = None
        self._wake_next()

    def _wake_all(self) -> None:
        self._called += sum(_wake(turn.called) for turn in self._queue)
        self._queue.clear()
        for alarm in self._sleepers:
            _wake(alarm)

    async def _sleep(self, seconds: float) -> bool:
        """Wait that long, or until `stop`; return whether it was stopped."""
        if not self._stopping.is_set():
            alarm = event_loop().create_future()
            self._sleepers.add(alarm)
            timer = event_loop().call_later(seconds, _wake, alarm)
            try:
                await alarm
            finally:
                timer.cancel()
                self._sleepers.discard(alarm)
        return self._stopping.is_set()


def _wake(alarm: asyncio.Future[None]) -> bool:
    """Return whether it was asleep."""
    if alarm.done():
        return False
    alarm.set_result(None)
    return True
