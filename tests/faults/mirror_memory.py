"""A mirror's stage in memory: one request after another on the loop, so that all is fast and repeatable."""

from __future__ import annotations

import asyncio
from copy import copy
from typing import TYPE_CHECKING, Any, cast

from s3copy_tasks.core.objects import ObjectDetails
from s3copy_tasks.core.store import Page, Stores
from s3copy_tasks.errors import (
    AccessError,
    CopyError,
    MissingError,
    RequestError,
    ThrottledError,
    TransientError,
)
from tests.faults.mirror_oracle import Name, Seen
from tests.faults.mirror_stage import ENABLED, Killed, Stage
from tests.support.builders.bench import DESTINATION, SOURCE
from tests.support.s3.memory import Call, Clock, MemoryServer, MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from s3copy_tasks.core.store import Store
    from tests.faults.mirror_script import Script

ERRORS: dict[str | None, CopyError] = {
    "slow down": ThrottledError("slow down", code="SlowDown"),
    "unavailable": TransientError("down", code="503"),
    "denied": AccessError("denied", code="AccessDenied"),
    "bad request": RequestError("no", code="InvalidRequest"),
    "no such bucket": MissingError("no bucket", code="NoSuchBucket"),
}
"""Of requests that do not reach the server."""
LOST = frozenset({"lost", "lost, and stop", "cut off", "empty"})
UNCLEAR = LOST | {"unavailable", "die after"}
"""After these, the client can't know whether the server has acted."""


class _Server(MemoryServer):
    """Reports what it deletes for the code under test."""

    def __init__(self, clock: Clock, on_delete: Callable[[str, str], None], page_keys: int) -> None:
        super().__init__(clock, page_keys=page_keys)
        self._on_delete = on_delete

    def delete(self, bucket: str, key: str) -> str | None:
        self._on_delete(key, self.buckets[bucket][key].etag)
        return super().delete(bucket, key)


class _Store:
    """One side, whose requests the stage answers."""

    def __init__(self, stage: MemoryStage, side: str) -> None:
        self._stage, self._side = stage, side

    def __getattr__(self, verb: str) -> Callable[..., Any]:
        async def call(*args: Any, **options: Any) -> Any:
            await asyncio.sleep(0)
            with self._stage.lock:
                return self._stage.answer(self._side, verb, args, options)

        return call


class MemoryStage(Stage):
    """A stage in memory. See `Stage`."""

    def __init__(self, script: Script) -> None:
        super().__init__(script)
        self._clock = Clock()
        self._server = _Server(self._clock, self.oracle.judge_delete, script.page_keys)
        self._server.buckets = {SOURCE: {}, DESTINATION: {}, "elsewhere": {}}
        self._server.lacks_conditional_deletes = not script.conditional
        self._server.before.append(self._before_key)
        self._server.after.append(self._after_key)
        self._lost_keys: set[str] = set()
        source, destination = (cast("Store", _Store(self, side)) for side in ("source", "destination"))
        self.stores = Stores(source=source, destination=destination)

    def put(self, bucket: str, key: str, content: bytes) -> None:
        self._server.put(bucket, key, content)

    def remove(self, bucket: str, key: str) -> None:
        self._server.buckets[bucket].pop(key, None)

    def list_etags(self, bucket: str) -> dict[str, str]:
        return {key: stored.etag for key, stored in self._server.buckets[bucket].items()}

    @property
    def versioning(self) -> str | None:
        return self._server.versioning.get(DESTINATION)

    @versioning.setter
    def versioning(self, state: str | None) -> None:
        if state is not None:
            self._server.versioning[DESTINATION] = state

    def now(self) -> datetime:
        return self._clock()

    def tick(self, seconds: float = 1) -> None:
        self._clock.tick(seconds)

    def answer(self, side: str, verb: str, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        """Return what the client gets of a request.

        Raises:
            CopyError: it was refused, or its answer is lost.
            Killed: the client is dead.
        """
        kind, request = _name(side, verb, args, options)
        fault = None if self.is_dead else self.strike(kind)
        if self.is_dead or fault == "die":
            self.is_dead = True
            raise Killed
        result = None
        if kind == "delete" and fault in UNCLEAR:
            self.oracle.note_unclear(set(request[1:]))
        try:
            if fault in ERRORS:
                raise copy(ERRORS[fault])
            result = self._act_on(side, verb, args, options)
            if fault in LOST:
                raise TransientError("reset", code="ConnectionReset")
        except CopyError as error:
            self._see(kind, request, error, None)
            raise
        self._see(kind, request, None, result)
        if fault == "die after":
            self.is_dead = True
            raise Killed
        return result

    def _act_on(self, side: str, verb: str, args: tuple[Any, ...], options: dict[str, Any]) -> Any:
        bucket = self.leads_to if side == "source" else DESTINATION
        if bucket is not None:
            return getattr(MemoryStore(self._server, bucket), verb)(*args, **options)
        if verb == "head_object":  # a 404 without a body
            return None
        raise MissingError("no bucket", code="NoSuchBucket")

    def _see(self, kind: str, request: Name, error: CopyError | None, result: Any) -> None:
        is_lost = isinstance(error, TransientError) or (error is not None and error.code == "NoSuchBucket")
        answer = "answered" if error is None else "unanswered" if is_lost else "refused"
        found = self.versioning == ENABLED
        if kind == "head source":
            found = request[1] in self._server.buckets[SOURCE]
        shown = result.objects if isinstance(result, Page) else ()
        if isinstance(result, ObjectDetails):
            shown = (result.object,)
        rows = {each.key: each.etag for each in shown} if kind.endswith("destination") else {}
        self.oracle.see(Seen(kind, request, answer, found, rows))

    def _before_key(self, call: Call) -> None:
        if call.verb == "delete_in_objects":
            fault = self.strike("delete key")
            if fault in UNCLEAR:
                self.oracle.note_unclear({call.key})
            if fault in LOST:
                self._lost_keys.add(call.key)
            elif fault in ERRORS:
                raise copy(ERRORS[fault])

    def _after_key(self, call: Call) -> None:
        if call.verb == "delete_in_objects" and call.key in self._lost_keys:
            self._lost_keys.remove(call.key)
            raise TransientError("internal", code="InternalError")


def _name(side: str, verb: str, args: tuple[Any, ...], options: dict[str, Any]) -> tuple[str, Name]:
    """Return the kind of a request, and what it has in common with its retries."""
    if verb == "list_page":
        kind = f"list {side}"
        return kind, (kind, args[0], options["after"], options["token"], str(options["recursive"]))
    if verb == "server_time":
        return f"list {side}", ("time", args[0])
    if verb == "head_object":
        return f"head {side}", (f"head {side}", args[0])
    if verb == "is_versioned":
        return "versioning", ("versioning",)
    return "delete", ("delete", *(each.key for each in (args[0] if verb == "delete_objects" else args)))
