"""Starts runs while messages wait in a queue: read by Airflow's triggerer, which receives none of them.

Airflow keeps a trigger's dotted path and arguments in its database, so both stay as they are.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Self

import structlog
from airflow.triggers.base import BaseEventTrigger, TriggerEvent
from asgiref.sync import sync_to_async

from s3copy_tasks.core.location import Location
from s3copy_tasks.core.queue import Queue
from s3copy_tasks.core.waking import WakeRule
from s3copy_tasks.errors import TransientError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from s3copy_tasks.core.queue import MessageQueue, QueueState

POLL_SECONDS = 5
POLL_MOST_SECONDS = 60
"""Between two attempts while the queue can't be read."""

log = structlog.get_logger(__name__)


class QueueTrigger(BaseEventTrigger):
    """Makes an event when messages wait in a queue, see `WakeRule`.

    Args:
        url: of the queue.
        location: the fields of a `Location` that are not None: how to reach the queue.
    """

    def __init__(self, url: str, **location: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._queue = Queue(url=url, location=Location(**location))

    @classmethod
    def of(cls, queue: Queue) -> Self:
        """Return the trigger of a queue."""
        return cls(queue.url, **_fields(queue.location))

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return what Airflow stores: text and booleans, from which each parse makes the same hash."""
        arguments = {"url": self._queue.url, **_fields(self._queue.location)}
        return f"{QueueTrigger.__module__}.{QueueTrigger.__qualname__}", arguments

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yield events; never end, and raise nothing: Airflow would start the trigger again at once."""
        async for waiting in watch(self._queue):
            yield TriggerEvent({"waiting": waiting})  # type: ignore[no-untyped-call]


def _open(queue: Queue) -> MessageQueue:
    from s3copy_tasks.s3.queue_client import SqsQueue  # noqa: PLC0415 - slow: not on the triggerer's loop

    return SqsQueue(queue)


async def watch(
    queue: Queue,
    open_queue: Callable[[Queue], MessageQueue] = _open,
    *,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], Awaitable[Any]] = asyncio.sleep,
) -> AsyncIterator[int]:
    """Read a queue every few seconds, and yield how many messages wait when that is an event.

    Args:
        queue: its address.
        open_queue: called again after an error that does not pass: the connection may have been corrected.
        now: seconds of a clock that only goes forward.
        sleep: waits for some seconds.
    """
    rule, reader, pause = WakeRule(), _Reader(queue, open_queue), POLL_SECONDS
    while True:
        state = await reader.read()
        pause = POLL_SECONDS if state else min(2 * pause, POLL_MOST_SECONDS)
        if state is not None and rule.makes_event(now(), state):
            yield state.waiting
        await sleep(pause)


class _Reader:
    """Reads the state of a queue; an error is logged once.

    Args:
        queue: its address.
        open_queue: see `watch`.
    """

    def __init__(self, queue: Queue, open_queue: Callable[[Queue], MessageQueue]) -> None:
        self._queue = queue
        self._open_queue = open_queue
        self._opened: MessageQueue | None = None
        self._failed: tuple[str, str] | None = None

    async def read(self) -> QueueState | None:
        """Return the state; None if the queue can't be read."""
        try:
            # A connection can be looked up only on a thread that knows the triggerer's loop; not on the
            # thread that all triggers share, which a server that does not answer would hold.
            state = await sync_to_async(self._read, thread_sensitive=False)()
        except Exception as error:  # noqa: BLE001 - whatever it is: see `QueueTrigger.run`
            if not isinstance(error, TransientError):
                self._opened = None
            self._log(error)
            return None
        if self._failed:
            log.info("the queue can be read again", queue=str(self._queue))
        self._failed = None
        return state

    def _read(self) -> QueueState:
        if self._opened is None:
            self._opened = self._open_queue(self._queue)
        return self._opened.read_state()

    def _log(self, error: Exception) -> None:
        kind = type(error).__name__, getattr(error, "code", "")
        if kind != self._failed:
            log.error("the queue can't be read", queue=str(self._queue), kind=kind[0], error=str(error))
        self._failed = kind


def _fields(location: Location) -> dict[str, Any]:
    return {name: value for name, value in asdict(location).items() if value is not None}
