"""Sends requests: one budget in flight, one owner of retries.

Every request of a batch goes through one `Sender`, whether it is a page of a listing, a copy or a part.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter, deque
from threading import Event
from typing import TYPE_CHECKING, TypeVar

from s3copy_tasks.core.request_counts import Tally
from s3copy_tasks.core.retry import RequestRate, delay_seconds, may_be_done
from s3copy_tasks.engine.loop import event_loop, wait_for
from s3copy_tasks.errors import CopyError, ThrottledError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.request_counts import Kind

T = TypeVar("T")
_STOPPED = "the batch was stopped"
_CLEANING_UP_SECONDS_MAX = 0.5
"""Between two tries of an abort after `stop`: whoever ends a task leaves it some seconds only."""
_AHEAD_SECONDS, _BEHIND_SECONDS = 0.002, 0.005
"""A request may start that much before its turn, as a timer for each would cost more than the request; and
that much of a delay is made up for, as the loop has other things to do."""


class Sender:
    """Runs calls of a store on the loop, as many at once as S3 bears.

    Args:
        in_flight: the most requests at once.
        per_second: the most requests in a second; None sets no bound.
        wait: waits that many seconds and returns whether to stop; the default wakes up on `stop`.
        jitter: random numbers in [0, 1).
        clock: seconds that never go back.
    """

    def __init__(
        self,
        in_flight: int,
        *,
        per_second: float | None = None,
        wait: Callable[[float], Awaitable[bool]] | None = None,
        jitter: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._in_flight_max = in_flight
        self._rate = RequestRate(in_flight, per_second)
        self._in_flight = 0
        self._stopping = Event()
        self._queue: deque[asyncio.Future[None]] = deque()
        self._sleepers: set[asyncio.Future[None]] = set()
        self._wait = wait or self._sleep
        self._jitter = jitter
        self._clock = clock
        self._next_start = 0.0
        self._pacer: asyncio.Task[None] | None = None
        self._tally = Tally()

    def stop(self) -> None:
        """Let no request start any more, nor any retry; may be called from any thread, and from a signal."""
        self._stopping.set()
        event_loop().call_soon_threadsafe(self._wake_all)

    def counted(self) -> Tally:
        """Return what was sent since the last call, and count from zero."""
        counted, self._tally = self._tally, Tally()
        return counted

    def send(
        self,
        kind: Kind,
        call: Callable[[], Awaitable[T]],
        *,
        entry: int | None = None,
        cleans_up: bool = False,
    ) -> T:
        """Do what `asend` does, for a thread that waits for it."""
        return wait_for(self.asend(kind, call, entry=entry, cleans_up=cleans_up))

    async def asend(
        self,
        kind: Kind,
        call: Callable[[], Awaitable[T]],
        *,
        entry: int | None = None,
        cleans_up: bool = False,
    ) -> T:
        """Return what `call` returns, after as many attempts as its errors are worth.

        Args:
            kind: what is asked, to be counted.
            call: makes one request. Throttled attempts and transient ones count apart: being asked to slow
                down is no failure of the object.
            entry: what it is counted for: index of a prefix, None for the job's `objects`.
            cleans_up: send it also after `stop`, as an abort must be.

        Raises:
            CopyError: the last attempt's error; it says how many were made, and whether any may be done.
            InterruptedError: `stop` was called.
        """
        attempts: Counter[bool] | None = None
        may_have_been_done = False
        while True:
            try:
                return await self._once(
                    kind, call, entry=entry, cleans_up=cleans_up, again=attempts is not None
                )
            except CopyError as error:
                throttled = isinstance(error, ThrottledError)
                attempts = attempts or Counter()
                attempts[throttled] += 1
                error.attempts = attempts.total()
                error.may_be_done = may_have_been_done = may_have_been_done or may_be_done(error)
                delay = delay_seconds(error, attempts[throttled], self._jitter())
                if delay is None:
                    raise
                if await self._wait(delay):
                    if not cleans_up:
                        raise
                    await asyncio.sleep(min(delay, _CLEANING_UP_SECONDS_MAX))

    async def _once(
        self,
        kind: Kind,
        call: Callable[[], Awaitable[T]],
        *,
        entry: int | None,
        cleans_up: bool,
        again: bool,
    ) -> T:
        if self._in_flight >= self._in_flight_max or self._rate.gap_seconds:
            await self._queue_up()
        if self._stopping.is_set() and not cleans_up:
            raise InterruptedError(_STOPPED)
        self._in_flight += 1
        self._tally.sent(kind, entry, self._in_flight, again=again)
        generation, start = self._rate.generation, self._clock()
        try:
            result = await call()
        except ThrottledError:
            self._tally.throttled(entry)
            self._rate.throttled(generation, self._clock())
            raise
        except BaseException:
            self._rate.answered(self._clock())
            raise
        else:
            now = self._clock()
            self._rate.answered(now)
            self._tally.answered(kind, now - start)
            return result
        finally:
            self._in_flight -= 1
            self._wake_next()

    async def _queue_up(self) -> None:
        """Wait for a slot and for the time to start; first come, first served."""
        while not self._stopping.is_set() and not self._startable():
            turn = event_loop().create_future()
            self._queue.append(turn)
            self._keep_pace()
            try:
                await turn
            except asyncio.CancelledError:
                self._wake_next()  # it may have been this one's turn
                raise
        self._next_start = max(self._clock() - _BEHIND_SECONDS, self._next_start) + self._rate.gap_seconds

    def _startable(self) -> int:
        """Return how many requests may start now: by slots, and by the rate, where a pause is no credit."""
        free = self._in_flight_max - self._in_flight
        gap = self._rate.gap_seconds
        if not gap or free <= 0:
            return max(free, 0)
        ahead = min(self._clock() - self._next_start, 0.0) + _AHEAD_SECONDS
        return min(free, int(ahead / gap) + 1) if ahead >= 0.0 else 0

    def _wake_next(self) -> None:
        """Wake as many as may start."""
        if not self._queue:
            return
        startable = self._startable()
        while self._queue and startable > 0:
            turn = self._queue.popleft()
            if not turn.done():
                turn.set_result(None)
                startable -= 1
        self._keep_pace()

    def _keep_pace(self) -> None:
        """Let a timer wake who waits for a time; who waits for a slot is woken by an answer."""
        if (
            self._rate.gap_seconds
            and self._pacer is None
            and self._queue
            and self._in_flight < self._in_flight_max
        ):
            self._pacer = event_loop().create_task(self._wake_in_time())

    async def _wake_in_time(self) -> None:
        await self._wait(max(self._next_start - self._clock(), 0.0))
        self._pacer = None
        self._wake_next()

    def _wake_all(self) -> None:
        for one in (*self._queue, *self._sleepers):
            if not one.done():
                one.set_result(None)
        self._queue.clear()

    async def _sleep(self, seconds: float) -> bool:
        """Wait that long, or until `stop`; return whether that came."""
        if not self._stopping.is_set():
            alarm = event_loop().create_future()
            self._sleepers.add(alarm)
            timer = event_loop().call_later(seconds, _ring, alarm)
            try:
                await alarm
            finally:
                timer.cancel()
                self._sleepers.discard(alarm)
        return self._stopping.is_set()


def _ring(alarm: asyncio.Future[None]) -> None:
    if not alarm.done():
        alarm.set_result(None)


def sender_of(job: EffectiveJob, *, batches_at_once: int) -> Sender:
    """Return the budget of one task: the job's rate is shared by the batches that run at once."""
    transfer = job.transfer
    return Sender(transfer.concurrency, per_second=transfer.max_requests_per_second / batches_at_once)
