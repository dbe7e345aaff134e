"""Requests side by side: what one of them meets does not hide what the others did."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest

from s3copy_tasks.core.store import Deleted, DeleteRequest
from s3copy_tasks.delete.deleter import Deleter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Stopped:
    """A store whose sender is stopped while its first request is in flight: the second one never starts."""

    async def delete_objects(self, requests: Sequence[DeleteRequest]) -> Mapping[str, Deleted]:
        if requests[0].key != "k000":
            raise InterruptedError("the batch was stopped")
        for _ in range(2_000):
            await asyncio.sleep(0)
        return {request.key: Deleted() for request in requests}

    async def head_object(self, _: str) -> None:
        raise InterruptedError("the batch was stopped")


def test_what_was_in_flight_is_not_lost() -> None:
    """A task that is stopped waits for the answers that come, and knows of all others that there was none."""
    store: Any = Stopped()
    deleter = Deleter(store, many_at_once=True, can_undo=True)
    requests = [DeleteRequest(key=f"k{number:03}", etag='"e"') for number in range(300)]
    with pytest.raises(InterruptedError):
        deleter.delete(requests)
    outcomes = list(deleter.outcomes.values())
    assert (outcomes.count(Deleted()), outcomes.count(None)) == (250, 50)
