"""The options of libcurl for connections and requests, and its errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pycurl

from s3copy_tasks.errors import Code, CopyError, RequestError, TransientError

if TYPE_CHECKING:
    from asyncio import Future
    from collections.abc import Sequence

CONNECTION_CLOSED = "ConnectionClosedError"
READ_TIMEOUT = "ReadTimeoutError"
TLS_REFUSED = "SSLError"
"""Codes of requests that failed on the wire: the names of botocore's errors."""

_NOT_TRUSTED = frozenset(
    {
        pycurl.E_PEER_FAILED_VERIFICATION,
        pycurl.E_SSL_CACERT_BADFILE,
        pycurl.E_SSL_CERTPROBLEM,
        pycurl.E_SSL_CIPHER,
        pycurl.E_SSL_CRL_BADFILE,
        pycurl.E_SSL_INVALIDCERTSTATUS,
        pycurl.E_SSL_ISSUER_ERROR,
    }
)
_IMPOSSIBLE = frozenset(
    {pycurl.E_UNSUPPORTED_PROTOCOL, pycurl.E_URL_MALFORMAT, pycurl.E_BAD_FUNCTION_ARGUMENT}
)
_RECEIVE_BYTES = 128 * 1024


class Transport(NamedTuple):
    """How connections are made.

    Attributes:
        ca_bundle: path of the certificates to trust; None trusts any server.
        client_certificate: paths of a certificate and its key, both None for none.
        proxy: URL, with its credentials; empty for none, whatever the environment says.
        proxy_ca_bundle: path of the certificates to trust in a proxy; None for the usual ones.
        connect_timeout_seconds: until the request can be sent.
        read_timeout_seconds: without a byte either way.
        user_agent: name and version of this client.
    """

    ca_bundle: str | None
    client_certificate: tuple[str | None, str | None]
    proxy: str
    proxy_ca_bundle: str | None
    connect_timeout_seconds: float
    read_timeout_seconds: float
    user_agent: str


Received = tuple[int, list[bytes], bytes]
"""What was received: the status, header lines of all replies to this request, and the body."""

Kind = tuple[str, bool, bool]
"""Set once for each handle, so that requests of one kind can reuse it: method, with a body, once."""


class Handle:
    """A handle of libcurl with what it received.

    Attributes:
        kind: of its requests.
        curl: libcurl's.
        future: the caller awaits it for the reply; None while the handle is idle.
        url: of the last request.

    Args:
        kind: method, with a body, once.
        transport: how to connect.
    """

    def __init__(self, kind: Kind, transport: Transport) -> None:
        self.kind = kind
        method, self._has_body, once = kind
        self.lines: list[bytes] = []
        self.chunks: list[bytes] = []
        self.sent = 0
        self.future: Future[Received] | None = None
        self.url = ""
        self.curl = curl = pycurl.Curl()
        _configure(curl, transport)
        curl.setopt(pycurl.HEADERFUNCTION, self.lines.append)
        curl.setopt(pycurl.WRITEFUNCTION, self.chunks.append)
        if method == "HEAD":
            curl.setopt(pycurl.NOBODY, 1)
        else:
            curl.setopt(pycurl.CUSTOMREQUEST, method)
        if once:
            curl.setopt(pycurl.PREREQFUNCTION, self._before_sending)

    def prepare(self, url: str, headers: Sequence[str], body: bytes, *, fresh: bool) -> None:
        """Set the next request; `fresh` sends it over a new connection."""
        self.sent, self.url = 0, url
        self.curl.setopt(pycurl.FRESH_CONNECT, fresh)
        self.curl.setopt(pycurl.URL, url)
        try:
            self.curl.setopt(pycurl.HTTPHEADER, headers)
        except UnicodeEncodeError:
            self.curl.setopt(pycurl.HTTPHEADER, [line.encode() for line in headers])
        if self._has_body:
            self.curl.setopt(pycurl.POSTFIELDS, body)

    def take(self) -> Received:
        """Return the reply, and forget it."""
        lines, chunks = self.lines[:], self.chunks
        body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        self.forget()
        return self.curl.getinfo(pycurl.RESPONSE_CODE), lines, body

    def forget(self) -> None:
        """Release the reply, and the body of the request."""
        self.lines.clear()
        self.chunks.clear()
        if self._has_body:
            self.curl.setopt(pycurl.POSTFIELDS, b"")

    def error(self, number: int, message: str) -> CopyError:
        """Return libcurl's error as one of this package's; it depends on whether a byte was sent."""
        if number in _NOT_TRUSTED:
            return RequestError(message, code=TLS_REFUSED)
        if number in _IMPOSSIBLE:
            return RequestError(message, code="HTTPClientError")
        if number == pycurl.E_ABORTED_BY_CALLBACK:
            message = "the connection was closed before a reply came; the request was not sent again"
        elif not self.curl.getinfo(pycurl.REQUEST_SIZE):
            return TransientError(message, code=Code.ENDPOINT_UNREACHABLE)
        code = READ_TIMEOUT if number == pycurl.E_OPERATION_TIMEDOUT else CONNECTION_CLOSED
        return TransientError(message, code=code)

    def _before_sending(self, *_address: str | int) -> int:
        self.sent += 1
        return pycurl.PREREQFUNC_OK if self.sent == 1 else pycurl.PREREQFUNC_ABORT


def _configure(curl: pycurl.Curl, transport: Transport) -> None:
    """Set how a handle connects, and turn off what libcurl would do by default."""
    curl.setopt(pycurl.PATH_AS_IS, 1)  # else `..` in a key could reach another bucket
    curl.setopt(pycurl.HTTP_VERSION, pycurl.CURL_HTTP_VERSION_1_1)
    curl.setopt(pycurl.FOLLOWLOCATION, 0)
    curl.setopt(pycurl.NOSIGNAL, 1)
    curl.setopt(pycurl.BUFFERSIZE, _RECEIVE_BYTES)
    curl.setopt(pycurl.TCP_KEEPALIVE, 1)
    curl.setopt(pycurl.CONNECTTIMEOUT_MS, int(transport.connect_timeout_seconds * 1000))
    curl.setopt(pycurl.LOW_SPEED_LIMIT, 1)
    curl.setopt(pycurl.LOW_SPEED_TIME, int(transport.read_timeout_seconds))
    curl.setopt(pycurl.USERAGENT, transport.user_agent)
    curl.setopt(pycurl.PROXY, transport.proxy)
    curl.setopt(pycurl.NOPROXY, "")
    if transport.ca_bundle is None:
        curl.setopt(pycurl.SSL_VERIFYPEER, 0)
        curl.setopt(pycurl.SSL_VERIFYHOST, 0)
    else:
        curl.setopt(pycurl.CAINFO, transport.ca_bundle)
    certificate, key = transport.client_certificate
    if certificate:
        curl.setopt(pycurl.SSLCERT, certificate)
        curl.setopt(pycurl.SSLKEY, key or certificate)
    if transport.proxy_ca_bundle:
        curl.setopt(pycurl.PROXY_CAINFO, transport.proxy_ca_bundle)
