"""Deletes objects that are proven to be extraneous, each only if it still has its listed ETag."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from s3copy_tasks.core.objects import same_etag
from s3copy_tasks.core.store import Deleted, DeleteRequest
from s3copy_tasks.core.text import can_be_in_xml
from s3copy_tasks.engine.loop import wait_for
from s3copy_tasks.errors import (
    AccessError,
    Code,
    ConditionError,
    CopyError,
    RequestError,
    UnsupportedError,
)
from s3copy_tasks.report import events

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterable, Sequence

    from s3copy_tasks.engine.paced_store import PacedStore

KEYS_AT_ONCE = 1_000
"""Objects that are deleted side by side."""
_KEYS_OF_A_REQUEST = 250
"""DeleteObjects takes 1,000. But S3 counts keys: where its burst is small, it would refuse most of these."""
_SUSPICIOUS_KEYS = 10

Outcome: TypeAlias = Deleted | CopyError
"""S3's confirmation, or why there is none."""


class Deleter:
    """Sends the deletes of a batch, and stops where going on makes no sense.

    Args:
        destination: the store of the destination.
        many_at_once: the server compares the ETags of DeleteObjects. Else each object is checked by
            a HEAD, and deleted by a request of its own.
        can_undo: the bucket is versioned. Then a server that lacks conditional deletes may delete by the
            HEAD alone: what another client writes in between is kept as a version.

    Attributes:
        outcomes: by key; None if it may be deleted, and the answer is missing. What was not attempted is
            not in it.
    """

    def __init__(self, destination: PacedStore, *, many_at_once: bool, can_undo: bool) -> None:
        self._destination = destination
        self._many_at_once = many_at_once
        self._can_undo = can_undo
        self._is_conditional = True
        self.outcomes: dict[str, Outcome | None] = {}

    def delete(self, requests: Sequence[DeleteRequest]) -> None:
        """Delete objects.

        Raises:
            CopyError: no more were attempted: the first ones were all denied, or all have other ETags.
            InterruptedError: the sender was stopped.
        """
        for first in range(0, len(requests), KEYS_AT_ONCE):
            chunk = requests[first : first + KEYS_AT_ONCE]
            for request in chunk:
                events.deleting(request.key, request.etag)
            wait_for(self._delete_chunk(chunk))
            if not first:
                self._check_first([self.outcomes[request.key] for request in chunk])

    async def _delete_chunk(self, chunk: Sequence[DeleteRequest]) -> None:
        together = [each for each in chunk if self._many_at_once and can_be_in_xml(each.key)]
        parts = range(0, len(together), _KEYS_OF_A_REQUEST)
        await _finish(self._delete_together(together[at : at + _KEYS_OF_A_REQUEST]) for at in parts)
        await _finish(self._delete_one(each) for each in chunk if self.outcomes.get(each.key) is None)

    async def _delete_together(self, requests: Sequence[DeleteRequest]) -> None:
        self.outcomes |= dict.fromkeys((each.key for each in requests), None)
        try:
            self.outcomes |= await self._destination.delete_objects(requests)
        except CopyError as error:
            self.outcomes |= dict.fromkeys((each.key for each in requests), error)

    async def _delete_one(self, request: DeleteRequest) -> None:
        self.outcomes[request.key] = await self._try_delete(request)

    async def _try_delete(self, request: DeleteRequest) -> Outcome:
        outcome = await self._delete_if_unchanged(replace(request, is_conditional=self._is_conditional))
        if not isinstance(outcome, UnsupportedError) or not self._can_undo:
            return outcome
        self._is_conditional = False
        return await self._delete_if_unchanged(replace(request, is_conditional=False))

    async def _delete_if_unchanged(self, request: DeleteRequest) -> Outcome:
        try:
            there = await self._destination.head_object(request.key)
        except CopyError as error:
            error.may_be_done = False  # no delete was sent
            return error
        if there is None:
            return Deleted(was_absent=True)
        if not same_etag(there.object.etag, request.etag):
            return ConditionError("it was written again", code="PreconditionFailed")
        self.outcomes[request.key] = None
        try:
            return await self._destination.delete_object(request)
        except CopyError as error:
            return error

    @staticmethod
    def _check_first(outcomes: Sequence[Outcome | None]) -> None:
        if all(isinstance(outcome, AccessError) for outcome in outcomes):
            raise outcomes[0]  # type: ignore[misc]
        changed = all(isinstance(outcome, ConditionError) for outcome in outcomes)
        if changed and len(outcomes) >= _SUSPICIOUS_KEYS:
            msg = (
                f"all of the first {len(outcomes)} objects have other ETags than listed: the server may "
                "write ETags in another form"
            )
            raise RequestError(msg, code=Code.NOT_PROVEN)


async def _finish(work: Iterable[Awaitable[None]]) -> None:
    """Wait for the end of all work, and only then raise the first error: other answers must not be lost."""
    for error in filter(None, await asyncio.gather(*work, return_exceptions=True)):
        raise error
