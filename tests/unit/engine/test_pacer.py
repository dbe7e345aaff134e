"""When a request may start: the limit in flight, the rate, and what `stop` does to those that wait."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from s3copy_tasks.core.options import TransferOptions
from s3copy_tasks.engine.loop import wait_for
from s3copy_tasks.engine.sender import Sender, make_sender
from s3copy_tasks.errors import ThrottledError
from tests.support.builders.bench import make_job
from tests.support.builders.calls import PATIENCE_SECONDS, Script, counts, in_a_thread, sent
from tests.support.builders.virtual import VirtualTime

if TYPE_CHECKING:
    from s3copy_tasks.core.request_counts import Kind

SLOW = ThrottledError("slow down", code="SlowDown")


def test_stop_frees_those_who_queue() -> None:
    """A thread that waits for a slot wakes up when the batch stops."""
    sender, busy, release = Sender(1), threading.Event(), threading.Event()

    def holds_the_slot() -> None:
        busy.set()
        assert release.wait(PATIENCE_SECONDS)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(sent, sender, in_a_thread(holds_the_slot))
        assert busy.wait(PATIENCE_SECONDS)
        second = pool.submit(sent, sender, Script([]))
        sender.stop()
        with pytest.raises(InterruptedError):
            second.result(PATIENCE_SECONDS)
        release.set()
        first.result(PATIENCE_SECONDS)


@pytest.mark.parametrize("in_flight", [1, 3, 8])
def test_in_flight(in_flight: int) -> None:
    """As many requests as the limit are in flight, and never more."""
    sender, lock = Sender(in_flight), threading.Lock()
    together = threading.Barrier(in_flight)
    now = peak = 0

    def call() -> None:
        nonlocal now, peak
        with lock:
            now += 1
            peak = max(peak, now)
        together.wait(PATIENCE_SECONDS)
        with lock:
            now -= 1

    with ThreadPoolExecutor(3 * in_flight) as pool:
        for done in [pool.submit(sent, sender, in_a_thread(call)) for _ in range(6 * in_flight)]:
            done.result(PATIENCE_SECONDS)
    assert peak == in_flight


def test_after_a_slow_down_requests_start_apart() -> None:
    """Once S3 asked to slow down, requests that could all start together start one after another."""
    time = VirtualTime()
    sender = Sender(4, wait=time.sleep, jitter=lambda: 0.0, clock=lambda: time.now)
    starts: list[float] = []

    async def request() -> None:
        starts.append(time.now)
        await time.sleep(0.001)

    async def slow() -> None:
        await sender.send("CopyObject", Script([SLOW]))

    async def one() -> None:
        await sender.send("CopyObject", request)

    wait_for(time.run(slow()))
    wait_for(time.run(*(one() for _ in range(4))))
    assert [later - earlier for earlier, later in pairwise(starts)] == pytest.approx([0.025] * 3)


def test_peak_in_flight_is_what_was_sent_at_once() -> None:
    """Three requests that wait for each other are three in flight."""
    together = threading.Barrier(3, timeout=PATIENCE_SECONDS)
    sender = Sender(8)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: sent(sender, in_a_thread(together.wait)), range(3)))
    assert sender.counted().requests().peak_in_flight == 3


def test_requests_keep_the_pace() -> None:
    """At 4 per second, each request starts a quarter of a second after the last; a pause saves up 5 ms."""
    time = VirtualTime()
    sender = Sender(8, per_second=4, wait=time.sleep, clock=lambda: time.now)
    starts: list[float] = []

    async def request() -> None:
        starts.append(time.now)

    async def one(after: float) -> None:
        await time.sleep(after)
        await sender.send("CopyObject", request)

    wait_for(time.run(*(one(after) for after in (0.0, 0.0, 0.0, 10.0, 10.0))))
    assert starts == pytest.approx([0.0, 0.25, 0.5, 10.0, 10.245])


def test_requests_start_in_order_of_arrival() -> None:
    """A request that arrives when the time of another has come starts after it."""
    time = VirtualTime()
    sender = Sender(8, per_second=4, wait=time.sleep, clock=lambda: time.now)
    starts: list[int] = []

    async def one(number: int, after: float) -> None:
        async def request() -> None:
            starts.append(number)

        await time.sleep(after)
        await sender.send("CopyObject", request)

    wait_for(time.run(*(one(number, after) for number, after in enumerate((0.0, 0.0, 0.0, 0.25, 0.5)))))
    assert starts == [0, 1, 2, 3, 4]


def test_a_cancelled_request_leaves_its_slot_to_the_next() -> None:
    """A request that is cancelled at the moment when it may start does not keep the slot."""
    sender = Sender(1)

    async def run() -> str:
        release = asyncio.Event()

        async def hold() -> None:
            await release.wait()

        first = asyncio.ensure_future(sender.send("CopyObject", hold))
        await asyncio.sleep(0)
        second, third = (asyncio.ensure_future(sender.send("CopyObject", Script([]))) for _ in range(2))
        await asyncio.sleep(0)
        release.set()
        asyncio.get_running_loop().call_soon(second.cancel)  # after the first, which ends in this round
        done = await asyncio.wait_for(third, PATIENCE_SECONDS)
        await first
        assert second.cancelled()
        return done

    assert wait_for(run()) == "done"


def test_a_listing_goes_before_all_that_wait() -> None:
    """A page is needed for the next copies: it does not queue behind those that wait for their time."""
    time = VirtualTime()
    sender = Sender(8, per_second=4, wait=time.sleep, clock=lambda: time.now)
    starts: list[tuple[float, str]] = []

    async def one(kind: Kind, after: float) -> None:
        async def request() -> None:
            starts.append((time.now, kind))

        await time.sleep(after)
        await sender.send(kind, request)

    copies = [one("CopyObject", 0.0) for _ in range(4)]
    wait_for(time.run(*copies, one("ListObjectsV2", 0.1)))
    assert [kind for _, kind in sorted(starts)] == ["CopyObject", "ListObjectsV2", *["CopyObject"] * 3]


def test_a_stop_ends_the_wait_for_the_pace() -> None:
    """A request that waits for its time is never sent once the sender has stopped; an abort still is."""
    sender = Sender(8, per_second=0.01)
    call, clean_up = Script([]), Script([])
    sent(sender, Script([]))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(sent, sender, call)
        wait_for(queued(sender))
        sender.stop()
        with pytest.raises(InterruptedError):
            waiting.result(PATIENCE_SECONDS)
    assert call.calls == 0
    assert sent(sender, clean_up, cleans_up=True) == "done"
    assert counts(sender) == (2, 0, 0, 1), "a request that never starts does not count"


async def queued(sender: Sender) -> None:
    """Return when a request waits for its time."""
    while not sender._pacer._queue:  # noqa: ASYNC110 - no event exists for it
        await asyncio.sleep(0)


@pytest.mark.parametrize(("at_once", "gap"), [(1, 0.01), (4, 0.04)])
def test_batches_share_the_rate(at_once: int, gap: float) -> None:
    """Four parallel batches have a quarter of the job's rate each."""
    job = make_job(transfer=TransferOptions(max_requests_per_second=100))
    assert make_sender(job.transfer, batches_at_once=at_once)._pacer._rate.gap_seconds == pytest.approx(gap)
