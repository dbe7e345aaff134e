"""Virtual time that advances only when everything waits: a minute takes as long as its work."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from typing import TYPE_CHECKING, Any

from s3copy_tasks.engine.loop import event_loop

if TYPE_CHECKING:
    from collections.abc import Coroutine

_ROUNDS = 5
"""Rounds of the loop in which woken coroutines may go to sleep again."""


class VirtualTime:
    """A clock, and what sleeps by it, on the product's own loop.

    Args:
        threads: whether what runs in threads of the loop ends before time advances.
    """

    def __init__(self, *, threads: bool = False) -> None:
        self.now = 0.0
        self._threads = threads
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    async def sleep(self, seconds: float) -> bool:
        """Sleep; return False: for `Sender`, this means not stopped."""
        alarm: asyncio.Future[None] = event_loop().create_future()
        heapq.heappush(self._sleepers, (self.now + seconds, next(self._order), alarm))
        await alarm
        return False

    async def run(self, *works: Coroutine[Any, Any, None]) -> None:
        """Let time pass until all coroutines are done."""
        tasks = [asyncio.ensure_future(work) for work in works]
        while not all(task.done() for task in tasks):
            await self._settle()
            if self._sleepers:
                self.now, _, alarm = heapq.heappop(self._sleepers)
                if not alarm.done():  # a sleeper may have been cancelled
                    alarm.set_result(None)
        await asyncio.gather(*tasks)

    async def _settle(self) -> None:
        """Let everything that is awake go to sleep."""
        rounds, asleep = 0, -1
        while rounds < _ROUNDS or (self._threads and len(self._sleepers) != asleep):
            rounds, asleep = rounds + 1, len(self._sleepers)
            await (asyncio.to_thread(int) if self._threads else asyncio.sleep(0))
