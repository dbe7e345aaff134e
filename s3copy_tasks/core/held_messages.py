"""The messages that a batch holds: which objects each waits for, and what is due for it at the queue.

A message is deleted when all its objects are settled: any outcome but failed and unknown, and after
verification. docs/design/queues.md has the rules.
"""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from threading import Condition
from typing import TYPE_CHECKING, NamedTuple

from s3copy_tasks.core.collector import utc_now
from s3copy_tasks.core.queue import RECEIVED_TOGETHER, MessageCounts, Received

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from datetime import datetime

HELD_MAX = 1_000
"""Messages that a batch holds at once."""
HIDDEN_SECONDS = 120
"""How long no one else receives a message; renewed at half of it."""
_FIRST_HIDDEN_SECONDS, _HIDDEN_SECONDS_MAX = 30, 15 * 60
"""How long a failed message stays hidden after its batch: from the first receive on, doubled for each."""


class Incoming(NamedTuple):
    """A message, and what it says.

    Attributes:
        message: as it was received.
        keys: names its objects, each once: source keys, or what stands for one.
        in_scope: it has an event of an object that is in the job's scope.
        outside: first key in it that is not; empty if all are.
    """

    message: Received
    keys: tuple[str, ...]
    in_scope: bool
    outside: str


class Taken(NamedTuple):
    """What is to be done about the messages of one receive.

    Attributes:
        new: ids of the messages that are not held already.
        keys: of the objects to be found now, each once.
    """

    new: frozenset[str]
    keys: Sequence[str]


@dataclass(slots=True)
class _Held:
    """A message that is neither deleted nor given back.

    Attributes:
        message: as it was received last.
        hidden_until: time of the clock.
        waits_for: number of its objects that are not settled.
        outside: none of its events is in scope.
        failed: an object of it failed.
        is_settled: it can be deleted.
    """

    message: Received
    hidden_until: float
    waits_for: int
    outside: bool
    failed: bool = False
    is_settled: bool = False


class HeldMessages:
    """Knows what each message waits for; safe to use from many threads. Sends nothing: see `Keeper`.

    An object is found once at a time: an event that arrives while it is in progress waits, because what was
    found may be older than the event.

    Args:
        clock: seconds, from any point.
        now: the time, with its zone.

    Attributes:
        deletes_refused: the queue deletes nothing for this batch: what it would receive would come again.
        may_wait: the batch ended before the queue was empty.
    """

    def __init__(
        self, clock: Callable[[], float] = time.monotonic, now: Callable[[], datetime] = utc_now
    ) -> None:
        self._clock = clock
        self._now = now
        self._changed = Condition()
        self._held: dict[str, _Held] = {}
        self._finding: dict[str, list[_Held]] = {}
        self._waiting: dict[str, list[_Held]] = {}
        self._again: list[str] = []
        self._outside: list[_Held] = []
        self._settled: deque[_Held] = deque()
        self._in_scope = False
        self._ends = False
        self._received: set[str] = set()
        self._deleted: set[str] = set()
        self._oldest_seconds: float | None = None
        self._first_outside = ""
        self.deletes_refused = self.may_wait = False

    def take(self, received: Iterable[Incoming]) -> Taken:
        """Hold the messages of one receive; what they say of one object is joined."""
        with self._changed:
            started: dict[str, None] = {}
            new = [one for one in received if self._hold(one, started)]
            return Taken(frozenset(one.message.id for one in new), list(started))

    def _hold(self, one: Incoming, started: dict[str, None]) -> bool:
        """Hold a message; return whether it is new."""
        hidden_until = self._clock() + HIDDEN_SECONDS
        known = self._held.get(one.message.id)
        if known is not None:  # it was not hidden long enough
            known.message, known.hidden_until = one.message, hidden_until
            return False
        self._count(one)
        held = _Held(one.message, hidden_until, len(one.keys), outside=bool(one.outside) and not one.in_scope)
        self._held[one.message.id] = held
        for key in one.keys:
            if key in started or key not in self._finding:
                started[key] = None
                self._finding.setdefault(key, []).append(held)
            else:
                self._waiting.setdefault(key, []).append(held)
        if one.in_scope and not self._in_scope:
            self._in_scope = True
            for earlier in self._outside:
                self._let_go(earlier)
            self._outside.clear()
        if not one.keys:
            self._conclude(held)
        return True

    def _count(self, one: Incoming) -> None:
        self._received.add(one.message.id)
        age = max((self._now() - one.message.sent).total_seconds(), 0.0)
        self._oldest_seconds = max(age, self._oldest_seconds or 0.0)
        self._first_outside = self._first_outside or one.outside

    def settle(self, key: str, *, failed: bool = False) -> None:
        """Note the outcome of an object that was found; nothing happens if no message waits for it."""
        with self._changed:
            for held in self._finding.pop(key, ()):
                held.failed |= failed
                held.waits_for -= 1
                if not held.waits_for:
                    self._conclude(held)
            if key in self._waiting:
                self._finding[key] = self._waiting.pop(key)
                self._again.append(key)

    def _conclude(self, held: _Held) -> None:
        if held.failed:
            return
        if held.outside and not self._in_scope:
            self._outside.append(held)
        else:
            self._let_go(held)

    def _let_go(self, held: _Held) -> None:
        held.is_settled = True
        self._settled.append(held)
        if len(self._settled) >= RECEIVED_TOGETHER:
            self._changed.notify_all()

    def take_again(self) -> list[str]:
        """Return the keys of objects to be found again: an event came while they were in progress."""
        with self._changed:
            again, self._again = self._again, []
            return again

    @property
    def is_full(self) -> bool:
        """Whether one more receive might exceed the limit."""
        with self._changed:
            return len(self._held) > HELD_MAX - RECEIVED_TOGETHER

    @property
    def is_stuck(self) -> bool:
        """Whether it is full of messages that stay: what failed, and what is out of scope."""
        with self._changed:
            return self.is_full and not any(held.is_settled or held.waits_for for held in self._held.values())

    @property
    def deletes_due(self) -> int:
        """Number of requests that delete what is settled."""
        with self._changed:
            return -(-len(self._settled) // RECEIVED_TOGETHER)

    @property
    def waits(self) -> bool:
        """Whether an object is to be found again once it is settled."""
        with self._changed:
            return bool(self._waiting or self._again)

    def wait_for_ten(self, seconds: float) -> None:
        """Wait until as many messages as one request deletes can be deleted, at most some seconds."""
        with self._changed:
            self._changed.wait_for(self._has_ten_or_ends, seconds)

    def _has_ten_or_ends(self) -> bool:
        return self._ends or len(self._settled) >= RECEIVED_TOGETHER

    def end_waiting(self) -> None:
        """Let `wait_for_ten` return at once from now on."""
        with self._changed:
            self._ends = True
            self._changed.notify_all()

    def next_to_delete(self) -> list[Received]:
        """Return at most ten messages to delete; `confirm_deleted` or `keep` has to follow."""
        with self._changed:
            count = min(len(self._settled), RECEIVED_TOGETHER)
            return [self._settled.popleft().message for _ in range(count)]

    def confirm_deleted(self, messages: Iterable[Received]) -> None:
        """Forget messages that were deleted."""
        with self._changed:
            for message in messages:
                self._deleted.add(message.id)
                self._held.pop(message.id, None)

    def keep(self, messages: Iterable[Received]) -> None:
        """Take back messages that were not deleted; they are tried again, after all others."""
        with self._changed:
            known = (self._held.get(message.id) for message in messages)
            self._settled.extend(held for held in known if held is not None)

    def next_to_hide(self) -> list[Received]:
        """Return at most ten messages whose time is half over; `confirm_hidden` follows."""
        with self._changed:
            due = self._clock() + HIDDEN_SECONDS / 2
            soonest = sorted(
                (held for held in self._held.values() if held.hidden_until <= due),
                key=lambda held: held.hidden_until,
            )
            return [held.message for held in soonest[:RECEIVED_TOGETHER]]

    def confirm_hidden(self, messages: Iterable[Received]) -> None:
        """Note that messages are hidden for the whole time again."""
        with self._changed:
            for held in filter(None, (self._held.get(message.id) for message in messages)):
                held.hidden_until = self._clock() + HIDDEN_SECONDS

    def give_back(self) -> Mapping[int, list[Received]]:
        """Forget what is held; return the messages by the seconds for which they stay hidden."""
        with self._changed:
            given: dict[int, list[Received]] = {}
            for held in self._held.values():
                given.setdefault(_hidden_after(held), []).append(held.message)
            for known in (
                self._held,
                self._finding,
                self._waiting,
                self._again,
                self._outside,
                self._settled,
            ):
                known.clear()
            return given

    def counts(self, *, at_least: bool) -> MessageCounts:
        """Return what became of all messages so far.

        Args:
            at_least: an earlier attempt was lost.
        """
        with self._changed:
            return MessageCounts(
                received=len(self._received),
                deleted=len(self._deleted),
                oldest_seconds=self._oldest_seconds,
                outside=self._first_outside,
                at_least=at_least,
                may_wait=self.may_wait,
            )


def _hidden_after(held: _Held) -> int:
    """Return for how many seconds a message stays hidden after its batch: only a failed one does."""
    if not held.failed or held.waits_for:
        return 0
    doubled: int = _FIRST_HIDDEN_SECONDS << min(held.message.receives - 1, 10)
    return min(doubled, _HIDDEN_SECONDS_MAX)
