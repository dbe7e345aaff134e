"""Calls for a sender: scripted ones, ones that block, and what was counted of them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from s3copy_tasks.engine.loop import event_loop, wait_for

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from s3copy_tasks.engine.sender import Sender

T = TypeVar("T")
PATIENCE_SECONDS = 10
THREADS = ThreadPoolExecutor(32)


class Script:
    """A call that raises the given errors, one after another, and then returns "done"."""

    def __init__(self, errors: Sequence[BaseException]) -> None:
        self.errors = list(errors)
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def in_a_thread(call: Callable[[], object]) -> Callable[[], Awaitable[object]]:
    """Return a call that may block: in a thread it does not block others."""
    return lambda: event_loop().run_in_executor(THREADS, call)


def sent(sender: Sender, call: Callable[[], Awaitable[T]], *, cleans_up: bool = False) -> T:
    """Send from a thread that waits for the result."""
    return wait_for(sender.send("CopyObject", call, cleans_up=cleans_up))


def counts(sender: Sender) -> tuple[int, int, int, int]:
    requests = sender.counted().requests()
    return requests.sent, requests.retried, requests.throttled, requests.peak_in_flight
