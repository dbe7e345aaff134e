"""Deletes on a server, with both clients, by the roles of a job."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from s3copy_tasks.core.options import TransferOptions
from s3copy_tasks.core.store import Deleted, DeleteRequest
from s3copy_tasks.engine.loop import wait_for
from s3copy_tasks.errors import AccessError, ConditionError

if TYPE_CHECKING:
    from mypy_boto3_s3.literals import BucketVersioningStatusType

    from s3copy_tasks.core.store import Store, Stores
    from tests.support.s3.sides import Sides

OTHER = '"0123456789abcdef0123456789abcdef"'
KEYS = ("data/a b+c%d?e&f", "data/\u00e9\u4e2d\U0001f600", "data/../x//y", "data/<&>\"'")


@pytest.fixture(params=["fast", "boto3"])
def stores(request: pytest.FixtureRequest, sides: Sides) -> Stores:
    """Both buckets by each client, through the connections of a job."""
    return sides.stores(sides.job(transfer=TransferOptions(concurrency=8, client=request.param)))


def put(sides: Sides, *keys: str) -> list[DeleteRequest]:
    """Write objects to the destination; return the requests that delete them."""
    client, bucket = sides.destination, sides.destination_bucket
    return [
        DeleteRequest(key=key, etag=client.put_object(Bucket=bucket, Key=key, Body=b"x")["ETag"])
        for key in keys
    ]


def delete(store: Store, requests: list[DeleteRequest], *, singly: bool) -> list[Deleted]:
    if singly:
        return [wait_for(store.delete_object(request)) for request in requests]
    found = wait_for(store.delete_objects(requests))
    return [one for request in requests if isinstance(one := found[request.key], Deleted)]


@pytest.mark.parametrize(
    "singly",
    [
        pytest.param(True, id="singly", marks=pytest.mark.needs("conditional_deletes")),
        pytest.param(False, id="together"),
    ],
)
def test_deletes(sides: Sides, stores: Stores, singly: bool) -> None:  # noqa: FBT001
    """Whatever its key, an object is gone; in a versioned bucket its marker has the version returned."""
    store, client = stores.destination, sides.destination
    assert not wait_for(store.is_versioned())
    assert delete(store, put(sides, *KEYS), singly=singly) == [Deleted()] * len(KEYS)
    states: tuple[BucketVersioningStatusType, ...] = ("Suspended", "Enabled")
    for state in states:
        client.put_bucket_versioning(
            Bucket=sides.destination_bucket, VersioningConfiguration={"Status": state}
        )
        assert wait_for(store.is_versioned()) is (state == "Enabled")
    done = delete(store, put(sides, *KEYS), singly=singly)
    listed = client.list_object_versions(Bucket=sides.destination_bucket)["DeleteMarkers"]
    versions = {marker["Key"]: marker["VersionId"] for marker in listed}
    assert [one.marker_version_id for one in done] == [versions[key] for key in KEYS]
    assert sides.copied() == {}


@pytest.mark.needs("delete_if_match")
def test_another_object(sides: Sides, stores: Stores) -> None:
    """An object that was written again is kept, and one that is gone is reported as absent."""
    changed, gone = put(sides, "data/a", "data/b")
    with pytest.raises(ConditionError):
        wait_for(stores.destination.delete_object(DeleteRequest(key=changed.key, etag=OTHER)))
    assert wait_for(stores.destination.delete_object(gone)) == Deleted()
    assert wait_for(stores.destination.delete_object(gone)) == Deleted(was_absent=True)
    assert sides.copied() == {"data/a": b"x"}


@pytest.mark.needs("denial", "conditional_deletes")
def test_without_the_right_to_delete(sides: Sides, stores: Stores) -> None:
    """A role that may only read deletes nothing; the error has the statement that would allow it."""
    sides.put("data/a")
    etag = sides.source.head_object(Bucket=sides.source_bucket, Key="data/a")["ETag"]
    request = DeleteRequest(key="data/a", etag=etag)
    with pytest.raises(AccessError, match="s3:DeleteObject"):
        wait_for(stores.source.delete_object(request))
    try:
        found = wait_for(stores.source.delete_objects([request]))["data/a"]
    except AccessError as error:
        found = error
    assert isinstance(found, AccessError)
    assert "s3:DeleteObject" in str(found)
    assert sides.originals() == {"data/a": b"x"}
