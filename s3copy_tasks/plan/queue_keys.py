"""The third source of keys: the events of a queue. A batch receives until it is full, or nothing comes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple, Protocol

import structlog

from s3copy_tasks.core.bucket_names import is_access_point, is_alias
from s3copy_tasks.core.decide import Decided, Unseen
from s3copy_tasks.core.held_messages import HIDDEN_SECONDS, Incoming
from s3copy_tasks.core.messages import MessageError, parse_message
from s3copy_tasks.core.objects import SkipReason
from s3copy_tasks.core.row_decider import RowDecider
from s3copy_tasks.core.rows import Row
from s3copy_tasks.errors import Code, RequestError, TransientError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from s3copy_tasks.core.batch import KeyRange
    from s3copy_tasks.core.decide import Found
    from s3copy_tasks.core.held_messages import HeldMessages
    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.messages import ObjectEvent
    from s3copy_tasks.core.queue import MessageQueue, Received

log = structlog.get_logger(__name__)

POLL_SECONDS = 5
"""How long a receive waits for the first message."""
EMPTY_POLLS_MAX = 3
"""Receives in a row without a message, after which a queue counts as empty."""
BATCH_SECONDS = 10 * 60.0
"""How long a batch receives."""
OUTAGE_SECONDS = 120.0
"""How long a receive is tried again while SQS fails."""
_PAUSES_SECONDS = (0.5, 1.0, 2.0, 5.0)
_ROOM_SECONDS = 0.05
_FILE = 0


class Work(Protocol):
    """What carries out the decisions for the objects that were found."""

    @property
    def goes_on(self) -> bool:
        """Whether more objects would be attempted."""

    def settle(self) -> None:
        """Wait until all objects so far are settled, and so verified."""


class QueueKeys:
    """The objects that the events of a queue name.

    Args:
        job: the run.
        queue: of the job.
        held: takes each message before its objects are found.
        work: carries out.
        clock: seconds, from any point.
        pause: waits for the given seconds.
    """

    def __init__(
        self,
        job: EffectiveJob,
        queue: MessageQueue,
        held: HeldMessages,
        work: Work,
        *,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self._job = job
        self._queue = queue
        self._held = held
        self._work = work
        self._clock = clock
        self._pause = pause
        self._decider = RowDecider(job)
        bucket = job.source.bucket
        self._any_bucket = is_access_point(bucket) or is_alias(bucket)  # events have the bucket's own name
        self._found = 0

    def find_range(self, _: KeyRange) -> _Events:
        """Return the objects of a batch, whatever its range: messages belong to who receives them."""
        return _Events(self)

    def find_all(self) -> Iterator[Found]:
        """Receive until the batch is full or the queue is empty, and yield what the messages name.

        Nothing more is received once the queue has refused to delete.

        An object is found again if an event came while it was in progress.

        Raises:
            CopyError: the queue can't be read.
        """
        started, empty = self._clock(), 0
        while self._goes_on(started) and empty < EMPTY_POLLS_MAX:
            if self._held.is_full:
                if self._held.is_stuck:
                    break
                self._make_room()
            else:
                received = self._receive()
                empty = 0 if received else empty + 1
                yield from self._take(received)
                if not received:
                    self._work.settle()
            yield from self._find_again()
        if empty < EMPTY_POLLS_MAX and self._is_over(started):
            self._held.may_wait = True
        while self._held.waits:
            self._work.settle()
            yield from self._find_again()

    def _make_room(self) -> None:
        """Settle what is held, and let it be deleted."""
        if not self._held.deletes_due:
            self._work.settle()
        if self._held.is_full and not self._held.is_stuck:
            self._pause(_ROOM_SECONDS)

    def _goes_on(self, started: float) -> bool:
        return self._work.goes_on and not self._held.deletes_refused and not self._is_over(started)

    def _is_over(self, started: float) -> bool:
        is_full = self._found >= self._job.transfer.batch_objects
        return is_full or self._clock() - started >= BATCH_SECONDS

    def _receive(self) -> Sequence[Received]:
        """Receive once; an outage of the queue is waited out for some time."""
        until, attempt = self._clock() + OUTAGE_SECONDS, 0
        while True:
            try:
                return self._queue.receive(wait_seconds=POLL_SECONDS, hidden_seconds=HIDDEN_SECONDS)
            except TransientError as error:
                if self._clock() >= until or not self._work.goes_on:
                    raise
                log.warning("queue can't be read now", code=error.code, error=error.message)
                self._pause(_PAUSES_SECONDS[min(attempt, len(_PAUSES_SECONDS) - 1)])
                attempt += 1

    def _take(self, received: Sequence[Received]) -> Iterator[Found]:
        """Hold messages, and yield what they name: objects once, then what needs no copy."""
        read = [self._read(message) for message in received]
        taken = self._held.take(one.incoming for one in read)
        unreadable = {one.incoming.keys[0]: one.error for one in read if one.error is not None}
        for key in taken.keys:
            error = unreadable.get(key)
            yield self._find(key) if error is None else self._fail(key, error)
        for one in read:
            if one.incoming.message.id in taken.new:
                for decided in one.others:
                    self._found += 1
                    yield decided

    def _find_again(self) -> Iterator[Found]:
        for key in self._held.take_again():
            yield self._find(key)

    def _find(self, key: str) -> Found:
        self._found += 1
        return self._decide(key)

    def _decide(self, key: str) -> Found:
        return self._decider.decide(Row(position=self._found, line=0, key=key), _FILE)

    def _fail(self, name: str, error: RequestError) -> Unseen:
        self._found += 1
        return Unseen(self._found, name, "", error)

    def _read(self, message: Received) -> _Read:
        try:
            events = parse_message(message.body)
        except MessageError as error:
            name = f"(message {message.id})"
            wrong = RequestError(str(error), code=Code.INVALID_MESSAGE)
            return _Read(Incoming(message, (name,), in_scope=False, outside=""), (), wrong)
        keys: dict[str, None] = {}
        others: list[Decided] = []
        in_scope, outside = False, ""
        for event in dict.fromkeys(events):
            decided = self._decide_event(event)
            if decided is None:
                keys[event.key] = None
            else:
                others.append(decided)
            is_outside = decided is not None and decided.decision is SkipReason.OUT_OF_SCOPE
            in_scope |= not is_outside
            outside = outside or (f"s3://{event.bucket}/{event.key}" if is_outside else "")
        return _Read(Incoming(message, tuple(keys), in_scope, outside), tuple(others), None)

    def _decide_event(self, event: ObjectEvent) -> Decided | None:
        """Return an object that needs no copy whatever it is now; None if it has to be found."""
        row = Row(position=self._found, line=0, key=event.key)
        if not self._any_bucket and event.bucket != self._job.source.bucket:
            return self._decider.skip(row, _FILE, SkipReason.OUT_OF_SCOPE)
        found = self._decider.decide(row, _FILE)
        if found.decision is SkipReason.OUT_OF_SCOPE:
            return self._decider.skip(row, _FILE, SkipReason.OUT_OF_SCOPE)
        if event.is_removal:
            return self._decider.skip(row, _FILE, SkipReason.REMOVAL_EVENT, found.entry, found.key)
        return None


class _Read(NamedTuple):
    """A message that was read: what it names, what of that needs no copy, and why it can't be read."""

    incoming: Incoming
    others: tuple[Decided, ...]
    error: RequestError | None


class _Events:
    """The objects of a batch; `begin` and `close` do nothing."""

    def __init__(self, keys: QueueKeys) -> None:
        self._keys = keys

    def begin(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""

    def __iter__(self) -> Iterator[Found]:
        """Receive messages, and yield what they name."""
        return self._keys.find_all()
