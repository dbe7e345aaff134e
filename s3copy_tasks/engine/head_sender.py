"""Sends HEADs, and finds out by a listing what their replies can't say: they have no body."""

from __future__ import annotations

import asyncio
from copy import copy
from functools import partial
from typing import TYPE_CHECKING

from s3copy_tasks.errors import BAD_REQUEST, Code, CopyError, ExpiredError, MissingError, TransientError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from s3copy_tasks.core.job import EntryId
    from s3copy_tasks.core.objects import ObjectDetails
    from s3copy_tasks.core.store import Store
    from s3copy_tasks.engine.sender import Sender

_HEADS_MAX = 2
"""A HEAD, and another one with new credentials."""


class HeadSender:
    """Sends HEADs to one bucket.

    A 400 may mean that the credentials have expired, or that the object can't be read by any credentials. A
    404 may mean that not only the object is gone, but the bucket. The reply to a listing of the key names
    the reason. It is sent at most once, unless the credentials have expired since.

    Args:
        store: of the bucket.
        sender: the budget of requests.
    """

    def __init__(self, store: Store, sender: Sender) -> None:
        self._store = store
        self._sender = sender
        self._asking = asyncio.Lock()
        self._is_answered = False
        self._missing: CopyError | None = None
        self._expiries = 0

    async def send(
        self, call: Callable[[], Awaitable[ObjectDetails | None]], key: str, entry: EntryId
    ) -> ObjectDetails | None:
        """Return an object's details; None if there is no such object, but its bucket.

        Args:
            call: makes the request.
            key: of the object.
            entry: for the counts.

        Raises:
            MissingError: the bucket does not exist.
            CopyError: see `Sender.send`.
        """
        found = await self._send_until_accepted(call, key, entry)
        if found is None:
            await self._ask(key, entry)
            if self._missing is not None:
                raise copy(self._missing)
        return found

    async def _send_until_accepted(
        self, call: Callable[[], Awaitable[ObjectDetails | None]], key: str, entry: EntryId
    ) -> ObjectDetails | None:
        for heads in range(1, _HEADS_MAX + 1):
            expiries = self._expiries
            try:
                return await self._sender.send("HeadObject", call, entry=entry)
            except CopyError as error:
                if error.code != BAD_REQUEST:
                    raise
                expired = await self._ask(key, entry)
                if self._expiries == expiries or heads == _HEADS_MAX:
                    raise expired or error from None
        return None

    async def _ask(self, key: str, entry: EntryId) -> ExpiredError | None:
        """List the key, if that was not answered before; return the error if the credentials have expired."""
        async with self._asking:
            if self._is_answered:
                return None
            reason = await self._sender.send("ListObjectsV2", partial(self._find_reason, key), entry=entry)
            if isinstance(reason, ExpiredError):
                self._expiries += 1
                return reason
            self._is_answered, self._missing = True, reason
            return None

    async def _find_reason(self, key: str) -> CopyError | None:
        """Return why S3 refuses to list; None if it does not, or if that says nothing about HEADs."""
        try:
            await self._store.server_time(key)
        except (ExpiredError, MissingError) as error:
            return error
        except CopyError as error:
            if isinstance(error, TransientError) and error.code != Code.EMPTY_REPLY:
                raise
            return None  # also for a listing that can't be read: it is not a refusal
        return None
