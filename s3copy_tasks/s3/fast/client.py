"""S3 over libcurl: boto3's operations at a fifteenth of its cost.

botocore finds a bucket's endpoint and the credentials; this package serialises and signs requests and reads
replies itself, and its tests compare each of these with botocore.
"""

from __future__ import annotations

import asyncio
import time
from copy import copy
from typing import TYPE_CHECKING, Any, Self

from s3copy_tasks.errors import CopyError, ExpiredError
from s3copy_tasks.s3.errors import from_reply
from s3copy_tasks.s3.fast.corrections import Correction, RegionCorrection, find_correction
from s3copy_tasks.s3.fast.curl import Curl
from s3copy_tasks.s3.fast.endpoints import CredentialSource, Target, find_target, read_transport
from s3copy_tasks.s3.fast.replies import Refusal, Replies, Reply, parse_headers
from s3copy_tasks.s3.fast.requests import Request, Serializer
from s3copy_tasks.s3.fast.signing import UNSIGNED_PAYLOAD, Credentials, hash_body

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

    from mypy_boto3_s3.client import S3Client

    from s3copy_tasks.s3.client import Connect

_WITH_LENGTH = frozenset({"POST", "PUT"})
_CHECK_CREDENTIALS_SECONDS = 1.0
_LONG_BYTES = 50_000


class CurlClient:
    """Carries out operations of S3 over libcurl; see `Client`. Belongs to the event loop of its first call.

    A wrong region and a wrong clock are corrected here, once each per call, and remembered for later calls.
    All other errors are raised. A request that must not be sent twice (`Request.once`) is never re-sent;
    libcurl may re-send any other once, if a connection turns out to be dead when it is reused.

    Args:
        connect: makes boto3's client; called again, with `renew`, when its credentials have expired.
        connections: idle connections to keep open; as many as there are concurrent requests.
        clock: Unix time in seconds.
    """

    def __init__(
        self, connect: Connect, *, connections: int = 256, clock: Callable[[], float] = time.time
    ) -> None:
        self._connect = connect
        self._connections = connections
        self._clock = clock
        self._ahead_seconds = 0.0
        self._expired = False
        self._connecting: asyncio.Task[_Session] | None = None
        self._reading = asyncio.Lock()
        self._session: _Session | None = None
        self._curl: Curl | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def call(self, operation: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """Carry out an operation; see `Client`."""
        session = self._session or await self._new_session()
        request = session.serializer.serialize(operation, params)
        corrected: set[type[Correction]] = set()
        while True:
            target = session.targets.get(request.bucket) or await session.find(request.bucket)
            reply, signed_at = await self._send(session, target, request)
            result = await self._read(session, operation, reply)
            if not isinstance(result, Refusal):
                return result
            correction = find_correction(
                result,
                method=request.method,
                region=target.region,
                signed_at=signed_at,
                server_date=reply.headers.get("date"),
            )
            if correction is not None:
                await self._apply(correction, session, request.bucket)
            if correction is None or type(correction) in corrected:
                raise self._refused(session, operation, result, reply)
            corrected.add(type(correction))

    async def close(self) -> None:
        """Close all connections; calls in flight are cancelled."""
        if self._connecting is not None:
            self._connecting.cancel()
        if self._curl is not None:
            self._curl.close()
        if self._session is not None:
            self._session.client.close()
        self._curl = self._session = None

    async def _send(self, session: _Session, target: Target, request: Request) -> tuple[Reply, float]:
        """Send a request; return the reply, and the time that the request was signed with."""
        path = target.path or "/" if request.key is None else f"{target.path}/{request.key}"
        headers = {**request.headers, "host": target.host}
        credentials = None
        if target.signer is not None:
            credentials = session.fresh_credentials() or await session.fetch_credentials()
        signed_at = self._clock() + self._ahead_seconds
        if target.signer is None or credentials is None:
            lines = [f"{name}:{value}" for name, value in headers.items()]
        else:
            lines = target.signer.sign(
                credentials,
                request.method,
                path,
                request.query,
                headers,
                hash_body(request.body) if target.signs_bodies else UNSIGNED_PAYLOAD,
                now=signed_at,
            )
        status, received, body = await session.curl.send(
            request.method,
            _url(target, path, request),
            _complete_lines(lines, request),
            request.body,
            once=request.once,
        )
        return Reply(status, parse_headers(received), body), signed_at

    async def _read(self, session: _Session, operation: str, reply: Reply) -> Mapping[str, Any] | Refusal:
        """Read a reply; pages of listings one at a time, for each takes as long as fifty copies."""
        if operation != "ListObjectsV2" or len(reply.body) < _LONG_BYTES:
            return session.replies.read(operation, reply)
        async with self._reading:
            result = session.replies.read(operation, reply)
            await asyncio.sleep(0)  # other requests and replies get their turn before the next page
        return result

    async def _apply(self, correction: Correction, session: _Session, bucket: str) -> None:
        """Use a correction for every later request, even if this call has already had its retry."""
        if isinstance(correction, RegionCorrection):
            await session.find(bucket, correction.region)
        else:
            self._ahead_seconds = correction.server_time - self._clock()

    def _refused(self, session: _Session, operation: str, refusal: Refusal, reply: Reply) -> CopyError:
        error = from_reply(operation, refusal.code, refusal.message, refusal.status, reply.headers)
        if isinstance(error, ExpiredError) and self._session is session:
            self._session, self._expired = None, True
        return error

    async def _new_session(self) -> _Session:
        """Connect; concurrent calls get the same session, or the same error."""
        if self._connecting is None:
            self._connecting = asyncio.get_running_loop().create_task(self._connect_session())
            self._connecting.add_done_callback(self._on_connected)
        try:
            return await asyncio.shield(self._connecting)
        except CopyError as error:
            raise copy(error) from None

    async def _connect_session(self) -> _Session:
        client = await asyncio.to_thread(self._connect, renew=self._expired)
        if self._curl is None:
            self._curl = Curl(read_transport(client), connections=self._connections)
        self._session = _Session(client, self._curl)
        return self._session

    def _on_connected(self, connecting: asyncio.Task[_Session]) -> None:
        self._connecting = None
        if not connecting.cancelled():
            connecting.exception()  # or asyncio warns if no call awaits it any more


class _Session:
    """What is read from a client of boto3, cached."""

    def __init__(self, client: S3Client, curl: Curl) -> None:
        self.client = client
        self.curl = curl
        self.serializer = Serializer(client.meta.service_model)
        self.replies = Replies(client.meta.service_model)
        self.targets: dict[str, Target] = {}
        self._lock = asyncio.Lock()
        self._source = CredentialSource(client)
        self._credentials: Credentials | None = None
        self._check_again = 0.0

    async def find(self, bucket: str, region: str | None = None) -> Target:
        """Return where a bucket's requests go, and remember it."""
        async with self._lock:
            found = self.targets.get(bucket)
            if found is None or region not in {None, found.region}:
                found = await asyncio.to_thread(find_target, self.client, bucket, region)
                self.targets[bucket] = found
            return found

    def fresh_credentials(self) -> Credentials | None:
        """Return the credentials, None if they were not checked a moment ago."""
        return self._credentials if time.monotonic() < self._check_again else None

    async def fetch_credentials(self) -> Credentials:
        """Return the credentials; concurrent calls wait for the same fetch."""
        async with self._lock:
            credentials = self.fresh_credentials()
            if credentials is None:
                stale = self._source.is_stale()
                credentials = await asyncio.to_thread(self._source.fetch) if stale else self._source.fetch()
                self._credentials = credentials
                self._check_again = time.monotonic() + _CHECK_CREDENTIALS_SECONDS
            return credentials


def _url(target: Target, path: str, request: Request) -> str:
    if not request.query:
        return target.origin + path
    query = request.query
    if request.flag:
        query = query.replace(f"{request.flag}=", request.flag, 1)
    return f"{target.origin}{path}?{query}"


def _complete_lines(lines: list[str], request: Request) -> list[str]:
    """Add lines that stop libcurl from adding headers; an empty header needs `;`, or libcurl omits it.

    A gateway may compress what is not asked for plainly; the header is not signed, because some change it.
    """
    lines.append("accept-encoding:identity")
    if request.body:
        lines.append("expect:")
        if "content-type" not in request.headers:
            lines.append("content-type:")
    elif request.method in _WITH_LENGTH:
        lines.append("content-length:0")
    if "" in request.headers.values():
        return [f"{line[:-1]};" if line[:-1] in request.headers else line for line in lines]
    return lines
