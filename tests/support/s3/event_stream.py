"""Writes objects as a busy archive does, and sends their events as S3 does: doubled and out of order."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from tests.support.s3.queues import by_eventbridge, by_sns, notify, record

if TYPE_CHECKING:
    from tests.support.s3.queues import EventQueue
    from tests.support.s3.sides import Sides

_WINDOW = 100
_TOGETHER = 10
_THREADS = 4


@dataclass(frozen=True, slots=True)
class _Write:
    """An object to write so many times, and how many events it has; no write: it is gone."""

    number: int
    writes: int = 1
    events: int = 1
    text: str = "first"

    @property
    def key(self) -> str:
        return f"data/n-{self.number:05} +ü"


class EventStream:
    """Writes objects below `data/` in windows of a hundred, and sends their events in any order.

    In each window two objects are gone before their events come, four have a doubled event, and eight are
    written again: half of them at once, half in the next window.

    Args:
        sides: whose source is written to.
        queue: that gets the events.
        events: to send, rounded up to a window's.
        seed: of the order.

    Attributes:
        sent: events so far.
        gone: objects that are gone.
    """

    def __init__(self, sides: Sides, queue: EventQueue, events: int, seed: int = 0) -> None:
        self._sides = sides
        self._queue = queue
        self._events = events
        self._random = random.Random(seed)
        self._numbers = 0
        self.sent = self.gone = 0

    def run(self) -> None:
        """Write and send all."""
        again: list[_Write] = []
        with ThreadPoolExecutor(_THREADS) as pool:
            while self.sent < self._events:
                numbers = range(self._numbers, self._numbers + _WINDOW)
                self._numbers += _WINDOW
                writes = [
                    *(_Write(number, writes=0) for number in numbers[:2]),
                    *(_Write(number, events=2) for number in numbers[2:6]),
                    *(_Write(number, writes=2, events=2) for number in numbers[6:10]),
                    *(_Write(number) for number in numbers[10:]),
                    *again,
                ]
                again = [_Write(number, text="again") for number in numbers[-4:]]
                bodies = list(chain.from_iterable(pool.map(self._write, writes)))
                self._random.shuffle(bodies)
                tens = (bodies[first : first + _TOGETHER] for first in range(0, len(bodies), _TOGETHER))
                list(pool.map(self._queue.send, tens))
                self.sent += len(bodies)
                self.gone += 2

    def _write(self, write: _Write) -> list[str]:
        """Write an object, or not; return its events."""
        for count in range(write.writes):
            self._sides.put(write.key, f"{write.key} {write.text} {count}".encode())
        bucket = self._sides.source_bucket
        own = notify(record(bucket, write.key))
        form = (own, by_sns(own), by_eventbridge(bucket, write.key), own)[write.number % 4]
        return [form, own][: write.events]
