"""Sends requests: one budget in flight, one owner of retries.

Every request of a batch goes through one `Sender`, whether it is a page of a listing, a copy or a part.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from copy import copy
from threading import Event
from typing import TYPE_CHECKING, TypeVar

from s3copy_tasks.core.request_counts import Tally
from s3copy_tasks.core.retry import delay_seconds, may_be_done
from s3copy_tasks.engine.bottleneck_watch import BottleneckWatch
from s3copy_tasks.engine.capacity import most_connections
from s3copy_tasks.engine.loop import wait_for
from s3copy_tasks.engine.pacer import Pacer
from s3copy_tasks.errors import CopyError, ThrottledError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from s3copy_tasks.core.bottleneck import Bottleneck
    from s3copy_tasks.core.job import EntryId
    from s3copy_tasks.core.options import TransferOptions
    from s3copy_tasks.core.request_counts import Kind

T = TypeVar("T")
_STOPPED = "the batch was stopped"
_URGENT = "ListObjectsV2"
"""A page is work for 1,000 other requests: behind those that wait already, it would come too late."""
_CLEANING_UP_SECONDS_MAX = 0.5
"""Limit between two attempts of an abort after `stop`: a task that is killed has only a few seconds."""


class Sender:
    """Runs calls of a store on the loop, as many in parallel as S3 accepts.

    Args:
        in_flight: limit of parallel requests.
        in_flight_most: the limit may be raised to this, as latency requires; None means that it is fixed.
        opened: connections that may be opened at once; others follow while the workers of a batch find that
            the process has CPU time left; None for all.
        per_second: limit of requests per second; None means no limit.
        wait: waits for the given seconds and returns whether to stop; the default wakes up on `stop`.
        jitter: random numbers in [0, 1).
        clock: monotonic seconds.
        cpu_clock: CPU seconds of the process.
    """

    def __init__(
        self,
        in_flight: int,
        *,
        in_flight_most: int | None = None,
        opened: int | None = None,
        per_second: float | None = None,
        wait: Callable[[float], Awaitable[bool]] | None = None,
        jitter: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
        cpu_clock: Callable[[], float] = time.process_time,
    ) -> None:
        self._pacer = Pacer(
            in_flight,
            in_flight_most=in_flight_most,
            opened=opened,
            per_second=per_second,
            wait=wait,
            clock=clock,
        )
        self._jitter = jitter
        self._cpu_clock = cpu_clock
        self._tally = Tally()
        self.last_begun = Event()

    @property
    def in_flight_limit(self) -> int:
        """How many requests may be in flight now."""
        return self._pacer.in_flight_limit.current

    @property
    def is_stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._pacer.is_stopped

    def check_running(self) -> None:
        """Do nothing while requests may start.

        Raises:
            InterruptedError: `stop` was called.
        """
        if self.is_stopped:
            raise InterruptedError(_STOPPED)

    @property
    def clock(self) -> Callable[[], float]:
        """Returns seconds, from any point."""
        return self._pacer.clock

    def pause(self, seconds: float) -> bool:
        """Let another thread than the loop's wait, until `stop` is called at most; return whether it was."""
        return wait_for(self._pacer.rest(seconds))

    def share(self) -> Sender:
        """Return a sender with the same budget that counts its own requests."""
        other = copy(self)
        other.last_begun = Event()
        other.counted()
        return other

    def stop(self) -> None:
        """Start no more requests or retries; safe in any thread and in a signal handler."""
        self._pacer.stop()

    def limit(self, per_second: float) -> None:
        """Change the limit of requests per second; safe in any thread."""
        self._pacer.limit(per_second)

    def count_sent(self, kind: Kind, entry: EntryId) -> None:
        """Count a request whose answer another sender got for this one, too."""
        self._tally.sent(kind, entry, 0, again=False)

    def counted(self) -> Tally:
        """Return the requests since the last call, and start again from zero."""
        counted, self._tally = self._tally, Tally()
        return counted

    def watch_bottlenecks(self) -> BottleneckWatch:
        """Return what counts the bottlenecks of a batch from now on."""
        return BottleneckWatch(self._pacer, self._count_limited, self._cpu_clock)

    def _count_limited(self, by: Bottleneck, seconds: float) -> None:
        self._tally.limited(by, seconds)

    async def send(
        self,
        kind: Kind,
        call: Callable[[], Awaitable[T]],
        *,
        entry: EntryId = None,
        size: int | None = None,
        cleans_up: bool = False,
        objects: Callable[[], int] = lambda: 1,
    ) -> T:
        """Return what `call` returns, retried as its errors deserve.

        Args:
            kind: of the request, for the counts.
            call: makes one request. Throttled attempts have a limit of their own: being asked to slow down is
                not a failure of the object.
            entry: for the counts: index of a prefix; None for the job's `objects`.
            size: bytes that the request copies; None if it copies none.
            cleans_up: send it even after `stop`, as is needed for an abort.
            objects: returns how many objects the next attempt is for, those included that the last one did
                not settle. Each takes as much of the rate as a request does.

        Raises:
            CopyError: of the last attempt; it has the number of attempts, and whether any may be done.
            InterruptedError: `stop` was called.
        """
        attempts: Counter[bool] | None = None
        may_have_been_done = False
        while True:
            try:
                return await self._send_once(
                    kind,
                    call,
                    entry=entry,
                    size=size,
                    cleans_up=cleans_up,
                    objects=objects,
                    again=attempts is not None,
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
                if await self._pacer.pause(delay):
                    if not cleans_up:
                        raise
                    await asyncio.sleep(min(delay, _CLEANING_UP_SECONDS_MAX))

    async def _send_once(
        self,
        kind: Kind,
        call: Callable[[], Awaitable[T]],
        *,
        entry: EntryId,
        size: int | None,
        cleans_up: bool,
        objects: Callable[[], int],
        again: bool,
    ) -> T:
        pacer, weight = self._pacer, objects()
        if pacer.must_wait:
            await pacer.wait_for_turn(urgent=kind == _URGENT, weight=weight)
        if pacer.is_stopped and not cleans_up:
            raise InterruptedError(_STOPPED)
        generation, start = pacer.start(), pacer.clock()
        self._tally.sent(kind, entry, pacer.in_flight, again=again)
        try:
            result = await call()
        except ThrottledError:
            self._tally.throttled(entry)
            pacer.throttled(generation, accepted=weight - objects())
            raise
        except BaseException:
            pacer.failed(weight)
            raise
        else:
            self._tally.answered(kind, pacer.answered(start, copied=size, weight=weight))
            return result
        finally:
            pacer.end()


def make_sender(transfer: TransferOptions, *, batches_at_once: int = 1) -> Sender:
    """Return the sender of one task: the job's rate is divided among the batches that run in parallel."""
    most = min(transfer.in_flight_most, most_connections())
    per_second = transfer.max_requests_per_second / batches_at_once
    first = min(transfer.in_flight, most)
    return Sender(first, in_flight_most=most, opened=first, per_second=per_second)
