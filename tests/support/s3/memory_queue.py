"""A queue in memory, whose time passes only while a caller waits; faults are hooks."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from threading import RLock
from typing import TYPE_CHECKING, Any

from s3copy_tasks.core.location import Location
from s3copy_tasks.core.queue import RECEIVED_TOGETHER, Queue, QueueState, Received
from tests.support.s3.memory import DAY_ONE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime


URL = "https://sqs.us-east-1.amazonaws.com/111122223333/changes"


def queue_of(bucket: str, **how: Any) -> Queue:
    """Return the queue of a job whose source is a bucket."""
    return Queue(url=URL, location=Location(bucket=bucket, **how))


class Seconds:
    """A clock that moves only when something waits."""

    def __init__(self) -> None:
        self.passed = 0.0

    def __call__(self) -> float:
        return self.passed

    def now(self) -> datetime:
        return DAY_ONE + timedelta(seconds=self.passed)

    def pause(self, seconds: float) -> None:
        self.passed += seconds


@dataclass(slots=True)
class _Stored:
    body: str
    sent: float
    visible_from: float
    receives: int = 0
    handle: str = ""


class MemoryQueue:
    """A queue of SQS, see `MessageQueue`.

    Args:
        clock: says when a message is visible again.
        receives_max: a message that was received so often goes to `dead`; None means never.
    """

    def __init__(self, clock: Seconds, *, receives_max: int | None = None) -> None:
        self.messages: dict[str, _Stored] = {}
        self.dead: list[str] = []
        self.requests: Counter[str] = Counter()
        self.before: Callable[[str], None] = lambda operation: None
        self.on_delete: Callable[[str], None] = lambda body: None
        self._clock = clock
        self._receives_max = receives_max
        self._numbers = itertools.count(1)
        self._lock = RLock()

    def send(self, *bodies: str) -> None:
        for body in bodies:
            now = self._clock()
            self.messages[f"message-{next(self._numbers)}"] = _Stored(body, now, now)

    @property
    def bodies(self) -> list[str]:
        """What is in the queue, visible or not."""
        return [stored.body for stored in self.messages.values()]

    def hidden_seconds(self) -> list[float]:
        """Return for how long each message can't be received."""
        return [max(stored.visible_from - self._clock(), 0) for stored in self.messages.values()]

    def read_state(self) -> QueueState:
        self._request("read_state")
        waiting = self.hidden_seconds().count(0)
        return QueueState(waiting=waiting, in_flight=len(self.messages) - waiting)

    def receive(self, *, wait_seconds: int, hidden_seconds: int) -> Sequence[Received]:
        self._request("receive")
        with self._lock:
            found = self._receive(hidden_seconds)
            if not found:
                self._clock.pause(wait_seconds)
                found = self._receive(hidden_seconds)
            return found

    def try_receive(self) -> None:
        self._request("receive")

    def _receive(self, hidden_seconds: int) -> list[Received]:
        found: list[Received] = []
        for name, stored in list(self.messages.items()):
            if stored.visible_from > self._clock() or len(found) == RECEIVED_TOGETHER:
                continue
            if stored.receives == self._receives_max:
                self.dead.append(self.messages.pop(name).body)
                continue
            stored.receives += 1
            stored.visible_from = self._clock() + hidden_seconds
            stored.handle = f"{name}#{stored.receives}"
            sent = DAY_ONE + timedelta(seconds=stored.sent)
            found.append(
                Received(id=name, handle=stored.handle, body=stored.body, receives=stored.receives, sent=sent)
            )
        return found

    def delete(self, handles: Sequence[str]) -> Sequence[str]:
        self._request("delete")
        with self._lock:
            left = [handle for handle in handles if not self._is_current(handle)]
            for handle in handles:
                if handle not in left:
                    self.on_delete(self.messages.pop(handle.partition("#")[0]).body)
            return left

    def hide(self, handles: Sequence[str], seconds: int) -> Sequence[str]:
        self._request("hide")
        with self._lock:
            left = [handle for handle in handles if not self._is_current(handle)]
            for handle in handles:
                if handle not in left:
                    self.messages[handle.partition("#")[0]].visible_from = self._clock() + seconds
            return left

    def _is_current(self, handle: str) -> bool:
        stored = self.messages.get(handle.partition("#")[0])
        return stored is not None and stored.handle == handle

    def _request(self, operation: str) -> None:
        self.requests[operation] += 1
        self.before(operation)
