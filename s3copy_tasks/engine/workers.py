"""Coroutines on the loop that take work from a thread; the thread waits while they have enough."""

from __future__ import annotations

import asyncio
from collections import deque
from threading import Event
from typing import TYPE_CHECKING, Generic, TypeVar

from s3copy_tasks.core.bottleneck import Bottleneck
from s3copy_tasks.engine.loop import event_loop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from concurrent.futures import Future

T = TypeVar("T")
_WAITING_PER_WORKER = 2
"""Items that may wait for each worker: enough to keep all busy while the thread lists the next page."""
WATCH_SECONDS = 0.05


class Workers(Generic[T]):
    """Does the same work with many items, a limited number at a time.

    Args:
        work: called for each item; an error does not affect other items.
        limit: returns how many items may be done at a time; called again and again.
        watch: called every `WATCH_SECONDS` with what the workers lack: items that would have to be listed, or
            more of them in parallel; None means neither.
        on_last: called when the last item has begun; also more than once.
        pause: waits for the given seconds.
    """

    def __init__(
        self,
        work: Callable[[T], Awaitable[None]],
        limit: Callable[[], int],
        *,
        watch: Callable[[Bottleneck | None], None] = lambda _: None,
        on_last: Callable[[], None] = lambda: None,
        pause: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._work = work
        self._limit = limit
        self._watch = watch
        self._on_last = on_last
        self._pause = pause
        self._items: deque[T] = deque()
        self._running: set[asyncio.Task[None]] = set()
        self._count = 0
        self._has_room = Event()
        self._idle: deque[asyncio.Future[None]] = deque()
        self._is_wake_due = False
        self._closed = False
        self._errors: list[BaseException] = []
        self._done: Future[None] = asyncio.run_coroutine_threadsafe(self._run_all(), event_loop())

    def add(self, item: T) -> None:
        """Add an item; waits while there is enough to do."""
        if len(self._items) >= self._waiting_max:
            self._has_room.clear()
            if (
                len(self._items) >= self._waiting_max
            ):  # else a worker took an item before the flag was cleared
                self._has_room.wait()
        self._items.append(item)
        # A worker adds itself to the idle ones before its last check, so no item is missed. One wake-up is
        # for many items, because each blocks this thread until the loop releases Python's lock.
        if self._idle and not self._is_wake_due:
            self._is_wake_due = True
            event_loop().call_soon_threadsafe(self._wake)

    def finish(self) -> None:
        """Wait until all items are done.

        Raises:
            BaseException: the first error of an item, if any.
        """
        self.close()
        self._done.result()
        if self._errors:
            raise self._errors[0]

    def abandon(self) -> None:
        """Wait for the items in progress and drop the rest."""
        self._items.clear()
        self.close()
        self._done.result()

    def close(self) -> None:
        """Expect no more items; `finish` and `abandon` do that, too."""
        self._closed = True
        event_loop().call_soon_threadsafe(self._wake_all)

    def _wake(self) -> None:
        """Wake one worker per item; workers that woke themselves may still be in the queue."""
        self._is_wake_due = False
        waiting = len(self._items)
        while self._idle and waiting > 0:
            waiting -= _wake_worker(self._idle.popleft())

    def _wake_all(self) -> None:
        while self._idle:
            _wake_worker(self._idle.popleft())

    @property
    def _waiting_max(self) -> int:
        return _WAITING_PER_WORKER * self._limit()

    async def _run_all(self) -> None:
        self._start(self._limit())
        growing = asyncio.ensure_future(self._grow())
        while self._running:
            await asyncio.wait(self._running)
        growing.cancel()

    async def _grow(self) -> None:
        """Start more workers while the limit allows it and items wait for them."""
        while True:
            await self._pause(WATCH_SECONDS)
            lacking = self._find_lacking()
            self._watch(lacking)
            if lacking is Bottleneck.IN_FLIGHT:
                self._start(self._limit() - self._count)

    def _find_lacking(self) -> Bottleneck | None:
        """Return what would let the workers do more."""
        if self._idle:
            return Bottleneck.LISTING
        return Bottleneck.IN_FLIGHT if self._items else None

    def _start(self, count: int) -> None:
        for _ in range(count):
            self._count += 1
            worker = asyncio.ensure_future(self._run_one_by_one())
            self._running.add(worker)
            worker.add_done_callback(self._running.discard)

    async def _run_one_by_one(self) -> None:
        while self._count <= self._limit():
            try:
                item = self._items.popleft()
            except IndexError:
                if self._closed:
                    self._on_last()
                    return
                await self._wait_for_item()
                continue
            if not self._has_room.is_set() and len(self._items) <= self._waiting_max // 2:
                self._has_room.set()
            try:
                await self._work(item)
            except BaseException as error:  # noqa: BLE001 - finish() raises it in the caller's thread
                self._errors.append(error)
        self._count -= 1  # the limit was lowered

    async def _wait_for_item(self) -> None:
        """Wait until there is an item, or no more will come."""
        called = event_loop().create_future()
        self._idle.append(called)
        if self._items or self._closed:
            _wake_worker(called)
        await called


def _wake_worker(sleeper: asyncio.Future[None]) -> bool:
    """Wake a worker; return False if it is awake already."""
    if sleeper.done():
        return False
    sleeper.set_result(None)
    return True
