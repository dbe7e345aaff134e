"""The trigger that starts runs while messages wait: what it reads, and that nothing ends it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from s3copy_tasks.core.location import Location
from s3copy_tasks.core.queue import Queue, QueueState
from s3copy_tasks.dag.queue_trigger import QueueTrigger, watch
from s3copy_tasks.errors import AccessError, ConfigError, TransientError
from tests.support.builders.logs import log_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from s3copy_tasks.core.queue import MessageQueue, Received

URL = "https://sqs.us-west-2.amazonaws.com/111122223333/granules-created"
QUEUE = Queue(url=URL, location=Location(bucket="ops-granules", connection="aws_source"))
DENIED = AccessError("not allowed", code="AccessDenied")
WRONG = ConfigError("no region", code="InvalidConfig")
DOWN = TransientError("no reply", code="EndpointUnreachable")
BUG = KeyError("Attributes")


class Ended(BaseException):
    """The script is played."""


class Script:
    """A queue whose readings are given, and the clock by which it is read."""

    def __init__(self, *readings: int | Exception) -> None:
        self._readings = list(readings)
        self.opened = 0
        self.read_at: list[float] = []
        self.events: list[tuple[float, int]] = []
        self._now = 0.0

    def open(self, _: Queue) -> MessageQueue:
        self.opened += 1
        return self

    def read_state(self) -> QueueState:
        reading = self._readings[len(self.read_at)]
        self.read_at.append(self._now)
        if isinstance(reading, Exception):
            raise reading
        return QueueState(waiting=reading)

    def receive(self, **_: int) -> Sequence[Received]:
        raise AssertionError

    def try_receive(self) -> None:
        raise AssertionError

    def delete(self, _: Sequence[str]) -> Sequence[str]:
        raise AssertionError

    def hide(self, _: Sequence[str], __: int) -> Sequence[str]:
        raise AssertionError

    def play(self) -> Script:
        with suppress(Ended):
            asyncio.run(self._watch())
        return self

    async def _sleep(self, seconds: float) -> None:
        if len(self.read_at) == len(self._readings):
            raise Ended
        self._now += seconds

    async def _watch(self) -> None:
        async for waiting in watch(QUEUE, self.open, now=lambda: self._now, sleep=self._sleep):
            self.events.append((self._now, waiting))


def test_messages_make_events() -> None:
    """The number is read every five seconds by one client, and nothing is received."""
    script = Script(0, 0, 3, *[3] * 12, 0, 0).play()
    assert script.events == [(10, 3), (70, 3)]
    assert script.read_at == [5 * poll for poll in range(17)]
    assert script.opened == 1


@pytest.mark.parametrize("error", [DENIED, WRONG, DOWN, BUG], ids=lambda error: type(error).__name__)
def test_an_error_is_logged_once_and_waited_out(error: Exception) -> None:
    """The pauses grow to a minute; then it goes on as before."""
    with log_lines() as lines:
        script = Script(0, *[error] * 7, 0, 2).play()
    pauses = [later - earlier for earlier, later in pairwise(script.read_at)]
    assert pauses == [5, 10, 20, 40, 60, 60, 60, 60, 5]
    assert script.events == [(script.read_at[-1], 2)]
    assert [(line["level"], line["queue"]) for line in lines] == [("error", URL), ("info", URL)]
    assert lines[0]["error"] == str(error)


@pytest.mark.parametrize(("error", "opened"), [(DENIED, 3), (WRONG, 3), (DOWN, 1)])
def test_the_connection_is_looked_up_again_after_a_refusal(error: Exception, opened: int) -> None:
    """It may have been corrected; an outage is none of its faults."""
    assert Script(0, error, error, 0, 0).play().opened == opened


def test_arguments_are_plain() -> None:
    """Airflow stores them, and makes the same trigger of them."""
    path, arguments = QueueTrigger.of(QUEUE).serialize()
    assert path == "s3copy_tasks.dag.queue_trigger.QueueTrigger", "it is in Airflow's database"
    assert arguments == {
        "url": URL,
        "bucket": "ops-granules",
        "connection": "aws_source",
        "requester_pays": False,
    }
    assert QueueTrigger(**arguments).serialize() == (path, arguments)
