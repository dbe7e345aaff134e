"""A loop whose time jumps to its next timer when all threads wait: minutes take as long as their work."""

from __future__ import annotations

import asyncio
import selectors
import time

_THREADS_SECONDS = 0.0001
"""Real time in which other threads may add work before time jumps; once more, as long as they use CPU."""
_IDLE_CPU_SECONDS = 0.00003


class _JumpingSelector(selectors.DefaultSelector):
    """Does not wait for timers: time jumps to them."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None or timeout <= 0:
            return super().select(timeout)
        while not (ready := super().select(0)):
            used = time.process_time()
            time.sleep(_THREADS_SECONDS)
            if time.process_time() - used < _IDLE_CPU_SECONDS and not (ready := super().select(0)):
                self.now += timeout
                break
        return ready


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


class _VirtualPolicy(asyncio.DefaultEventLoopPolicy):
    def new_event_loop(self) -> asyncio.AbstractEventLoop:
        return _VirtualLoop()


def use_virtual_time() -> None:
    """Let the loops that this process makes from now on have virtual time."""
    asyncio.set_event_loop_policy(_VirtualPolicy())
