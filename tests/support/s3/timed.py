"""A server whose requests take time: a round trip, and for copies as long as their bytes take."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from s3copy_tasks.core.objects import ObjectDetails, S3Object
from s3copy_tasks.core.store import Page, Stores
from s3copy_tasks.core.verify import Confirmation
from tests.support.builders.bench import DESTINATION, SOURCE
from tests.support.s3.memory import DAY_ONE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from s3copy_tasks.core.store import CopyRequest, Store

_PAGE_KEYS = 1_000


class Copying(NamedTuple):
    """A request that copied bytes to a key, with the times of its start and end."""

    key: str
    size: int
    start: float
    end: float


@dataclass(slots=True, kw_only=True)
class TimedServer:
    """Two buckets without contents; every request copies at the same speed, however many there are.

    Attributes:
        sleep: waits for the given seconds.
        clock: seconds, by which it waits.
        round_trip: seconds of every request.
        bytes_per_second: of each request that copies.
        buckets: objects by key, by bucket.
        copies: requests that copied, in the order of their ends.
        done: when each key was complete.
    """

    sleep: Callable[[float], Awaitable[object]]
    clock: Callable[[], float]
    round_trip: float = 0.03
    bytes_per_second: float = 100e6
    buckets: dict[str, dict[str, S3Object]] = field(default_factory=lambda: {SOURCE: {}, DESTINATION: {}})
    copies: list[Copying] = field(default_factory=list)
    done: dict[str, float] = field(default_factory=dict)

    def put(self, key: str, size: int, *, parts: int = 0) -> S3Object:
        """Write an object to the source; `parts` above 0 gives it the ETag of a multipart upload."""
        return self._make(SOURCE, key, size, parts)

    @property
    def stores(self) -> Stores:
        """Both sides."""
        return Stores(
            source=cast("Store", _Bucket(self, SOURCE)), destination=cast("Store", _Bucket(self, DESTINATION))
        )

    async def copy(self, key: str, size: int) -> None:
        """Let the time pass that copying bytes to a key takes."""
        start = self.clock()
        await self.sleep(self.round_trip + size / self.bytes_per_second)
        self.copies.append(Copying(key, size, start, self.clock()))

    def complete(self, request: CopyRequest, parts: int) -> Confirmation:
        """Write an object to the destination."""
        self.done[request.key] = self.clock()
        return Confirmation(etag=self._make(DESTINATION, request.key, request.source.size, parts).etag)

    def _make(self, bucket: str, key: str, size: int, parts: int) -> S3Object:
        etag = hashlib.md5(str(size).encode()).hexdigest() + (f"-{parts}" if parts else "")
        made = S3Object(bucket=bucket, key=key, size=size, last_modified=DAY_ONE, etag=etag)
        self.buckets[bucket][key] = made
        return made


class _Bucket:
    """One bucket of a server: the methods of `s3copy_tasks.core.store.Store` that a copy needs."""

    def __init__(self, server: TimedServer, bucket: str) -> None:
        self._server = server
        self._objects = server.buckets[bucket]

    async def list_page(self, prefix: str, *, after: str | None, token: str | None, **_: Any) -> Page:
        await self._travel()
        start = token or after or ""
        keys = sorted(key for key in self._objects if key.startswith(prefix) and key > start)
        page = tuple(self._objects[key] for key in islice(keys, _PAGE_KEYS))
        return Page(objects=page, token=page[-1].key if len(keys) > len(page) else None)

    async def head_object(self, key: str, **_: Any) -> ObjectDetails | None:
        await self._travel()
        found = self._objects.get(key)
        return None if found is None else ObjectDetails(object=replace(found, metadata={}))

    async def object_tags(self, _key: str, **_: Any) -> Mapping[str, str]:
        await self._travel()
        return {}

    async def copy_object(self, request: CopyRequest) -> Confirmation:
        await self._server.copy(request.key, request.source.size)
        return self._server.complete(request, 0)

    async def create_multipart_upload(self, request: CopyRequest, *_: Any) -> str:
        await self._travel()
        return f"upload of {request.key}"

    async def copy_part(self, request: CopyRequest, _: str, number: int, first: int, last: int) -> str:
        await self._server.copy(request.key, last - first + 1)
        return f"etag-{number}"

    async def complete_multipart_upload(
        self, request: CopyRequest, _: str, etags: Mapping[int, str]
    ) -> Confirmation:
        await self._travel()
        return self._server.complete(request, len(etags))

    async def _travel(self) -> None:
        await self._server.sleep(self._server.round_trip)
