"""One loop in its own thread: others wait for it, signals interrupt the wait, a fork starts a new one."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading

import pytest

from s3copy_tasks.engine.loop import event_loop, wait_for


class TimeIsUpError(Exception):
    """The error that a signal handler raises."""


def test_coroutines_run_in_another_thread() -> None:
    """A coroutine runs on the loop, always the same one, and its result is returned."""

    async def where() -> tuple[int, asyncio.AbstractEventLoop]:
        return threading.get_ident(), asyncio.get_running_loop()

    thread, loop = wait_for(where())
    assert thread != threading.get_ident()
    assert loop is event_loop() is wait_for(where())[1]


def test_errors_come_back() -> None:
    """The waiting thread gets the error that a coroutine raises."""

    async def fails() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        wait_for(fails())


def test_an_interrupted_wait_cancels() -> None:
    """A signal handler that raises ends the wait immediately, and cancels the coroutine."""
    ended = threading.Event()

    async def waits() -> None:
        os.kill(os.getpid(), signal.SIGUSR1)
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    def handler(*_: object) -> None:
        raise TimeIsUpError

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        with pytest.raises(TimeIsUpError):
            wait_for(waits())
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert ended.wait(10)


FORKS = """
import asyncio, os, sys
from s3copy_tasks.engine.loop import wait_for
wait_for(asyncio.sleep(0))
child = os.fork()
if child == 0:
    wait_for(asyncio.sleep(0))
    sys.exit(7)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_fork_has_a_loop_of_its_own() -> None:
    """The loop's thread is only in the parent: a forked child starts a new one."""
    done = subprocess.run(
        [sys.executable, "-c", FORKS], capture_output=True, text=True, timeout=30, check=False
    )
    assert done.stdout.strip() == "7", done.stderr
