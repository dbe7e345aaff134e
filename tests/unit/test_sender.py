"""The one owner of retries, and of the budget of requests in flight."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from s3copy_tasks.core.job import TransferOptions
from s3copy_tasks.core.metrics import Requests
from s3copy_tasks.errors import AccessError, CopyError, ThrottledError, TransientError
from s3copy_tasks.loop import event_loop
from s3copy_tasks.sender import Sender, sender_of
from tests.bench import make_job

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

TRANSIENT = TransientError("reset", code="InternalError")
SLOW = ThrottledError("slow down", code="SlowDown")
DENIED = AccessError("no", code="AccessDenied")
PATIENCE_SECONDS = 10
THREADS = ThreadPoolExecutor(32)


class Script:
    """A call that ends with the given errors, one after the other, and then with "done"."""

    def __init__(self, errors: Sequence[BaseException]) -> None:
        self.errors = list(errors)
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def in_a_thread(call: Callable[[], object]) -> Callable[[], Awaitable[object]]:
    """Return a call that may block: in a thread it holds up no other."""
    return lambda: event_loop().run_in_executor(THREADS, call)


class Waits:
    """Waits no time, and remembers how long it should have been; says "stop" when told so."""

    def __init__(self, *, stop: bool = False) -> None:
        self.seconds: list[float] = []
        self.stop = stop

    async def __call__(self, seconds: float) -> bool:
        self.seconds.append(seconds)
        return self.stop


SUCCEEDS: dict[str, list[CopyError]] = {
    "at-once": [],
    "after-two-transient": [TRANSIENT, TRANSIENT],
    "after-nine-throttled": [SLOW] * 9,
    "throttling-does-not-use-up-attempts": [*[SLOW] * 9, TRANSIENT, TRANSIENT],
    "attempts-do-not-use-up-throttling": [TRANSIENT, TRANSIENT, *[SLOW] * 9],
}


@pytest.mark.parametrize("errors", SUCCEEDS.values(), ids=SUCCEEDS)
def test_tries_again(errors: list[CopyError]) -> None:
    """A request has 3 attempts when errors are transient, and 10 when S3 asks to slow down, counted apart."""
    call = Script(errors)
    assert Sender(2, wait=Waits()).send(call) == "done"
    assert call.calls == len(errors) + 1


GIVES_UP: dict[str, tuple[list[CopyError], int]] = {
    "three-transient": ([TRANSIENT] * 9, 3),
    "ten-throttled": ([SLOW] * 20, 10),
    "denied": ([DENIED] * 9, 1),
    "denied-at-last": ([TRANSIENT, SLOW, DENIED, DENIED], 3),
}


@pytest.mark.parametrize(("errors", "attempts"), GIVES_UP.values(), ids=GIVES_UP)
def test_gives_up(errors: list[CopyError], attempts: int) -> None:
    """The last attempt's error comes out and says how many attempts were made."""
    call = Script(errors)
    with pytest.raises(CopyError) as raised:
        Sender(2, wait=Waits()).send(call)
    assert raised.value.attempts == call.calls == attempts


def test_waits_longer_each_time() -> None:
    """Between attempts it waits a random part of 1, 2, 4 ... seconds."""
    waits = Waits()
    Sender(2, wait=waits, jitter=lambda: 0.5).send(Script([SLOW] * 4))
    assert waits.seconds == [0.5, 1.0, 2.0, 4.0]


def test_bugs_are_not_tried_again() -> None:
    """An error that is not S3's comes out at once, and its slot is free again."""
    sender, call = Sender(1, wait=Waits()), Script([ValueError("bug")])
    with pytest.raises(ValueError, match="bug"):
        sender.send(call)
    assert call.calls == 1
    assert sender.send(call) == "done"


def test_nothing_starts_after_stop() -> None:
    """After stop no request starts, except the ones that clean up."""
    sender, call = Sender(1, wait=Waits()), Script([])
    sender.stop()
    with pytest.raises(InterruptedError):
        sender.send(call)
    assert call.calls == 0
    assert sender.send(call, cleans_up=True) == "done"


def test_stop_ends_a_wait() -> None:
    """Stop ends the wait between attempts at once: the error comes out, no other attempt is made."""
    sender = Sender(1, jitter=lambda: 0.999)
    calls = 0

    async def call() -> None:
        nonlocal calls
        calls += 1
        sender.stop()
        raise TransientError("reset", code="InternalError")

    with pytest.raises(TransientError):
        sender.send(call)
    assert calls == 1


def test_cleaning_up_is_tried_again_after_stop() -> None:
    """An abort keeps its attempts when the batch was stopped."""
    call = Script([TRANSIENT, TRANSIENT])
    assert Sender(1, wait=Waits(stop=True)).send(call, cleans_up=True) == "done"


def test_stop_frees_those_who_queue() -> None:
    """A thread that waits for a slot is told when the batch stops."""
    sender, busy, release = Sender(1), threading.Event(), threading.Event()

    def holds_the_slot() -> None:
        busy.set()
        assert release.wait(PATIENCE_SECONDS)

    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(sender.send, in_a_thread(holds_the_slot))
        assert busy.wait(PATIENCE_SECONDS)
        second = pool.submit(sender.send, Script([]))
        sender.stop()
        with pytest.raises(InterruptedError):
            second.result(PATIENCE_SECONDS)
        release.set()
        first.result(PATIENCE_SECONDS)


@pytest.mark.parametrize("in_flight", [1, 3, 8])
def test_in_flight(in_flight: int) -> None:
    """As many requests as the limit are in flight, and never one more."""
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
        for done in [pool.submit(sender.send, in_a_thread(call)) for _ in range(6 * in_flight)]:
            done.result(PATIENCE_SECONDS)
    assert peak == in_flight


def test_throttling_lowers_what_is_in_flight() -> None:
    """After S3 asked to slow down, fewer requests are in flight until answers come again."""
    sender, lock = Sender(4, wait=Waits()), threading.Lock()
    busy, release = threading.Event(), threading.Event()
    now = peak = 0

    def call() -> None:
        nonlocal now, peak
        with lock:
            now += 1
            peak = max(peak, now)
            if now == 3:
                busy.set()
        assert release.wait(PATIENCE_SECONDS)
        with lock:
            now -= 1

    with pytest.raises(ThrottledError):  # 4, 3.4, 2.9 ... and never below 1
        sender.send(Script([SLOW] * 10))
    assert sender.send(Script([])) == "done"
    for _ in range(3):
        sender.send(Script([]))
    with ThreadPoolExecutor(8) as pool:
        futures = [pool.submit(sender.send, in_a_thread(call)) for _ in range(8)]
        assert busy.wait(PATIENCE_SECONDS)
        assert peak == 3
        release.set()
        for done in futures:
            done.result(PATIENCE_SECONDS)
    assert peak <= 4


def test_a_raised_limit_wakes_two() -> None:
    """When an answer raises the limit, a waiting request takes the new slot at once."""
    sender = Sender(2, wait=Waits())
    slow, release, together = threading.Event(), threading.Event(), threading.Barrier(2)
    errors = [SLOW]

    def lowers_the_limit() -> None:
        if errors:
            raise errors.pop()
        slow.set()
        assert release.wait(PATIENCE_SECONDS)

    def needs_company() -> None:
        together.wait(PATIENCE_SECONDS)

    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(sender.send, in_a_thread(lowers_the_limit))
        assert slow.wait(PATIENCE_SECONDS)
        queued = [pool.submit(sender.send, in_a_thread(needs_company)) for _ in range(2)]
        assert not queued[1].done()
        release.set()
        for done in (first, *queued):
            done.result(PATIENCE_SECONDS)


def test_requests_are_counted_by_attempt() -> None:
    """Every attempt is a request; what came again, and what was throttled, are counted among them."""
    sender = Sender(4, wait=Waits())
    sender.send(Script([TRANSIENT, SLOW, SLOW]))
    sender.send(Script([]))
    assert sender.requests == Requests(sent=5, retried=3, throttled=2, peak_in_flight=1)
    before = sender.requests
    sender.send(Script([]))
    assert sender.requests.since(before) == Requests(sent=1, peak_in_flight=1)


def test_peak_in_flight_is_what_was_sent_at_once() -> None:
    """Three requests that wait for each other are three in flight."""
    together = threading.Barrier(3, timeout=PATIENCE_SECONDS)
    sender = Sender(8)
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: sender.send(in_a_thread(together.wait)), range(3)))
    assert sender.requests.peak_in_flight == 3


def test_requests_keep_the_pace() -> None:
    """At 4 a second each request starts a quarter of a second after the one before, early ones wait."""
    waits, now = Waits(), [100.0]
    sender = Sender(8, per_second=4, wait=waits, clock=lambda: now[0])
    for _ in range(3):
        sender.send(Script([]))
    assert waits.seconds == [0.25, 0.5]
    now[0] += 10
    sender.send(Script([]))
    assert waits.seconds == [0.25, 0.5], "a pause is no credit, and no debt"


def test_a_stop_ends_the_wait_for_the_pace() -> None:
    """A request that waits for its turn is never sent once the sender has stopped; an abort still is."""
    sender = Sender(8, per_second=1, wait=Waits(stop=True), clock=lambda: 0.0)
    call, clean_up = Script([]), Script([])
    sender.send(Script([]))
    with pytest.raises(InterruptedError):
        sender.send(call)
    assert call.calls == 0
    assert sender.send(clean_up, cleans_up=True) == "done"


@pytest.mark.parametrize(("at_once", "gap"), [(1, 0.01), (4, 0.04)])
def test_batches_share_the_rate(at_once: int, gap: float) -> None:
    """Four batches at once have a quarter of the job's rate each."""
    job = make_job(transfer=TransferOptions(max_requests_per_second=100))
    assert sender_of(job, batches_at_once=at_once)._gap_seconds == pytest.approx(gap)


def test_what_waits_for_its_turn_is_not_sent_yet() -> None:
    """Requests that never start are no requests: not in the count, and not in flight."""
    sender = Sender(8, per_second=1, wait=Waits(stop=True), clock=lambda: 0.0)
    sender.send(Script([]))
    for _ in range(5):
        with pytest.raises(InterruptedError):
            sender.send(Script([]))
    assert sender.requests == Requests(sent=1, peak_in_flight=1)
