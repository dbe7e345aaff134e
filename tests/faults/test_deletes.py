"""Deletes: the same in memory and over HTTP with both clients, and what faults make of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from s3copy_tasks.core.store import Deleted, DeleteRequest
from s3copy_tasks.core.text import can_be_in_xml
from s3copy_tasks.engine.loop import wait_for
from s3copy_tasks.engine.paced_store import PacedStore
from s3copy_tasks.errors import (
    AccessError,
    Code,
    ConditionError,
    CopyError,
    RequestError,
    ThrottledError,
    TransientError,
)
from tests.faults.bench import DESTINATION, FaultBench
from tests.faults.kinds import FAULTS, spoiled
from tests.support.builders.bench import impatient
from tests.support.s3.memory import Clock, MemoryServer, MemoryStore, threaded
from tests.support.s3.proxy import Reply

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from mypy_boto3_s3.client import S3Client

    from s3copy_tasks.core.store import Store
    from tests.faults.proxy import FaultProxy

OTHER = '"0123456789abcdef0123456789abcdef"'
XML_KEYS = ("a b+c%d?e&f=g#h", "../x/./..//y", "/leading", "é中😀", "quo\"te'", "<&>]]>", "a%0Db", "a&#13;b")
"""Keys that XML carries."""
OTHER_KEYS = ("a\rb", "a\nb", "a\r\nb", "tab\there", " a", "a ", "a\x85b", "a\u2028b", "\x7f")
"""Keys that XML does not carry unchanged everywhere. Such as the first two, one may become the other."""


class Server(Protocol):
    """What both servers have in common."""

    versioning: dict[str, str]

    def put(self, bucket: str, key: str, content: bytes) -> Any: ...

    def delete(self, bucket: str, key: str) -> str | None: ...


@dataclass
class Place:
    """A bucket on a server, and a store for it."""

    server: Server
    store: Store
    keys: Callable[[], list[str]]

    def put(self, key: str, content: bytes = b"x") -> DeleteRequest:
        """Write an object; return the request that deletes it."""
        return DeleteRequest(key=key, etag=self.server.put(DESTINATION, key, content).etag)

    def delete(self, request: DeleteRequest) -> Any:
        return outcome(lambda: self.store.delete_object(request))

    def delete_all(self, *requests: DeleteRequest) -> Any:
        return outcome(lambda: self.store.delete_objects(requests))


def outcome(call: Callable[[], Awaitable[Any]]) -> Any:
    """Return the result of a call, or its error."""

    async def run() -> Any:
        try:
            return await call()
        except CopyError as error:
            return error

    return wait_for(run())


@pytest.fixture(params=["memory", "fast", "boto3"])
def place(request: pytest.FixtureRequest, fault_proxy: FaultProxy, fault_client: S3Client) -> Iterator[Place]:
    """An empty bucket, in memory and over HTTP."""
    if request.param == "memory":
        server = MemoryServer(Clock())
        server.buckets[DESTINATION] = {}
        store = threaded(MemoryStore(server, DESTINATION))
        yield Place(server, store, lambda: sorted(server.buckets[DESTINATION]))
        return
    with FaultBench(fault_proxy, fault_client, fast=request.param == "fast") as bench:
        yield Place(bench.server, bench.stores.destination, lambda: list(bench.server.keys(DESTINATION)))


@pytest.mark.parametrize(
    ("state", "is_versioned", "marked"),
    [(None, False, False), ("Suspended", False, True), ("Enabled", True, True)],
)
def test_versioning(place: Place, state: str | None, is_versioned: bool, marked: bool) -> None:  # noqa: FBT001
    """Only `Enabled` is versioned; where versions are or were kept, a delete returns its marker's version."""
    if state:
        place.server.versioning[DESTINATION] = state
    assert outcome(place.store.is_versioned) is is_versioned
    one, other = place.put("a"), place.put("b")
    first, second = place.delete(one), place.delete_all(other)["b"]
    assert (first.marker_version_id is not None) is (second.marker_version_id is not None) is marked
    assert (first == second) is not is_versioned, "each marker has a version of its own"
    assert place.keys() == []


@pytest.mark.parametrize("state", [None, "Enabled"])
def test_only_what_was_listed_is_deleted(place: Place, state: str | None) -> None:
    """An object that was written again is kept; one that is gone is reported as absent, marker or not."""
    if state:
        place.server.versioning[DESTINATION] = state
    requests = [place.put(key) for key in ("a", "changed", "gone", "z")]
    place.put("changed", b"new")
    place.server.delete(DESTINATION, "gone")
    singly = {request.key: place.delete(request) for request in requests[1:3]}
    together = place.delete_all(*requests)
    for found in (singly, together):
        error = found["changed"]
        assert isinstance(error, ConditionError)
        assert error.code == "PreconditionFailed"
        assert found["gone"] == Deleted(was_absent=True)
    assert [getattr(together[key], "was_absent", None) for key in "az"] == [False, False]
    assert place.keys() == ["changed"]


def test_how_an_etag_is_written(place: Place) -> None:
    """An ETag is the same with quotes and without; a weak or an empty one, or `*`, deletes nothing."""
    for index, etag in enumerate(["", "*", '"*"', 'W/"x"', OTHER]):
        request = DeleteRequest(key=place.put(f"kept-{index}").key, etag=etag)
        assert isinstance(place.delete(request), ConditionError)
        assert isinstance(place.delete_all(request)[request.key], ConditionError)
    for quote in ("", '"'):
        one, other = (
            DeleteRequest(key=key, etag=f"{quote}{place.put(key).etag.strip(chr(34))}{quote}") for key in "ab"
        )
        assert place.delete(one) == Deleted()
        assert place.delete_all(other) == {"b": Deleted()}
    assert len(place.keys()) == 5


def test_keys(place: Place) -> None:
    """Each key deletes its own object; one that XML may change is refused among others, and works alone."""
    requests = [place.put(key) for key in (*XML_KEYS, *OTHER_KEYS)]
    found = place.delete_all(*requests)
    assert {key for key, one in found.items() if one == Deleted()} == set(XML_KEYS)
    assert all(isinstance(found[key], RequestError) for key in OTHER_KEYS)
    assert [can_be_in_xml(key) for key in XML_KEYS + OTHER_KEYS] == [True] * 8 + [False] * 9
    left = sorted(OTHER_KEYS)
    assert place.keys() == left
    for key in OTHER_KEYS:
        assert place.delete(next(request for request in requests if request.key == key)) == Deleted()
        left.remove(key)
        assert place.keys() == left


# --- over HTTP


@pytest.fixture(params=[True, False], ids=["fast", "boto3"])
def bench(
    request: pytest.FixtureRequest, fault_proxy: FaultProxy, fault_client: S3Client
) -> Iterator[FaultBench]:
    """An empty destination on the small server, by each client."""
    with FaultBench(fault_proxy, fault_client, fast=request.param) as made:
        yield made


def put(bench: FaultBench, *keys: str) -> list[DeleteRequest]:
    return [DeleteRequest(key=key, etag=bench.server.put(DESTINATION, key, b"x").etag) for key in keys]


def answers(bench: FaultBench, kind: str, reply: Reply) -> None:
    """Answer requests of a kind in place of the server."""
    bench.proxy.add(spoiled("canned", lambda _: reply), kind)


def result(*rows: str) -> Reply:
    body = f"<DeleteResult>{''.join(rows)}</DeleteResult>"
    return Reply(200, body.encode(), {"Content-Type": "application/xml"})


def refused(key: str, code: str) -> str:
    return f"<Error><Key>{key}</Key><Code>{code}</Code><Message>no</Message></Error>"


CODES: dict[str, type[CopyError]] = {
    "PreconditionFailed": ConditionError,
    "ConditionalRequestConflict": ConditionError,
    "AccessDenied": AccessError,
    "SlowDown": ThrottledError,
    "InternalError": TransientError,
    "MalformedXML": RequestError,
    "": RequestError,
}


def test_refusals_of_single_keys(bench: FaultBench) -> None:
    """Each key's error has its class, S3's code and S3's id of the request; NoSuchKey means absent."""
    requests = put(bench, *map(str, range(len(CODES))), "gone")
    rows = [refused(str(index), code) for index, code in enumerate(CODES)]
    reply = result(*rows, refused("gone", "NoSuchKey"))
    answers(bench, "DeleteObjects", Reply(200, reply.body, {"x-amz-request-id": "id-1"}))
    found = outcome(lambda: bench.stores.destination.delete_objects(requests))
    assert [type(found[str(index)]) for index in range(len(CODES))] == list(CODES.values())
    assert [found[str(index)].code for index in range(len(CODES))] == [
        code or "Unspecified" for code in CODES
    ]
    assert {found[str(index)].request_id for index in range(len(CODES))} == {"id-1"}
    assert "s3:GetObject" in found["2"].remedy
    assert found["gone"] == Deleted(was_absent=True)


def test_a_reply_that_lacks_a_key(bench: FaultBench) -> None:
    """A key that is not confirmed may be deleted or not: it is worth a retry, and the others count."""
    answers(bench, "DeleteObjects", result("<Deleted><Key>a</Key></Deleted>"))
    found = outcome(lambda: bench.stores.destination.delete_objects(put(bench, "a", "b")))
    assert found["a"] == Deleted()
    assert (type(found["b"]), found["b"].code) == (TransientError, Code.EMPTY_REPLY)


@pytest.mark.parametrize(
    "row", ["<Deleted><Key>other</Key></Deleted>", refused("A", "AccessDenied"), "<Deleted/>"]
)
def test_a_reply_with_another_key(bench: FaultBench, row: str) -> None:
    """A server that answers for a key that was not sent may have deleted it: nothing counts as known."""
    answers(bench, "DeleteObjects", result("<Deleted><Key>a</Key></Deleted>", row))
    paced = PacedStore(bench.stores.destination, impatient())
    error = outcome(lambda: paced.delete_objects(put(bench, "a")))
    assert (type(error), error.code, error.may_be_done) == (RequestError, Code.NOT_S3, True)
    assert bench.proxy.kinds()["DeleteObjects"] == 1


SINGLE: dict[str, tuple[Reply, type[CopyError], str]] = {
    "another server": (Reply(200, b"<html>ok"), TransientError, f"{Code.EMPTY_REPLY} 500"),
    "written meanwhile": (
        Reply.error(409, "ConditionalRequestConflict"),
        ConditionError,
        "ConditionalRequestConflict",
    ),
    "no bucket": (Reply.error(404, "NoSuchBucket"), CopyError, "NoSuchBucket"),
    "no code": (Reply(404), CopyError, "404"),
    "no rights": (Reply.error(403, "AccessDenied"), AccessError, "AccessDenied"),
}


@pytest.mark.parametrize("case", SINGLE)
def test_refusals_of_one_delete(bench: FaultBench, case: str) -> None:
    """Only a 204 confirms a delete, and only NoSuchKey says that there was nothing to delete."""
    reply, cls, code = SINGLE[case]
    answers(bench, "DeleteObject", reply)
    error = outcome(lambda: bench.stores.destination.delete_object(*put(bench, "a")))
    assert isinstance(error, cls)
    assert error.code in code.split()


@dataclass(frozen=True)
class Outcome:
    """What becomes of an object when a fault strikes the first request that deletes it.

    Attributes:
        fate: of the delete: "deleted", "absent", or the code of its error.
        requests: how many it takes.
        is_gone: whether the object is.
    """

    fate: str = "deleted"
    requests: int = 2
    is_gone: bool = True


FATES = {
    "delay": Outcome(requests=1),
    **{name: Outcome("deleted") for name in FAULTS if name.endswith("after the act")},
    **{
        name: Outcome(name, 1, is_gone=False)
        for name in ("PreconditionFailed", "AccessDenied", "NoSuchUpload")
    },
}
"""Of both kinds of request, for what another request does not fix."""
CUT = ("truncated body", "XML cut off")
CONFLICT = "ConditionalRequestConflict"
OF_KIND = {
    "DeleteObject": {
        **FATES,
        **dict.fromkeys(CUT, Outcome(requests=1)),  # a 204 has no body that could be cut off
        "NoSuchKey": Outcome("absent", 1, is_gone=False),
        CONFLICT: Outcome(CONFLICT, 1, is_gone=False),
    },
    "DeleteObjects": {
        **FATES,
        **dict.fromkeys(CUT, Outcome("deleted")),
        "NoSuchKey": Outcome("NoSuchKey", 1, is_gone=False),  # the request as a whole never has this answer
    },
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("kind", OF_KIND)
def test_faults(bench: FaultBench, kind: str, fault: str) -> None:
    """A delete whose reply is lost is sent again; that its object is absent then counts as deleted."""
    (request,) = put(bench, "a")
    bench.proxy.add(FAULTS[fault], kind)
    paced = PacedStore(bench.stores.destination, impatient())
    if kind == "DeleteObject":
        found = outcome(lambda: paced.delete_object(request))
    else:
        found = outcome(lambda: paced.delete_objects([request]))
        found = found["a"] if isinstance(found, dict) else found
    fate = found.code if isinstance(found, CopyError) else "absent" if found.was_absent else "deleted"
    is_gone = not bench.server.keys(DESTINATION)
    expected = OF_KIND[kind].get(fault, Outcome())
    assert Outcome(fate, bench.proxy.kinds()[kind], is_gone) == expected
