"""The thread that deletes and hides what a batch holds, and gives back the rest at its end."""

from __future__ import annotations

import time
from threading import Event, Thread
from typing import TYPE_CHECKING, Self

import structlog

from s3copy_tasks.core.held_messages import HIDDEN_SECONDS
from s3copy_tasks.core.metrics import Failure
from s3copy_tasks.core.queue import RECEIVED_TOGETHER
from s3copy_tasks.errors import Code, CopyError, TransientError, is_worth_a_retry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import TracebackType

    from s3copy_tasks.core.collector import MetricsCollector
    from s3copy_tasks.core.held_messages import HeldMessages
    from s3copy_tasks.core.queue import MessageQueue, Received

log = structlog.get_logger(__name__)

_LINGER_SECONDS = 1.0
"""Deletes wait so long for others: SQS takes ten in one request."""
_RETRY_SECONDS = 2.0
_ENDING_SECONDS = 60.0
"""How long deletes that fail are tried again after the end of a batch."""
_JOIN_SECONDS = 5.0
"""How long an aborted batch waits for a request of its keeper."""


class Keeper:
    """Deletes messages that are settled, and hides the others for as long as they are held.

    As a context manager it runs in a thread. At its end it deletes the rest, and gives back what is not
    settled: after an error with one request for each ten.

    Args:
        queue: of the job.
        held: by the batch.
        metrics: gets the counts of the messages.
        retried: an earlier attempt of the batch was lost, and with it what it counted.
        clock: seconds, from any point.
        pause: waits for the given seconds; returns whether to stop.
    """

    def __init__(
        self,
        queue: MessageQueue,
        held: HeldMessages,
        metrics: MetricsCollector,
        *,
        retried: bool = False,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self._queue = queue
        self._held = held
        self._metrics = metrics
        self._retried = retried
        self._clock = clock
        self._pause = pause
        self._ending = Event()
        self._delete_from = self._hide_from = clock()
        self._last_error: CopyError | None = None
        self._died: Exception | None = None
        self._thread = Thread(target=self._run, name="s3copy-keeper", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        self._held.end_waiting()
        self._thread.join(None if error is None else _JOIN_SECONDS)
        self.end(aborted=error is not None or self._died is not None)
        if error is None and self._died is not None:
            raise self._died

    def _run(self) -> None:
        try:
            while not self._ending.is_set():
                self._wait()
                self.send_due()
        except Exception as error:  # noqa: BLE001 - the thread of the batch raises it
            self._died = error
            self._held.deletes_refused = True

    def _wait(self) -> None:
        """Wait until ten messages can be deleted, or a second; if the queue deletes none, a second."""
        if self._held.deletes_refused or self._clock() < self._delete_from:
            self._ending.wait(_LINGER_SECONDS)
        else:
            self._held.wait_for_ten(_LINGER_SECONDS)

    def send_due(self) -> None:
        """Hide what was not renewed for half of its time, and delete what is settled."""
        if self._clock() >= self._hide_from:
            self._hide_due()
        while self._clock() >= self._delete_from and not self._held.deletes_refused and self._delete_ten():
            pass

    def _hide_due(self) -> None:
        self._hide_from = self._clock() + _LINGER_SECONDS  # there is time enough
        while messages := self._held.next_to_hide():
            left = self._hide(messages, HIDDEN_SECONDS)
            self._held.confirm_hidden(message for message in messages if message not in left)
            if left:
                self._hide_from = self._clock() + _RETRY_SECONDS
                return

    def _hide(self, messages: Sequence[Received], seconds: int) -> Sequence[Received]:
        """Return the messages that could not be hidden."""
        try:
            left = set(self._queue.hide([message.handle for message in messages], seconds))
        except CopyError as error:
            log.warning("messages not hidden", messages=len(messages), code=error.code, error=error.message)
            return messages
        return [message for message in messages if message.handle in left]

    def _delete_ten(self) -> bool:
        """Delete at most ten messages; return whether there were any, and all of them were deleted."""
        messages = self._held.next_to_delete()
        if not messages:
            return False
        try:
            left = set(self._queue.delete([message.handle for message in messages]))
        except CopyError as error:
            self._last_error, left = error, {message.handle for message in messages}
            if not isinstance(error, TransientError):
                self._held.deletes_refused = True
        else:
            self._last_error = _make_refused(len(left)) if left else self._last_error
        self._held.confirm_deleted(message for message in messages if message.handle not in left)
        if left:
            self._held.keep(message for message in messages if message.handle in left)
            self._delete_from = self._clock() + _RETRY_SECONDS
        return not left

    def end(self, *, aborted: bool) -> None:
        """Delete what is settled, give back what is not, and count the messages.

        Args:
            aborted: the batch ends by an error: nothing is tried twice, and nothing more after a failure.
        """
        until = self._clock() + (0 if aborted else _ENDING_SECONDS)
        while self._delete_rest() and self._clock() < until and not self._pause(_RETRY_SECONDS):
            self._hide_due()
        self._count_rest()
        for seconds, messages in self._held.give_back().items():
            together = len(messages) if aborted else RECEIVED_TOGETHER
            for first in range(0, len(messages), together):
                self._hide(messages[first : first + together], seconds)
        self._metrics.record_messages(self._held.counts(at_least=self._retried))

    def _delete_rest(self) -> bool:
        """Try to delete each settled message once; return whether another attempt makes sense."""
        for _ in range(self._held.deletes_due):
            if self._held.deletes_refused:
                return False
            self._delete_ten()
        return self._held.deletes_due > 0 and not self._held.deletes_refused

    def _count_rest(self) -> None:
        """Count messages that could not be deleted as an error of no object: they come again."""
        if not self._held.deletes_due or self._last_error is None:
            return
        error = self._last_error
        log.error("messages not deleted", code=error.code, error=error.message)
        failure = Failure.of_error(error, entry=None, key="(messages that were not deleted)")
        self._metrics.record_unknown(0, failure, transient=is_worth_a_retry(error))


def _make_refused(count: int) -> TransientError:
    return TransientError(f"the queue did not delete {count} messages", code=Code.NOT_DELETED)
