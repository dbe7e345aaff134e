"""Deletes that are sent again: lost answers are remembered, and each of many objects has its own answer."""

from __future__ import annotations

from copy import copy
from typing import TYPE_CHECKING

from s3copy_tasks.core.objects import same_etag
from s3copy_tasks.core.retry import may_be_done
from s3copy_tasks.core.store import Deleted
from s3copy_tasks.errors import ConditionError, CopyError, ThrottledError, TransientError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from s3copy_tasks.core.job import EntryId
    from s3copy_tasks.core.store import DeleteRequest, Store
    from s3copy_tasks.engine.sender import Sender


class OneDelete:
    """One call of DeleteObject, to be sent by `Sender.send`.

    A delete without a condition is not sent again blindly: another client may have written the key since.

    Args:
        store: of the bucket.
        request: the object.
        on_head: called for each HEAD, which the sender does not count.
    """

    def __init__(self, store: Store, request: DeleteRequest, on_head: Callable[[], None]) -> None:
        self._store = store
        self._request = request
        self._on_head = on_head
        self._is_again = self._is_unclear = False

    async def __call__(self) -> Deleted:
        """Make one attempt."""
        checks, self._is_again = self._is_again and not self._request.is_conditional, True
        try:
            is_left = not checks or await self._is_left()
            deleted = await self._store.delete_object(self._request) if is_left else Deleted(was_absent=True)
        except CopyError as error:
            self._is_unclear |= may_be_done(error)
            raise
        return _claim(deleted) if self._is_unclear else deleted

    async def _is_left(self) -> bool:
        """Return whether there is an object.

        Raises:
            ConditionError: it is another one now.
            CopyError: S3 did not say; `may_be_done` is about this attempt only.
        """
        self._on_head()
        try:
            found = await self._store.head_object(self._request.key)
        except CopyError as error:
            error.may_be_done = False  # no delete was sent
            raise
        if found is not None and not same_etag(found.object.etag, self._request.etag):
            raise ConditionError("it was written again", code="PreconditionFailed")
        return found is not None


class ManyDeletes:
    """One call of DeleteObjects. It is sent again for the objects, and only those, that are worth a retry.

    Args:
        store: of the bucket.
        requests: at most 1,000, each with a key of its own.
    """

    def __init__(self, store: Store, requests: Sequence[DeleteRequest]) -> None:
        self._store = store
        self._left = {request.key: request for request in requests}
        self._unclear: set[str] = set()
        self._outcomes: dict[str, Deleted | CopyError] = {}
        self._attempts = 0
        self._is_answered = False

    async def send(self, sender: Sender, entry: EntryId) -> Mapping[str, Deleted | CopyError]:
        """Return what became of each object; an error says whether any attempt may have deleted it.

        Raises:
            CopyError: no attempt was answered; see `Sender.send`.
            InterruptedError: the sender was stopped before the first answer.
        """
        try:
            await sender.send("DeleteObjects", self._attempt, entry=entry, objects=lambda: len(self._left))
        except InterruptedError:
            if not self._outcomes:
                raise
            for key in self._left:
                self._note(key, self._outcomes[key])
        except CopyError as error:
            if not self._outcomes:
                raise
            if not self._is_answered:  # else each has its own error
                for key in self._left:
                    self._note(key, copy(error))
        return self._outcomes

    async def _attempt(self) -> None:
        self._attempts += 1
        self._is_answered = False
        try:
            found = await self._store.delete_objects(list(self._left.values()))
        except CopyError as error:
            if may_be_done(error):
                self._unclear |= self._left.keys()
            raise
        self._is_answered = True
        for key, outcome in found.items():
            self._note(key, outcome)
        again = {key: outcome for key, outcome in found.items() if isinstance(outcome, TransientError)}
        self._left = {key: self._left[key] for key in again}
        if again:
            slow = (outcome for outcome in again.values() if isinstance(outcome, ThrottledError))
            raise copy(next(slow, None) or next(iter(again.values())))

    def _note(self, key: str, outcome: Deleted | CopyError) -> None:
        if isinstance(outcome, CopyError):
            if may_be_done(outcome):
                self._unclear.add(key)
            outcome.attempts, outcome.may_be_done = self._attempts, key in self._unclear
        elif key in self._unclear:
            outcome = _claim(outcome)
        self._outcomes[key] = outcome


def _claim(deleted: Deleted) -> Deleted:
    """Return what an earlier attempt deleted, if the object was absent in the last one."""
    return Deleted() if deleted.was_absent else deleted
