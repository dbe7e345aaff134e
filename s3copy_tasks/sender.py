"""Sends requests: one budget in flight, one owner of retries.

Every request of a batch goes through one `Sender`, whether it is a page of a listing, a copy or a part.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from threading import Condition, Event
from typing import TYPE_CHECKING, TypeVar

from s3copy_tasks.core.metrics import Requests
from s3copy_tasks.core.retry import RequestLimit, delay_seconds
from s3copy_tasks.errors import CopyError, ThrottledError

if TYPE_CHECKING:
    from collections.abc import Callable

    from s3copy_tasks.core.job import EffectiveJob

T = TypeVar("T")
_STOPPED = "the batch was stopped"


class Sender:
    """Runs calls of a store from many threads, as many at once as S3 bears.

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
        wait: Callable[[float], bool] | None = None,
        jitter: Callable[[], float] = random.random,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit = RequestLimit(in_flight)
        self._sent = 0
        self._slots = Condition()
        self._stopping = Event()
        self._wait = wait or self._stopping.wait
        self._jitter = jitter
        self._clock = clock
        self._gap_seconds = 0.0 if per_second is None else 1.0 / per_second
        self._next_start = 0.0
        self._counts = Requests()

    def stop(self) -> None:
        """Let no request start any more, nor any retry."""
        self._stopping.set()
        with self._slots:
            self._slots.notify_all()

    @property
    def requests(self) -> Requests:
        """What was sent up to now."""
        with self._slots:
            return self._counts

    def send(self, call: Callable[[], T], *, cleans_up: bool = False) -> T:
        """Return what `call` returns, after as many attempts as its errors are worth.

        Args:
            call: makes one request. Throttled attempts and transient ones count apart: being asked to slow
                down is no failure of the object.
            cleans_up: send it also after `stop`, as an abort must be.

        Raises:
            CopyError: the last attempt's error; its `attempts` says how many were made.
            InterruptedError: `stop` was called.
        """
        attempts: Counter[bool] = Counter()
        while True:
            try:
                return self._once(call, cleans_up=cleans_up, again=bool(attempts))
            except CopyError as error:
                throttled = isinstance(error, ThrottledError)
                attempts[throttled] += 1
                error.attempts = attempts.total()
                delay = delay_seconds(error, attempts[throttled], self._jitter())
                if delay is None or (self._wait(delay) and not cleans_up):
                    raise

    def _once(self, call: Callable[[], T], *, cleans_up: bool, again: bool) -> T:
        self._keep_pace(cleans_up=cleans_up)
        generation = self._enter(cleans_up=cleans_up, again=again)
        throttled = False
        try:
            return call()
        except ThrottledError:
            throttled = True
            raise
        finally:
            with self._slots:
                self._sent -= 1
                if throttled:
                    self._counts += Requests(throttled=1)
                    self._limit.throttled(generation)
                else:
                    self._limit.answered()
                self._slots.notify(2)  # an answer frees a slot, and may raise the limit by one

    def _keep_pace(self, *, cleans_up: bool) -> None:
        """Wait until the next request may start."""
        if not self._gap_seconds:
            return
        with self._slots:
            now = self._clock()
            start = max(now, self._next_start)
            self._next_start = start + self._gap_seconds
        if start > now and self._wait(start - now) and not cleans_up:
            raise InterruptedError(_STOPPED)

    def _enter(self, *, cleans_up: bool, again: bool) -> int:
        """Wait for a slot; return the generation of the limit."""
        with self._slots:
            while self._sent >= self._limit.limit and not self._stopping.is_set():
                self._slots.wait()
            if self._stopping.is_set() and not cleans_up:
                raise InterruptedError(_STOPPED)
            self._sent += 1
            self._counts += Requests(sent=1, retried=int(again), peak_in_flight=self._sent)
            return self._limit.generation


def sender_of(job: EffectiveJob, *, batches_at_once: int) -> Sender:
    """Return the budget of one task: the job's rate is shared by the batches that run at once."""
    transfer = job.transfer
    return Sender(transfer.concurrency, per_second=transfer.max_requests_per_second / batches_at_once)
