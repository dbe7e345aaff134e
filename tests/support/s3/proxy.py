"""An HTTP proxy before an S3 server: it records every request, and answers some itself."""

from __future__ import annotations

import http.client
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.support.s3.listener import Listener

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_HOP_BY_HOP = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length"})
_ON_UPLOADS = {
    "DELETE": "AbortMultipartUpload",
    "GET": "ListParts",
    "POST": "CompleteMultipartUpload",
    "PUT": "UploadPart",
}
_OF_BUCKETS = {
    "list-type": "ListObjectsV2",
    "uploads": "ListMultipartUploads",
    "versioning": "GetBucketVersioning",
    "versions": "ListObjectVersions",
}
_ON_OBJECTS = {"DELETE": "DeleteObject", "GET": "GetObject", "HEAD": "HeadObject", "PUT": "PutObject"}


@dataclass(frozen=True, slots=True)
class Request:
    """A request as the server sees it; header names are lower-case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def key(self) -> str:
        """The key, decoded; empty for requests to the bucket."""
        return unquote(urlsplit(self.target).path).lstrip("/").partition("/")[2]

    @property
    def query(self) -> dict[str, str]:
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @property
    def kind(self) -> str:
        """S3's name of the operation, or SQS's."""
        if "x-amz-target" in self.headers:
            return self.headers["x-amz-target"].partition(".")[2]
        query, copies = self.query, "x-amz-copy-source" in self.headers
        if self.method == "GET" and not self.key:
            return next((kind for name, kind in _OF_BUCKETS.items() if name in query), self.method)
        if self.method == "PUT" and copies:
            return "UploadPartCopy" if "partNumber" in query else "CopyObject"
        if self.method == "POST" and query.keys() & {"delete", "uploads"}:
            return "DeleteObjects" if "delete" in query else "CreateMultipartUpload"
        if "tagging" in query:
            return {"GET": "GetObjectTagging"}.get(self.method, self.method)
        by_method = _ON_UPLOADS if "uploadId" in query else _ON_OBJECTS if self.key else {}
        return by_method.get(self.method, self.method)


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply in place of the server's."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def error(cls, status: int, code: str, message: str = "made up by the test") -> Reply:
        body = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
        return cls(status, body.encode(), {"Content-Type": "application/xml"})

    @classmethod
    def sts_error(cls, code: str, message: str) -> Reply:
        body = (
            f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
        )
        return cls(403, body.encode(), {"Content-Type": "text/xml"})


class Proxy(Listener):
    """Forwards to `upstream`; `answer` may give a reply instead."""

    def __init__(self, upstream: str) -> None:
        self.requests: list[Request] = []
        self.answer: Callable[[Request], Reply | None] = lambda request: None
        self._upstream = urlsplit(upstream).netloc
        self._lock = Lock()
        server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        server.daemon_threads = True
        self._port = server.server_port
        super().__init__(server)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def kinds(self) -> Counter[str]:
        """Return the number of requests by kind."""
        with self._lock:
            return Counter(request.kind for request in self.requests)

    def of_kind(self, kind: str) -> list[Request]:
        """Return the requests of a kind, in order of arrival."""
        with self._lock:
            return [request for request in self.requests if request.kind == kind]

    def forget(self) -> None:
        """Forget all requests so far."""
        with self._lock:
            self.requests.clear()

    def take(self, request: Request) -> Reply | None:
        """Record a request; return a reply in place of the server's, None to forward it."""
        with self._lock:
            self.requests.append(request)
        return self.answer(request)

    def forward(self, request: Request) -> Reply:
        """Return the server's reply."""
        connection = http.client.HTTPConnection(self._upstream, timeout=60)
        try:
            connection.request(
                request.method, request.target, body=request.body, headers=dict(request.headers)
            )
            reply = connection.getresponse()
            headers = {k: v for k, v in reply.getheaders() if k.lower() not in _HOP_BY_HOP}
            if request.method == "HEAD":
                headers["Content-Length"] = reply.headers.get("Content-Length", "0")
            return Reply(reply.status, reply.read(), headers)
        finally:
            connection.close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # a reply's body follows its headers: 40 ms later, with it

            def handle_one_request(self) -> None:
                try:
                    super().handle_one_request()
                except ConnectionError:
                    self.close_connection = True

            def __getattr__(self, name: str) -> Callable[[], None]:
                if name.startswith("do_"):
                    return self._serve
                raise AttributeError(name)

            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {k.lower(): v for k, v in self.headers.items()}
                request = Request(self.command, self.path, headers, body)
                reply = proxy.take(request) or proxy.forward(request)
                self.send_response_only(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                if "Content-Length" not in reply.headers and self.command != "HEAD":
                    self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(reply.body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        return Handler
