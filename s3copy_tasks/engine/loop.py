"""The event loop for all requests of a process, in its own thread; other threads wait for it."""

from __future__ import annotations

import asyncio
import atexit
import os
from concurrent.futures import Future
from threading import RLock, Thread
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

T = TypeVar("T")


class _Loop:
    """A loop that runs from its first use to the end of the process. A forked process starts without it."""

    def __init__(self) -> None:
        self._lock = RLock()
        self._running: tuple[asyncio.AbstractEventLoop, Thread] | None = None

    def get(self) -> asyncio.AbstractEventLoop:
        running = self._running  # no lock: a signal handler may call this while its thread holds it
        if running is not None:
            return running[0]
        with self._lock:
            if self._running is None:
                loop = asyncio.new_event_loop()
                thread = Thread(target=loop.run_forever, name="s3copy-loop", daemon=True)
                thread.start()
                self._running = loop, thread
            return self._running[0]

    def end(self) -> None:
        with self._lock:
            if self._running is not None:
                loop, thread = self._running
                loop.call_soon_threadsafe(loop.stop)
                thread.join()
                loop.close()
                self._running = None


_loop = _Loop()
atexit.register(_loop.end)
os.register_at_fork(after_in_child=_loop.__init__)  # type: ignore[misc] # the thread is only in the parent


def event_loop() -> asyncio.AbstractEventLoop:
    """Return the loop, which runs in its thread."""
    return _loop.get()


def wait_for(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the loop and return its result; an interrupted wait cancels it.

    Never call this on the loop itself: it would wait for itself.
    """
    done: Future[T] = Future()
    running: list[asyncio.Task[None]] = []

    async def run() -> None:
        running.extend(task for task in (asyncio.current_task(),) if task is not None)
        try:
            done.set_result(await work)
        except BaseException as error:  # noqa: BLE001 - the waiting thread raises it
            done.set_exception(error)

    loop = event_loop()
    try:  # a signal may interrupt any of this
        asyncio.run_coroutine_threadsafe(run(), loop)
        return done.result()
    except BaseException:
        loop.call_soon_threadsafe(lambda: [task.cancel() for task in running])
        raise
