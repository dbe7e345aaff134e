"""The sender is the only owner of retries, and of the budget of requests in flight."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from s3copy_tasks.engine.loop import wait_for
from s3copy_tasks.engine.sender import Sender
from s3copy_tasks.errors import AccessError, CopyError, ThrottledError, TransientError
from tests.support.builders.bench import impatient
from tests.support.builders.calls import Script, counts, sent

if TYPE_CHECKING:
    pass

TRANSIENT = TransientError("reset", code="InternalError")
SLOW = ThrottledError("slow down", code="SlowDown")
DENIED = AccessError("no", code="AccessDenied")


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


def test_requests_are_counted_by_attempt() -> None:
    """Every attempt is a request; retried and throttled ones are counted among them."""
    sender = impatient(4)
    sent(sender, Script([TRANSIENT, SLOW, SLOW]))
    sent(sender, Script([]))
    assert counts(sender) == (5, 3, 2, 1)
    sent(sender, Script([]))
    assert counts(sender) == (1, 0, 0, 1), "counted since the last call"
