"""Both clients do the same on the wire; the fast one also reuses connections and checks certificates."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import os
import socket
import subprocess
import sys
from collections import deque
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import count
from pathlib import Path
from threading import Barrier
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn

import boto3
import pytest
from botocore.config import Config
from botocore.credentials import RefreshableCredentials
from pycurl import POLL_IN, POLL_OUT, POLL_REMOVE

from s3copy_tasks.errors import (
    AccessError,
    Code,
    ConditionError,
    CopyError,
    ExpiredError,
    MissingError,
    RequestError,
    ThrottledError,
    TransientError,
)
from s3copy_tasks.s3.boto3_client import Boto3Client
from s3copy_tasks.s3.client import Client
from s3copy_tasks.s3.fast import replies
from s3copy_tasks.s3.fast.client import CurlClient
from s3copy_tasks.s3.fast.handles import CONNECTION_CLOSED, READ_TIMEOUT, TLS_REFUSED
from s3copy_tasks.s3.fast.sockets import EpollSockets, SelectorSockets
from tests.support.s3.proxy import Proxy, Reply, Request
from tests.support.s3.scripted import CLOSE, RESET, Asked, ScriptedServer, certificate, reply
from tests.support.s3.servers import SOURCE_ACCOUNT, WRITER, Endpoint

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from mypy_boto3_s3.client import S3Client

    from s3copy_tasks.s3.client import Connect

CLIENTS: dict[str, Callable[[Connect], Client]] = {"curl": CurlClient, "boto3": Boto3Client}
KEYS = [
    "a",
    "a b+c%d?e&f=g#h",
    "../x/./..//y",
    "/leading",
    "\u00e9\u4e2d\U0001f600",
    "quo\"te'",
    "tab\there",
    ".",
]
COPIED = b"<CopyObjectResult><ETag>&quot;e&quot;</ETag></CopyObjectResult>"
COMPLETED = b"<CompleteMultipartUploadResult><ETag>&quot;e&quot;</ETag></CompleteMultipartUploadResult>"
LISTED = b"<ListBucketResult><Name>b</Name><IsTruncated>false</IsTruncated></ListBucketResult>"
OF_KEY: dict[str, Any] = {"Bucket": "bucket", "Key": "k"}
COPY = {**OF_KEY, "CopySource": {"Bucket": "b", "Key": "k"}}
COMPLETE = {**OF_KEY, "UploadId": "u", "MultipartUpload": {"Parts": [{"PartNumber": 1, "ETag": "e"}]}}
TOKENS = count(1)

both = pytest.mark.parametrize("make", CLIENTS.values(), ids=CLIENTS)
pytestmark = pytest.mark.one_server


def connecting(url: str | None, *, made: list[bool] | None = None, **options: Any) -> Connect:
    """Return a function that connects to a server with a new token each time; `made` records `renew`."""
    config = Config(
        connect_timeout=options.pop("connect_timeout", 10),
        read_timeout=options.pop("read_timeout", 60),
        retries={"mode": "standard", "total_max_attempts": 1},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        proxies=options.pop("proxies", None),
    )

    def connect(*, renew: bool = False) -> S3Client:
        if made is not None:
            made.append(renew)
        return boto3.client(
            "s3",
            endpoint_url=url,
            region_name="us-east-1",
            aws_access_key_id="key",
            aws_secret_access_key="secret",
            aws_session_token=f"token-{next(TOKENS)}",
            config=config,
            **options,
        )

    return connect


@asynccontextmanager
async def closing(client: Client) -> AsyncIterator[Client]:
    try:
        yield client
    finally:
        await client.close()


def calls(client: Client, *requests: tuple[str, Mapping[str, Any]]) -> list[Any]:
    """Make requests, one after the other; return their results and errors; close the client."""

    async def run() -> list[Any]:
        found: list[Any] = []
        async with closing(client), asyncio.timeout(60):
            for operation, params in requests:
                try:
                    found.append(await client.call(operation, params))
                except CopyError as error:
                    found.append(error)
        return found

    return asyncio.run(run())


def call(client: Client, operation: str, params: Mapping[str, Any]) -> Any:
    """Make a request; return the result or the error."""
    return calls(client, (operation, params))[0]


def descriptors() -> list[str]:
    """Return the open file descriptors of this process."""
    gc.collect()
    return sorted(path.name for path in Path("/dev/fd").iterdir())


def failing(_: object) -> NoReturn:
    raise AssertionError("no request was expected")


@pytest.fixture
def bucket(server: Endpoint) -> str:
    """A bucket on the server."""
    name = f"client-{next(TOKENS):04}"
    server.client(WRITER).create_bucket(Bucket=name)
    return name


@pytest.mark.parametrize("key", KEYS)
def test_both_do_the_same(server: Endpoint, bucket: str, key: str) -> None:
    """Every operation has the same result with either client, whatever the key: it is never normalised."""

    def without_times(value: Any) -> Any:
        if isinstance(value, dict):
            volatile = {"LastModified", "ResponseMetadata", "UploadId", "VersionId"}
            return {name: without_times(part) for name, part in value.items() if name not in volatile}
        return [without_times(part) for part in value] if isinstance(value, list) else value

    async def run(client: Client) -> list[Any]:
        at: dict[str, Any] = {"Bucket": bucket, "Key": key}
        found: list[Any] = []

        async def do(operation: str, **more: Any) -> Any:
            found.append(await client.call(operation, {**at, **more}))
            return found[-1]

        async with closing(client):
            await do("PutObject", Body=b"hello", Metadata={"a": "b  c"}, Tagging="t=u", ContentType="text/x")
            await do("CopyObject", Key=f"copy/{key}", CopySource=dict(at), MetadataDirective="COPY")
            await do("HeadObject", Key=f"copy/{key}")
            await do("GetObject", Range="bytes=1-2")
            await do("GetObjectTagging")
            upload = {"UploadId": (await do("CreateMultipartUpload"))["UploadId"]}
            part = await do("UploadPartCopy", **upload, PartNumber=1, CopySource={**at, "Key": f"copy/{key}"})
            parts = [{"PartNumber": 1, "ETag": part["CopyPartResult"]["ETag"]}]
            await do("CompleteMultipartUpload", **upload, MultipartUpload={"Parts": parts})
            upload = {"UploadId": (await do("CreateMultipartUpload"))["UploadId"]}
            await do("UploadPart", **upload, PartNumber=1, Body=b"x" * 100_000)
            found.append(await client.call("ListMultipartUploads", {"Bucket": bucket, "Prefix": key}))
            await do("AbortMultipartUpload", **upload)
            listed = await client.call("ListObjectsV2", {"Bucket": bucket, "Prefix": ""})
            assert [row["Key"] for row in listed["Contents"]] == sorted([key, f"copy/{key}"])
            found.append(listed)
        return [without_times(result) for result in found]

    found = asyncio.run(run(CurlClient(connecting(server.url))))
    expected = asyncio.run(run(Boto3Client(connecting(server.url))))
    assert found == expected


@both
@pytest.mark.parametrize(
    ("given", "cls", "codes"),
    [
        (Reply.error(403, "AccessDenied"), AccessError, "AccessDenied"),
        (Reply.error(404, "NoSuchKey"), MissingError, "NoSuchKey"),
        (Reply.error(412, "PreconditionFailed"), ConditionError, "PreconditionFailed"),
        (Reply.error(503, "SlowDown"), ThrottledError, "SlowDown"),
        (Reply.error(200, "SlowDown"), ThrottledError, "SlowDown"),
        (Reply.error(200, "InternalError"), TransientError, "InternalError"),
        (Reply(200), TransientError, Code.EMPTY_REPLY),
        (Reply(200, b"<CopyObjectResult><ETag>"), TransientError, f"{Code.EMPTY_REPLY} 500"),
        (Reply(502, b"<html>bad gateway"), TransientError, "502"),
        (Reply(301, b""), RequestError, "301"),
    ],
)
def test_refusals(
    proxy: Proxy, make: Callable[[Connect], Client], given: Reply, cls: type[CopyError], codes: str
) -> None:
    """Refusals, errors inside a success and missing replies are the same errors with either client."""
    proxy.answer = lambda request: given if request.kind == "CopyObject" else Reply(404)
    error = call(make(connecting(proxy.url)), "CopyObject", COPY)
    assert isinstance(error, cls)
    assert error.code in codes.split()
    assert len(proxy.of_kind("CopyObject")) == 1


@both
def test_expired_credentials(proxy: Proxy, make: Callable[[Connect], Client]) -> None:
    """Expired credentials have their own error, and the next call connects again."""
    answers = deque([Reply.error(400, "ExpiredToken"), Reply(200, COPIED), Reply(200, COPIED)])
    proxy.answer = lambda request: answers.popleft()
    made: list[bool] = []
    results = calls(make(connecting(proxy.url, made=made)), *[("CopyObject", COPY)] * 3)
    assert isinstance(results[0], ExpiredError)
    assert [result["CopyObjectResult"]["ETag"] for result in results[1:]] == ['"e"'] * 2
    assert made == [False, True]
    tokens = [request.headers["x-amz-security-token"] for request in proxy.requests]
    assert tokens[0] != tokens[1] == tokens[2]


def test_calls_that_wait_for_a_connection_share_its_error() -> None:
    """If STS does not answer, all waiting calls share one request and its error."""
    made = 0

    def connect(*, renew: bool = False) -> S3Client:
        nonlocal made
        assert not renew
        made += 1
        raise TransientError("STS is silent", code=Code.ENDPOINT_UNREACHABLE)

    async def all_at_once() -> list[Any]:
        async with CurlClient(connect) as client:
            waiting = [client.call("CopyObject", COPY) for _ in range(8)]
            return list(await asyncio.gather(*waiting, return_exceptions=True))

    errors = asyncio.run(all_at_once())
    assert [error.code for error in errors] == [Code.ENDPOINT_UNREACHABLE] * 8
    assert len(set(map(id, errors))) == 8
    assert made == 1


@both
def test_a_head_cannot_say_what_is_wrong(proxy: Proxy, make: Callable[[Connect], Client]) -> None:
    """A HEAD's 400 has no body: that alone does not make a new connection."""
    answers = deque([Reply(400), Reply(200, headers={"ETag": '"e"'})])
    proxy.answer = lambda request: answers.popleft() if request.kind == "HeadObject" else Reply(404)
    made: list[bool] = []
    first, second = calls(make(connecting(proxy.url, made=made)), *[("HeadObject", OF_KEY)] * 2)
    assert isinstance(first, RequestError)
    assert (first.code, second["ETag"], made) == ("400", '"e"', [False])


@both
def test_another_region(make: Callable[[Connect], Client]) -> None:
    """A redirect is followed once, and remembered."""

    def answer(asked: Asked) -> bytes:
        if "/eu-north-1/s3/" in asked.headers["authorization"]:
            return reply(COPIED)
        return reply(b"", 301, x_amz_bucket_region="eu-north-1")

    with ScriptedServer(answer) as server:
        results = calls(make(connecting(server.url)), ("CopyObject", COPY), ("CopyObject", COPY))
    assert [result["CopyObjectResult"]["ETag"] for result in results] == ['"e"'] * 2
    assert len(server.asked) == 3


@pytest.mark.parametrize(
    "refusal",
    [
        reply(b"", 301, x_amz_bucket_region="us-east-1"),
        reply(b"", 301),
        reply(b"", 307, x_amz_bucket_region="eu-north-1"),
        reply(b"<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-north-1</Region></Error>", 400),
    ],
    ids=["to the same region", "to nowhere", "temporary", "by its body"],
)
def test_a_redirect_without_end(refusal: bytes) -> None:
    """A client that is always redirected gives up after one retry."""
    with ScriptedServer(lambda _: refusal) as server:
        error = call(CurlClient(connecting(server.url)), "CopyObject", COPY)
    assert isinstance(error, RequestError)
    assert len(server.asked) == (2 if b"eu-north-1" in refusal else 1)


def answer_by_clock(now: datetime, asked: Asked) -> bytes:
    """Answer as S3 does: refuse what is signed by a clock that is more than 15 minutes off."""
    signed = datetime.strptime(asked.headers["x-amz-date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    if abs(now - signed) < timedelta(minutes=15):
        return reply(b"" if asked.method == "HEAD" else COPIED, ETag='"e"')
    body = b"" if asked.method == "HEAD" else b"<Error><Code>RequestTimeTooSkewed</Code></Error>"
    return reply(body, 403, Date=format_datetime(now, usegmt=True))


@pytest.mark.parametrize("operation", ["CopyObject", "HeadObject"])
def test_a_wrong_clock(operation: str) -> None:
    """A wrong clock is corrected by the server's, once for all calls; a HEAD's 403 has no code."""
    real = datetime.now(UTC) + timedelta(hours=2)
    params = COPY if operation == "CopyObject" else OF_KEY
    with ScriptedServer(lambda asked: answer_by_clock(real, asked)) as server:
        results = calls(CurlClient(connecting(server.url)), (operation, params), (operation, params))
    assert not [result for result in results if isinstance(result, CopyError)]
    assert len(server.asked) == 3


@pytest.mark.parametrize("operation", ["CopyObject", "HeadObject"])
def test_a_wrong_clock_of_concurrent_requests(operation: str) -> None:
    """Every request that was signed by the wrong clock is retried, also when another has corrected it."""
    real, at_once = datetime.now(UTC) - timedelta(hours=2), 8
    all_sent = Barrier(at_once)
    params = COPY if operation == "CopyObject" else OF_KEY

    def answer(asked: Asked) -> bytes:
        if len(server.asked) <= at_once:
            all_sent.wait(60)
        return answer_by_clock(real, asked)

    async def run(client: Client) -> list[Any]:
        async with closing(client):
            sent = [client.call(operation, params) for _ in range(at_once)]
            results = await asyncio.gather(*sent, return_exceptions=True)
            return [*results, await client.call(operation, params)]

    with ScriptedServer(answer) as server:
        results = asyncio.run(run(CurlClient(connecting(server.url))))
    assert not [result for result in results if isinstance(result, BaseException)]
    assert len(server.asked) == 2 * at_once + 1


def test_a_denied_head_with_the_right_clock() -> None:
    """A 403 is retried with another time only if the clock is wrong."""
    denied = reply(b"", 403, Date=format_datetime(datetime.now(UTC), usegmt=True))
    with ScriptedServer(lambda _: denied) as server:
        error = call(CurlClient(connecting(server.url)), "HeadObject", OF_KEY)
    assert isinstance(error, AccessError)
    assert len(server.asked) == 1


@both
@pytest.mark.parametrize(
    "answer", [RESET, CLOSE, reply(b"<Copy", length=500)], ids=["reset", "closed", "cut"]
)
def test_broken_connections(make: Callable[[Connect], Client], answer: bytes) -> None:
    """After a reset, a closed connection or a body that is cut off, a retry makes sense."""
    with ScriptedServer(lambda _: answer) as server:
        error = call(make(connecting(server.url)), "CopyObject", COPY)
    assert type(error) is TransientError
    assert error.code != Code.ENDPOINT_UNREACHABLE


def test_a_body_that_is_cut_off() -> None:
    """An object with fewer bytes than announced is an error."""
    with ScriptedServer(lambda _: reply(b"abc", length=10)) as server:
        error = call(CurlClient(connecting(server.url)), "GetObject", OF_KEY)
    assert isinstance(error, TransientError)
    assert error.code == CONNECTION_CLOSED


@both
def test_an_unreachable_server(make: Callable[[Connect], Client]) -> None:
    """A server that can't be reached has its own code: nothing was sent."""
    with ScriptedServer(failing) as server:
        url = server.url
    error = call(make(connecting(url)), "CopyObject", COPY)
    assert isinstance(error, TransientError)
    assert error.code == Code.ENDPOINT_UNREACHABLE


@both
def test_a_silent_server(make: Callable[[Connect], Client]) -> None:
    """A server that never answers costs the read timeout, and a retry makes sense."""
    with ScriptedServer(lambda _: None) as server:
        error = call(make(connecting(server.url, read_timeout=1)), "CopyObject", COPY)
    assert isinstance(error, TransientError)
    assert error.code == READ_TIMEOUT


def dying(asked: Asked) -> bytes:
    """Answer the first request of the first connection; close it after reading the second."""
    if (asked.connection, asked.number) == (1, 2):
        return CLOSE
    if "uploadId" in asked.target:
        return reply(COMPLETED)
    return reply(COPIED) if asked.method == "PUT" else reply(LISTED)


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("CompleteMultipartUpload", COMPLETE),
        ("CopyObject", {**COPY, "IfNoneMatch": "*"}),
        ("CopyObject", {**COPY, "IfMatch": '"e"'}),
    ],
)
def test_what_must_not_come_twice(operation: str, params: dict[str, Any]) -> None:
    """A request that would fail after its own success is not re-sent by libcurl: its result is unknown."""
    with ScriptedServer(dying) as server:
        results = calls(CurlClient(connecting(server.url)), *[(operation, params)] * 3)
    assert [isinstance(result, TransientError) for result in results] == [False, True, False]
    assert results[1].code == CONNECTION_CLOSED
    assert len(server.asked) == 3


def test_a_retry_after_a_dead_connection_gets_a_new_one() -> None:
    """A server that closes idle connections without a word closes all of them: the next may be dead, too."""
    guarded = ("CopyObject", {**COPY, "IfNoneMatch": "*"})

    async def run(client: Client) -> None:
        async with closing(client):
            await asyncio.gather(*[client.call(*guarded) for _ in range(3)])
            with pytest.raises(TransientError):
                await client.call(*guarded)
            await client.call(*guarded)

    with ScriptedServer(lambda asked: reply(COPIED) if asked.number == 1 else CLOSE) as server:
        asyncio.run(run(CurlClient(connecting(server.url))))
    assert [asked.number for asked in server.asked] == [1, 1, 1, 2, 1]


@pytest.mark.parametrize(
    ("operation", "params"), [("CopyObject", COPY), ("ListObjectsV2", {"Bucket": "bucket"})]
)
def test_what_may_come_twice(operation: str, params: dict[str, Any]) -> None:
    """If the connection is dead, libcurl re-sends a request that may be sent twice."""
    with ScriptedServer(dying) as server:
        results = calls(CurlClient(connecting(server.url)), (operation, params), (operation, params))
    assert not [result for result in results if isinstance(result, CopyError)]
    assert [asked.connection for asked in server.asked] == [1, 1, 2]


def test_connections_are_kept() -> None:
    """There are as many connections as concurrent requests, however many follow."""
    at_once, rounds = 8, 5

    async def run(client: Client) -> None:
        async with closing(client):
            for _ in range(rounds):
                await asyncio.gather(*[client.call("CopyObject", COPY) for _ in range(at_once)])

    with ScriptedServer(lambda _: reply(COPIED)) as server:
        asyncio.run(run(CurlClient(connecting(server.url))))
    assert len(server.asked) == at_once * rounds
    assert server.connections <= at_once


def test_nothing_stays_open() -> None:
    """A closed client leaves no descriptor, even if a call was waiting for a reply."""

    async def run(server: ScriptedServer) -> None:
        client = CurlClient(connecting(server.url))
        await asyncio.gather(*[client.call("CopyObject", COPY) for _ in range(4)])
        waiting = asyncio.create_task(client.call("GetObject", OF_KEY))
        await asyncio.to_thread(server.silent.wait)
        await client.close()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    def once() -> None:
        with ScriptedServer(lambda asked: None if asked.method == "GET" else reply(COPIED)) as server:
            asyncio.run(run(server))

    once()
    before = descriptors()
    for _ in range(3):
        once()
    assert len(descriptors()) <= len(before)  # other tests may have left some that are closed meanwhile


def test_cancelling() -> None:
    """Cancelling a call closes its connection; the client still works."""

    async def run(server: ScriptedServer, client: Client) -> Any:
        async with closing(client):
            waiting = asyncio.create_task(client.call("GetObject", OF_KEY))
            await asyncio.to_thread(server.silent.wait)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert await asyncio.to_thread(server.left.wait, 60)
            return await client.call("CopyObject", COPY)

    with ScriptedServer(lambda asked: None if asked.method == "GET" else reply(COPIED)) as server:
        found = asyncio.run(run(server, CurlClient(connecting(server.url))))
    assert found["CopyObjectResult"]["ETag"] == '"e"'


@both
@pytest.mark.filterwarnings("ignore:Unverified HTTPS")
def test_which_certificates_are_trusted(make: Callable[[Connect], Client], tmp_path: Path) -> None:
    """A server needs a trusted certificate for its name, unless verification is turned off."""
    mine, other = certificate(tmp_path / "mine.pem"), certificate(tmp_path / "other.pem")
    elsewhere = certificate(tmp_path / "elsewhere.pem", "127.0.0.9")
    with ScriptedServer(lambda _: reply(COPIED), tls=mine) as server:
        for verify in (str(mine), False):
            found = call(make(connecting(server.url, verify=verify)), "CopyObject", COPY)
            assert found["CopyObjectResult"]["ETag"] == '"e"'
        for verify in (str(other), True):
            error = call(make(connecting(server.url, verify=verify)), "CopyObject", COPY)
            assert isinstance(error, RequestError)
            assert error.code == TLS_REFUSED
    with ScriptedServer(lambda _: reply(COPIED), tls=elsewhere) as server:
        error = call(make(connecting(server.url, verify=str(elsewhere))), "CopyObject", COPY)
        found = call(make(connecting(server.url, verify=False)), "CopyObject", COPY)
    assert isinstance(error, RequestError)
    assert error.code == TLS_REFUSED
    assert found["CopyObjectResult"]["ETag"] == '"e"'


def test_bodies_are_signed_unless_tls_protects_them(tmp_path: Path) -> None:
    """A body's hash is signed over plain HTTP, and left out where TLS protects the body."""
    mine = certificate(tmp_path / "mine.pem")
    params = {**OF_KEY, "Body": b"hello"}
    for tls, expected in ((None, hashlib.sha256(b"hello").hexdigest()), (mine, "UNSIGNED-PAYLOAD")):
        with ScriptedServer(lambda _: reply(ETag='"e"'), tls=tls) as server:
            call(CurlClient(connecting(server.url, verify=str(mine))), "PutObject", params)
        assert [asked.headers["x-amz-content-sha256"] for asked in server.asked] == [expected]


@both
def test_a_proxy_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, make: Callable[[Connect], Client]
) -> None:
    """The environment's proxy is used, with its credentials, except for hosts in no_proxy."""
    for name in ("NO_PROXY", "no_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with (
        ScriptedServer(lambda _: reply(COPIED)) as server,
        ScriptedServer(lambda _: reply(COPIED)) as between,
    ):
        monkeypatch.setenv("http_proxy", between.url.replace("://", "://user:word@"))
        call(make(connecting(server.url)), "CopyObject", COPY)
        assert [asked.target for asked in between.asked] == [f"{server.url}/bucket/k"]
        assert between.asked[0].headers["proxy-authorization"] == "Basic dXNlcjp3b3Jk"
        assert not server.asked
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        call(make(connecting(server.url)), "CopyObject", COPY)
    assert len(server.asked) == 1


def test_headers_of_an_odd_value() -> None:
    """Blanks, empty values and non-ASCII letters arrive unchanged."""
    params = {**OF_KEY, "Body": b"x", "Metadata": {"a": "1  2", "b": ""}, "ContentDisposition": "\u00e9"}
    with ScriptedServer(lambda _: reply(ETag='"e"')) as server:
        call(CurlClient(connecting(server.url)), "PutObject", params)
    headers = server.asked[0].headers
    assert (headers["x-amz-meta-a"], headers["x-amz-meta-b"]) == ("1  2", "")
    assert headers["content-disposition"].encode("latin-1").decode() == "\u00e9"
    assert not {"expect", "content-type", "transfer-encoding"} & headers.keys()


def test_replies_are_asked_for_as_they_are() -> None:
    """A gateway must not compress replies; the header is not signed, because some gateways change it."""
    with ScriptedServer(lambda _: reply(COPIED)) as server:
        calls(CurlClient(connecting(server.url)), ("CopyObject", COPY))
    (asked,) = server.asked
    assert asked.headers["accept-encoding"] == "identity"
    assert "accept-encoding" not in asked.headers["authorization"]


def test_a_large_body() -> None:
    """A body larger than the buffers is sent and received whole, without `Expect: 100-continue`."""
    body = os.urandom(3_000_000)
    with ScriptedServer(lambda asked: reply(asked.body or body, ETag='"e"')) as server:
        _, found = calls(
            CurlClient(connecting(server.url)), ("PutObject", {**OF_KEY, "Body": body}), ("GetObject", OF_KEY)
        )
    assert server.asked[0].body == found["Body"] == body
    assert "expect" not in server.asked[0].headers


def test_credentials_of_a_role_are_fetched_once() -> None:
    """Credentials that are about to expire are fetched again, once for all waiting calls."""
    fetched: list[str] = []

    def fetch() -> dict[str, str]:
        fetched.append(f"fetched-{len(fetched)}")
        late = datetime.now(UTC) + timedelta(hours=1)
        secret = {"access_key": "key", "secret_key": "secret", "token": fetched[-1]}
        return {**secret, "expiry_time": late.isoformat()}

    def connect(*, renew: bool = False) -> S3Client:
        client = connecting(server.url)(renew=renew)
        soon = datetime.now(UTC) + timedelta(minutes=1)
        signer: Any = client._request_signer  # type: ignore[attr-defined]
        signer._credentials = RefreshableCredentials("key", "secret", "stale", soon, fetch, "test")
        return client

    async def run(client: Client) -> None:
        async with closing(client):
            await asyncio.gather(*[client.call("CopyObject", COPY) for _ in range(5)])

    with ScriptedServer(lambda _: reply(COPIED)) as server:
        asyncio.run(run(CurlClient(connect)))
    assert fetched == ["fetched-0"]
    assert {asked.headers["x-amz-security-token"] for asked in server.asked} == {"fetched-0"}


def test_signatures_hold(server: Endpoint, proxy: Proxy, bucket: str) -> None:
    """What is signed is what is sent: the unchanged path, and the host."""
    found = call(
        CurlClient(connecting(proxy.url)), "PutObject", {"Bucket": bucket, "Key": "a/../b", "Body": b"x"}
    )
    assert not isinstance(found, CopyError)
    sent: Request = proxy.requests[-1]
    assert sent.target == f"/{bucket}/a/../b"
    assert sent.headers["host"] == proxy.url.removeprefix("http://")
    assert "host;" in sent.headers["authorization"]
    assert SOURCE_ACCOUNT not in sent.headers.values()


def test_the_loop_has_a_turn_between_pages() -> None:
    """Between two pages of listings, other requests and replies get their turn."""
    turns: list[None] = []
    read: list[int] = []
    page = replies.Reply(200, {}, b"x" * 100_000)

    class Reader:
        def read(self, _operation: str, _reply: replies.Reply) -> dict[str, Any]:
            read.append(len(turns))
            return {}

    async def turning() -> None:
        while len(read) < 8:
            turns.append(None)
            await asyncio.sleep(0)

    async def run() -> None:
        client, session = CurlClient(connecting(None)), SimpleNamespace(replies=Reader())
        await asyncio.gather(turning(), *[client._read(session, "ListObjectsV2", page) for _ in range(8)])  # type: ignore[arg-type]

    asyncio.run(run())
    assert len(set(read)) == 8


@pytest.mark.parametrize("kind", [EpollSockets, SelectorSockets])
def test_sockets_are_watched(kind: type[EpollSockets | SelectorSockets]) -> None:
    """Each implementation reports a socket while it is ready, and not after its removal."""
    sockets = kind()
    mine, other = socket.socketpair()
    with mine, other:
        sockets.watch(POLL_OUT, mine.fileno())
        assert list(sockets.ready()) == [(mine.fileno(), POLL_OUT)]
        sockets.watch(POLL_IN, mine.fileno())
        assert not list(sockets.ready())
        other.send(b"x")
        for _ in range(2):
            assert list(sockets.ready()) == [(mine.fileno(), POLL_IN)]
        sockets.watch(POLL_REMOVE, mine.fileno())
        assert not list(sockets.ready())
        sockets.watch(POLL_IN, mine.fileno())
        assert list(sockets.ready()) == [(mine.fileno(), POLL_IN)]
    sockets.close()


@pytest.mark.parametrize("kind", [EpollSockets, SelectorSockets])
def test_a_number_comes_again(kind: type[EpollSockets | SelectorSockets]) -> None:
    """A socket with the number of a closed one is watched like any other."""
    sockets = kind()
    for _ in range(2):
        mine, other = socket.socketpair()
        with mine, other:
            number = mine.fileno()
            sockets.watch(POLL_IN, number)
            other.send(b"x")
            for descriptor, events in sockets.ready():
                assert (descriptor, events) == (number, POLL_IN)
                sockets.watch(POLL_REMOVE, number)  # as libcurl does after a whole reply
            assert not list(sockets.ready())
    sockets.close()


@both
def test_a_proxy_of_the_configuration(
    monkeypatch: pytest.MonkeyPatch, make: Callable[[Connect], Client]
) -> None:
    """A proxy in the connection is used, whatever no_proxy says."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with ScriptedServer(failing) as server, ScriptedServer(lambda _: reply(COPIED)) as between:
        found = call(make(connecting(server.url, proxies={"http": between.url})), "CopyObject", COPY)
    assert found["CopyObjectResult"]["ETag"] == '"e"'
    assert len(between.asked) == 1


def test_libcurl_is_loaded_only_where_it_is_used() -> None:
    """The modules that a Dag file and `s3copy validate` import do not load libcurl."""
    script = (
        "import sys, s3copy_tasks.cli, s3copy_tasks.dag.factory\n"
        "import s3copy_tasks.s3.client, s3copy_tasks.s3.boto3_client\n"
        "sys.exit('pycurl' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
