"""Copies through this process's memory, never its disk, if no server can make the copy (rule 14)."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from s3copy_tasks.core.multipart import part_bytes
from s3copy_tasks.errors import Code, RequestError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from s3copy_tasks.core.multipart import Limits
    from s3copy_tasks.core.objects import ObjectDetails
    from s3copy_tasks.core.store import CopyRequest
    from s3copy_tasks.core.verify import Confirmation
    from s3copy_tasks.engine.paced_store import PacedStores

RELAY_BYTES_MAX = 256 * 2**20
"""Limit of the memory that the bytes of objects take in one task."""
_HELD_OF_FOUR = 5
"""Quarters of a body's size that it takes in memory: HTTP and TLS keep part of it twice
(tests/performance/bench_relay.py)."""


class Relay:
    """Reads ranges of the source and writes them to the destination, each side with its own principal.

    Args:
        stores: both sides; the source reads, the destination writes.
        budget_bytes: limit of bytes in memory, whatever the objects' sizes.
    """

    def __init__(self, stores: PacedStores, budget_bytes: int = RELAY_BYTES_MAX) -> None:
        self._source = stores.source
        self._destination = stores.destination
        self._budget = _Budget(budget_bytes)

    def check_size(self, size: int, limits: Limits) -> None:
        """Refuse an object whose parts would not fit into memory.

        Raises:
            RequestError: it is larger than 10,000 parts of the budget.
        """
        if _estimate_held(part_bytes(size, limits)) > self._budget.limit:
            most = 10_000 * (self._budget.limit * 4 // _HELD_OF_FOUR)
            msg = (
                f"{size} bytes can't go through a worker's memory, at most {most} can: 10,000 parts of what "
                "fits. Let the destination's role read the source: no relay is needed then"
            )
            raise RequestError(msg, code=Code.RELAY_TOO_LARGE)

    async def copy_empty(
        self, request: CopyRequest, details: ObjectDetails, tags: Mapping[str, str]
    ) -> Confirmation:
        """Copy an empty object, which has no parts; return what S3 confirmed."""
        return await self._destination.put_object(request, details, tags, b"")

    async def copy_part(
        self,
        request: CopyRequest,
        upload_id: str,
        number: int,
        first_byte: int,
        last_byte: int,
        *,
        on_start: Callable[[], None],
    ) -> str:
        """Copy a part, both bytes inclusive; return its ETag. Calls `on_start` when it has its memory."""
        async with self._budget.taken(_estimate_held(last_byte - first_byte + 1)):
            on_start()
            body = await self._source.get_bytes(request.source, first_byte, last_byte, entry=request.entry)
            return await self._destination.put_part(request, upload_id, number, body)


def _estimate_held(size: int) -> int:
    return size * _HELD_OF_FOUR // 4


class _Budget:
    """Bytes of memory that many coroutines share; one that needs more than is left waits for the others."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._left = limit
        self._freed = asyncio.Condition()

    @asynccontextmanager
    async def taken(self, size: int) -> AsyncIterator[None]:
        async with self._freed:
            await self._freed.wait_for(lambda: self._left >= size)
            self._left -= size
        try:
            yield
        finally:
            async with self._freed:
                self._left += size
                self._freed.notify_all()
