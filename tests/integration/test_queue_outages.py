"""SQS or the destination is down for a while, or an object can't be copied at all: nothing else is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.s3.proxy import Reply
from tests.support.s3.queue_runs import RECEIVES_MAX, QueueRuns, refused_by_sqs

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.s3.proxy import Proxy, Request
    from tests.support.s3.servers import Endpoint
    from tests.support.s3.sides import Sides

pytestmark = pytest.mark.needs("queues")
KEYS = {f"n-{number:02}" for number in range(16)}


class Outage:
    """From the fifth copy on, requests get an error for so many seconds of the sender's clock."""

    def __init__(self, runs: QueueRuns, seconds: float, strike: Callable[[Request], Reply | None]) -> None:
        self._clock = runs.sender.clock
        self._seconds = seconds
        self._strike = strike
        self._copies = 0
        self._until: float | None = None
        self.struck = 0
        runs.proxy.answer = self._answer

    def _answer(self, request: Request) -> Reply | None:
        self._copies += request.kind == "CopyObject"
        if self._copies < 5:
            return None
        if self._until is None:
            self._until = self._clock() + self._seconds
        reply = self._strike(request) if self._clock() < self._until else None
        self.struck += reply is not None
        return reply


def fail_sqs(request: Request) -> Reply | None:
    """Fail whatever is asked of SQS."""
    return refused_by_sqs(503, "ServiceUnavailable") if "x-amz-target" in request.headers else None


def test_an_outage_of_the_queue(server: Endpoint, sides: Sides, proxy: Proxy) -> None:
    """Half a minute is waited out: nothing fails, and no message is received twice."""
    runs = QueueRuns(server, sides, proxy)
    runs.write(*KEYS)
    outage = Outage(runs, 30, fail_sqs)
    metrics = runs.run()
    assert outage.struck > 1
    runs.check(KEYS)
    assert (metrics.files_copied_successfully, metrics.errors_encountered.total) == (len(KEYS), 0)
    assert metrics.messages is not None
    assert (metrics.messages.received, metrics.messages.deleted) == (len(KEYS), len(KEYS))
    assert runs.queue.state() == runs.dead.state() == (0, 0)


def test_a_long_outage_of_the_queue(server: Endpoint, sides: Sides, proxy: Proxy) -> None:
    """A batch that SQS fails for minutes ends by an error that says so; the next run does the rest."""
    runs = QueueRuns(server, sides, proxy)
    runs.write(*KEYS)
    Outage(runs, 300, fail_sqs)
    metrics = runs.run()
    assert set(metrics.errors_encountered.by_code) == {"ServiceUnavailable"}
    assert (metrics.files_failed, metrics.files_unknown) == (0, 0)
    assert metrics.messages is not None
    assert metrics.messages.left > 0
    runs.sender.pause(300)
    runs.run()
    runs.check(KEYS)
    assert sum(each.files_copied_successfully for each in runs.metrics) == len(KEYS)
    assert runs.queue.state() == runs.dead.state() == (0, 0)


@pytest.mark.parametrize(("status", "code"), [(500, "InternalError"), (503, "SlowDown")])
def test_an_outage_of_the_destination(
    server: Endpoint, sides: Sides, proxy: Proxy, status: int, code: str
) -> None:
    """What fails meanwhile is hidden, received once more by the next run, and copied."""
    runs = QueueRuns(server, sides, proxy, in_flight=1)
    runs.write(*KEYS)

    def fail(request: Request) -> Reply | None:
        if not request.target.startswith(f"/{sides.destination_bucket}/"):
            return None
        return Reply(status) if request.method == "HEAD" else Reply.error(status, code)

    Outage(runs, 10, fail)
    first = runs.run()
    assert first.messages is not None
    assert first.files_failed == first.messages.left == runs.queue.state()[1]
    assert first.files_failed > 0 or status != 500
    runs.run()
    runs.check(KEYS)
    assert sum(each.files_copied_successfully for each in runs.metrics) == len(KEYS)
    assert runs.queue.state() == runs.dead.state() == (0, 0)


def test_what_can_never_be_settled_is_redriven(server: Endpoint, sides: Sides, proxy: Proxy) -> None:
    """A denied object and an unreadable message become dead letters; meanwhile all else is copied."""
    runs = QueueRuns(server, sides, proxy)
    denied = f"/{sides.source_bucket}/data/denied"
    proxy.answer = lambda request: Reply(403) if request.target == denied else None
    runs.write("denied")
    runs.queue.send(["not an event"])
    written: set[str] = set()
    for number in range(RECEIVES_MAX):
        new = {f"{number}-{each}" for each in range(3)}
        runs.write(*new)
        written |= new
        metrics = runs.run()
        assert (metrics.files_copied_successfully, metrics.files_failed) == (3, 2)
        assert runs.queue.state() == (0, 2)
        assert runs.dead.state() == (0, 0)
    assert runs.run().total_files_found == 0
    assert runs.queue.state() == (0, 0)
    assert runs.dead.state() == (2, 0)
    runs.check(written)
