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


def hold(queue: MemoryQueue, seconds: Seconds, count: int) -> HeldMessages:
    """Receive messages, and return them as held; each waits for an object of its own."""
    queue.send(*["an event"] * count)
    held = HeldMessages(seconds, seconds.now)
    while received := queue.receive(wait_seconds=0, hidden_seconds=120):
        held.take(Incoming(message, (message.id,), in_scope=True, outside="") for message in received)
    return held


def test_a_request_that_fails_does_not_stop_the_next_ten_messages() -> None:
    """At the end of a batch failed messages stay hidden for a while, whatever becomes of other requests."""
    seconds, metrics, failures = Seconds(), MetricsCollector(), iter([True])
    metrics.start_operation("run")
    queue = MemoryQueue(seconds)
    held = hold(queue, seconds, 30)
    for name in queue.messages:
        held.settle(name, failed=True)

    def fail_once(operation: str) -> None:
        if operation == "hide" and next(failures, False):
            raise TransientError("slow down", code="RequestThrottled")

    queue.before = fail_once
    Keeper(queue, held, metrics, clock=seconds, pause=seconds.pause).end(aborted=False)
    assert sorted(queue.hidden_seconds()) == [30] * 20 + [120] * 10


def test_the_batch_learns_that_its_keeper_has_died() -> None:
    """An unexpected error ends the batch, instead of leaving its messages to time out."""
    seconds, metrics, died = Seconds(), MetricsCollector(), Event()
    metrics.start_operation("run")
    queue = MemoryQueue(seconds)
    held = hold(queue, seconds, 10)

    def fail(operation: str) -> None:
        if operation == "delete":
            died.set()
            raise ZeroDivisionError

    def keep() -> None:
        with Keeper(queue, held, metrics, clock=seconds, pause=seconds.pause):
            for name in queue.messages:
                held.settle(name)
            assert died.wait(60)

    queue.before = fail
    with pytest.raises(ZeroDivisionError):
        keep()
    assert queue.hidden_seconds() == [0] * 10
