"""The sender is the only owner of retries, and of the budget of requests in flight."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

import pytest

from s3copy_tasks.core.job import TransferOptions
from s3copy_tasks.engine.loop import event_loop, wait_for
from s3copy_tasks.engine.sender import Sender, make_sender
from s3copy_tasks.errors import AccessError, CopyError, ThrottledError, TransientError
from tests.support.builders.bench import impatient, make_job
from tests.support.builders.virtual import VirtualTime

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

T = TypeVar("T")
TRANSIENT = TransientError("reset", code="InternalError")
SLOW = ThrottledError("slow down", code="SlowDown")
DENIED = AccessError("no", code="AccessDenied")
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


class Waits:
    """Returns immediately, and remembers how long it should have waited."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    async def __call__(self, seconds: float) -> bool:
        self.seconds.append(seconds)
        return False

    def clock(self) -> float:
        return sum(self.seconds)


SUCCEEDS: dict[str, list[CopyError]] = {
    "at-once": [],
    "after-two-transient": [TRANSIENT, TRANSIENT],
    "after-eleven-throttled": [SLOW] * 11,
    "throttling-does-not-use-up-attempts": [*[SLOW] * 11, TRANSIENT, TRANSIENT],
    "attempts-do-not-use-up-throttling": [TRANSIENT, TRANSIENT, *[SLOW] * 11],
}


@pytest.mark.parametrize("errors", SUCCEEDS.values(), ids=SUCCEEDS)
def test_tries_again(errors: list[CopyError]) -> None:
    """A request has 3 attempts when errors are transient, and 12 when S3 asks to slow down, counted apart."""
    call = Script(errors)
    assert sent(impatient(2), call) == "done"
    assert call.calls == len(errors) + 1


GIVES_UP: dict[str, tuple[list[CopyError], int]] = {
    "three-transient": ([TRANSIENT] * 9, 3),
    "twelve-throttled": ([SLOW] * 20, 12),
    "denied": ([DENIED] * 9, 1),
    "denied-at-last": ([TRANSIENT, SLOW, DENIED, DENIED], 3),
}


@pytest.mark.parametrize(("errors", "attempts"), GIVES_UP.values(), ids=GIVES_UP)
def test_gives_up(errors: list[CopyError], attempts: int) -> None:
    """The last attempt's error is raised, with the number of attempts."""
    call = Script(errors)
    with pytest.raises(CopyError) as raised:
        sent(impatient(2), call)
    assert raised.value.attempts == call.calls == attempts


def test_waits_longer_each_time() -> None:
    """Between attempts it waits a random part of 1, 2, 4 ... seconds, of a quarter after a SlowDown."""
    waits = Waits()
    sent(Sender(2, wait=waits, clock=waits.clock, jitter=lambda: 0.5), Script([SLOW] * 4))
    assert waits.seconds == [0.125, 0.25, 0.5, 1.0]


def test_bugs_are_not_tried_again() -> None:
    """An error that is not S3's is raised immediately, and its slot is free again."""
    sender, call = impatient(1), Script([ValueError("bug")])
    with pytest.raises(ValueError, match="bug"):
        sent(sender, call)
    assert call.calls == 1
    assert sent(sender, call) == "done"


def test_nothing_starts_after_stop() -> None:
    """After stop no request starts, except the ones that clean up."""
    sender, call = impatient(1), Script([])
    sender.stop()
    with pytest.raises(InterruptedError):
        sent(sender, call)
    assert call.calls == 0
    assert sent(sender, call, cleans_up=True) == "done"


def test_stop_ends_a_wait() -> None:
    """Stop ends the wait between attempts immediately: the error is raised, without another attempt."""
    sender = Sender(1, jitter=lambda: 0.999)
    calls = 0

    async def call() -> None:
        nonlocal calls
        calls += 1
        sender.stop()
        raise TransientError("reset", code="InternalError")

    with pytest.raises(TransientError):
        sent(sender, call)
    assert calls == 1


def test_cleaning_up_is_tried_again_after_stop() -> None:
    """An abort has all its attempts even when the batch was stopped."""
    call = Script([TRANSIENT, TRANSIENT])
    sender = impatient(1)
    sender.stop()
    assert sent(sender, call, cleans_up=True) == "done"


def test_cleaning_up_pauses_after_stop() -> None:
    """A failing server gets time to recover: else all attempts of an abort would be over at once."""
    sender, call = Sender(1, jitter=lambda: 0.05), Script([TRANSIENT, TRANSIENT])
    sender.stop()
    began = time.monotonic()
    wait_for(sender.send("AbortMultipartUpload", call, cleans_up=True))
    assert time.monotonic() - began >= 0.05 + 0.1


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


def counts(sender: Sender) -> tuple[int, int, int, int]:
    requests = sender.counted().requests()
    return requests.sent, requests.retried, requests.throttled, requests.peak_in_flight


def test_requests_are_counted_by_attempt() -> None:
    """Every attempt is a request; retried and throttled ones are counted among them."""
    sender = impatient(4)
    sent(sender, Script([TRANSIENT, SLOW, SLOW]))
    sent(sender, Script([]))
    assert counts(sender) == (5, 3, 2, 1)
    sent(sender, Script([]))
    assert counts(sender) == (1, 0, 0, 1), "counted since the last call"


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
    assert make_sender(job, batches_at_once=at_once)._pacer._rate.gap_seconds == pytest.approx(gap)
