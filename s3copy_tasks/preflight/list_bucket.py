"""Requests to the bucket of a list; a refusal names what would allow it (rule 17)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from s3copy_tasks.core.pages import PageTrail
from s3copy_tasks.engine.loop import wait_for
from s3copy_tasks.engine.paced_store import PacedStore
from s3copy_tasks.errors import AccessError, CopyError, MissingError
from s3copy_tasks.preflight.denial import describe_denial
from s3copy_tasks.preflight.hints import name_side

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator, Sequence
    from typing import Any, Self

    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.objects import S3Object
    from s3copy_tasks.core.store import Page
    from s3copy_tasks.engine.sender import Sender
    from s3copy_tasks.s3.connections import AwsConnectionManager, Sides

SIDE = "from"
_NO_BUCKET = "NoSuchBucket"

T = TypeVar("T")


class ListBucket:
    """The bucket of a list. Never use it on the event loop: it waits for the replies.

    Every method raises a `CopyError` that names the side, and what is missing or not allowed.

    Args:
        job: the run.
        manager: of the bucket.
        store: the same bucket, with a budget of requests.
    """

    def __init__(self, job: EffectiveJob, manager: AwsConnectionManager, store: PacedStore) -> None:
        self._job = job
        self._manager = manager
        self._store = store

    @classmethod
    def open(cls, job: EffectiveJob, sides: Sides, sender: Sender) -> Self | None:
        """Connect to the bucket of a job's list; None if it has none, or a list of this machine."""
        manager = sides.lists
        if manager is None:
            return None
        manager.connect()  # its errors name the side themselves
        return cls(job, manager, PacedStore(manager.store, sender))

    def list_pages(self, prefix: str, *, allowed_prefix: str) -> Iterator[Page]:
        """Yield the pages of all keys that start with a prefix.

        Args:
            prefix: of the keys.
            allowed_prefix: what a refusal names; `prefix` begins with it.
        """
        token, trail = None, PageTrail()
        while True:
            call = self._store.list_page(prefix, after=None, token=token, recursive=True)
            page = self._ask(call, ["s3:ListBucket"], prefix=allowed_prefix)
            yield page
            token = page.token
            if token is None:
                return
            error = trail.check(token, leads_on=bool(page.objects))
            if error is not None:
                raise name_side(SIDE, error)

    def head(self, keys: Sequence[str], *, allowed_keys: str) -> list[S3Object | None]:
        """Return objects by their keys; None for each that does not exist.

        Args:
            keys: of the objects.
            allowed_keys: what a refusal names, as `describe_denial` takes it.
        """
        found = self._ask(
            _gather([self._store.head_object(key) for key in keys]), ["s3:GetObject"], keys=allowed_keys
        )
        return [None if each is None else each.object for each in found]

    def read(
        self, found: Sequence[S3Object], *, bytes_max: int | None = None, allowed_keys: str
    ) -> list[bytes]:
        """Return the content of objects that still have their ETags, or its beginning.

        Args:
            found: the objects.
            bytes_max: limit for each; None reads all.
            allowed_keys: what a refusal names, as `describe_denial` takes it.
        """
        calls = [self._read(each, bytes_max) for each in found]
        return self._ask(_gather(calls), ["s3:GetObject"], keys=allowed_keys)

    async def _read(self, found: S3Object, bytes_max: int | None) -> bytes:
        size = found.size if bytes_max is None else min(found.size, bytes_max)
        return await self._store.get_bytes(found, 0, size - 1) if size else b""

    def _ask(
        self,
        work: Coroutine[Any, Any, T],
        actions: list[str],
        *,
        keys: str | None = None,
        prefix: str | None = None,
    ) -> T:
        bucket = self._manager.location.bucket
        try:
            return wait_for(work)
        except AccessError as error:
            raise describe_denial(
                self._job, SIDE, self._manager, actions, bucket, error, keys=keys, prefix=prefix
            ) from None
        except MissingError as error:
            if error.code != _NO_BUCKET:
                raise
            msg = f"{SIDE}: bucket {bucket!r} does not exist ({error.code})"
            raise MissingError(msg, code=error.code) from None
        except CopyError as error:
            raise name_side(SIDE, error) from None


async def _gather(calls: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Return the results of calls that run side by side; the first error ends the others."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(call) for call in calls]
    except ExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [task.result() for task in tasks]
