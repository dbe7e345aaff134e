"""The thread that deletes what a batch holds."""

from __future__ import annotations

import itertools
from threading import Event

import pytest

from s3copy_tasks.copy.keeper import Keeper
from s3copy_tasks.core.collector import MetricsCollector
from s3copy_tasks.core.held_messages import HeldMessages, Incoming
from s3copy_tasks.errors import AccessError, CopyError, TransientError
from tests.support.s3.memory_queue import MemoryQueue, Seconds
from tests.support.s3.queues import TEST_EVENT


@pytest.mark.parametrize("error", [TransientError("down", code="500"), AccessError("no", code="403")])
def test_a_keeper_whose_deletes_fail_rests(error: CopyError) -> None:
    """While SQS deletes nothing, and ten messages wait for it, the keeper takes no CPU time."""
    seconds, readings = Seconds(), itertools.count()
    failed, is_busy = Event(), Event()
    queue, metrics = MemoryQueue(seconds), MetricsCollector()
    metrics.start_operation("run")

    def fail(_: str) -> None:
        failed.set()
        raise error

    def read_clock() -> float:
        now = next(readings)
        if now > 100:
            is_busy.set()
        return now

    queue.send(*[TEST_EVENT] * 10)
    held = HeldMessages(seconds, seconds.now)
    received = queue.receive(wait_seconds=0, hidden_seconds=120)
    held.take(Incoming(message, (), in_scope=False, outside="") for message in received)
    queue.before = fail
    with Keeper(queue, held, metrics, clock=read_clock, pause=seconds.pause):
        assert failed.wait(60)
        assert not is_busy.wait(0.2)
    assert metrics.metrics().errors_encountered.by_code == {error.code: 1}
