"""Sends requests: one budget in flight, one owner of retries.

Every request of a batch goes through one `Sender`, whether it is a page of a listing, a copy or a part.
"""

from __future__ import annotations

import random
from collections import Counter
from threading import Condition, Event
from typing import TYPE_CHECKING, TypeVar

from s3copy_tasks.core.retry import RequestLimit, delay_seconds
from s3copy_tasks.errors import CopyError, ThrottledError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


class Sender:
    """Runs calls of a store from many threads, as many at once as S3 bears.

    Args:
        in_flight: the most requests at once.
        wait: waits that many seconds and returns whether to stop; the default wakes up on `stop`.
        jitter: random numbers in [0, 1).
    """

    def __init__(
        self,
        in_flight: int,
        *,
        wait: Callable[[float], bool] | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._limit = RequestLimit(in_flight)
        self._sent = 0
        self._slots = Condition()
        self._stopping = Event()
        self._wait = wait or self._stopping.wait
        self._jitter = jitter

    def stop(self) -> None:
        """Let no request start any more, nor any retry."""
        self._stopping.set()
        with self._slots:
            self._slots.notify_all()

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
                return self._once(call, cleans_up=cleans_up)
            except CopyError as error:
                throttled = isinstance(error, ThrottledError)
                attempts[throttled] += 1
                error.attempts = attempts.total()
                delay = delay_seconds(error, attempts[throttled], self._jitter())
                if delay is None or (self._wait(delay) and not cleans_up):
                    raise

    def _once(self, call: Callable[[], T], *, cleans_up: bool) -> T:
        generation = self._enter(cleans_up=cleans_up)
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
                    self._limit.throttled(generation)
                else:
                    self._limit.answered()
                self._slots.notify(2)  # an answer frees a slot, and may raise the limit by one

    def _enter(self, *, cleans_up: bool) -> int:
        with self._slots:
            while self._sent >= self._limit.limit and not self._stopping.is_set():
                self._slots.wait()
            if self._stopping.is_set() and not cleans_up:
                msg = "the batch was stopped"
                raise InterruptedError(msg)
            self._sent += 1
            return self._limit.generation
