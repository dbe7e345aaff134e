"""Workers take items from a thread, and make it wait while they have enough."""

from __future__ import annotations

import asyncio
import threading

import pytest

from s3copy_tasks.engine.loop import event_loop, wait_for
from s3copy_tasks.engine.workers import Workers


def test_everything_is_done_once() -> None:
    """However many items there are, each is done once."""
    done: list[int] = []

    async def work(item: int) -> None:
        await asyncio.sleep(0)
        done.append(item)

    workers = Workers(work, lambda: 3)
    for item in range(1_000):
        workers.add(item)
    workers.finish()
    assert sorted(done) == list(range(1_000))


@pytest.mark.parametrize("count", [1, 4])
def test_so_many_at_a_time(count: int) -> None:
    """As many items as workers are in progress at a time, and never more."""
    now = peak = 0

    async def work(_: int) -> None:
        nonlocal now, peak
        now += 1
        peak = max(peak, now)
        for _ in range(count):
            await asyncio.sleep(0)
        now -= 1

    workers = Workers(work, lambda: count)
    for item in range(50):
        workers.add(item)
    workers.finish()
    assert peak == count


def test_the_thread_waits() -> None:
    """A thread can't get far ahead of the workers: waiting items are limited."""
    go = asyncio.Event()
    taken: list[int] = []

    async def work(item: int) -> None:
        taken.append(item)
        await go.wait()

    workers = Workers(work, lambda: 2)
    fed: list[int] = []

    def feed() -> None:
        for item in range(100):
            workers.add(item)
            fed.append(item)

    feeder = threading.Thread(target=feed)
    feeder.start()
    feeder.join(0.2)
    assert feeder.is_alive()
    assert len(fed) <= 2 + 2 * 2 + 1
    event_loop().call_soon_threadsafe(go.set)
    feeder.join(10)
    workers.finish()
    assert len(taken) == 100


def test_an_error_ends_only_its_item() -> None:
    """The other items are done; the first error is raised at the end."""
    done: list[int] = []

    async def work(item: int) -> None:
        if item == 3:
            raise ValueError("three")
        done.append(item)

    workers = Workers(work, lambda: 2)
    for item in range(6):
        workers.add(item)
    with pytest.raises(ValueError, match="three"):
        workers.finish()
    assert sorted(done) == [0, 1, 2, 4, 5]


def test_abandoning_drops_what_has_not_begun() -> None:
    """Items in progress are finished; waiting ones never start."""
    begun, release = threading.Event(), asyncio.Event()
    done: list[int] = []

    async def work(item: int) -> None:
        begun.set()
        await release.wait()
        done.append(item)

    workers = Workers(work, lambda: 1)
    for item in range(3):
        workers.add(item)
    assert begun.wait(10)
    event_loop().call_soon_threadsafe(release.set)
    workers.abandon()
    assert done[:1] == [0]
    assert len(done) <= 3


def test_workers_follow_the_limit() -> None:
    """More items are done at a time when the limit rises, and fewer when it falls."""
    tick, first, rest = asyncio.Event(), asyncio.Event(), asyncio.Event()
    limit, done = 2, []
    running: set[int] = set()

    async def pause(_: float) -> None:
        await tick.wait()
        tick.clear()

    async def work(item: int) -> None:
        running.add(item)
        await (first if item < 4 else rest).wait()
        running.remove(item)
        done.append(item)

    async def let_them_run(event: asyncio.Event) -> set[int]:
        event.set()
        for _ in range(20):
            await asyncio.sleep(0)
        return set(running)

    workers = Workers(work, lambda: limit, pause=pause)
    for item in range(4):
        workers.add(item)
    assert wait_for(let_them_run(asyncio.Event())) == {0, 1}
    limit = 4
    assert wait_for(let_them_run(tick)) == set(range(4))
    for item in range(4, 9):
        workers.add(item)
    limit = 3
    assert wait_for(let_them_run(first)) == {4, 5, 6}
    assert wait_for(let_them_run(rest)) == set()
    workers.finish()
    assert sorted(done) == list(range(9))
