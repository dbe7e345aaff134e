"""What a server lacks is left out where it is a precaution, and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from s3copy_tasks.core.abilities import NO_DEMANDS
from s3copy_tasks.core.store import DeleteRequest
from s3copy_tasks.engine.loop import wait_for
from s3copy_tasks.errors import UnsupportedError
from s3copy_tasks.s3.bucket import BucketStore
from s3copy_tasks.s3.negotiation import NegotiatingClient

if TYPE_CHECKING:
    from collections.abc import Mapping

GUARDS = {"IfMatch", "IfNoneMatch"}


class Refusing:
    """A client of a server without conditional requests; it keeps the parameters of each."""

    def __init__(self) -> None:
        self.sent: list[Mapping[str, Any]] = []

    async def call(self, operation: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        self.sent.append(params)
        if GUARDS & params.keys():
            raise UnsupportedError(f"{operation}: If-Match is not implemented", code="NotImplemented")
        return {}

    async def close(self) -> None: ...


def test_a_delete_keeps_its_condition() -> None:
    """A server that lacks conditional writes is never asked to delete without a condition."""
    client = Refusing()
    negotiating = NegotiatingClient(client, NO_DEMANDS, lacks=GUARDS)
    wait_for(negotiating.call("CopyObject", {"Bucket": "b", "Key": "k", "IfMatch": '"e"'}))
    store = BucketStore(negotiating, "b", None)
    with pytest.raises(UnsupportedError, match="The server lacks conditional deletes") as raised:
        wait_for(store.delete_object(DeleteRequest(key="k", etag='"e"')))
    assert "overwrite" not in str(raised.value)
    assert [params.get("IfMatch") for params in client.sent] == [None, '"e"']
