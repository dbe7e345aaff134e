"""A proxy that injects faults of networks and of S3, by rule, and records what it did."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, TypeAlias

from tests.support.s3.proxy import Proxy, Reply, Request
from tests.support.s3.small_s3 import SmallS3

if TYPE_CHECKING:
    from http.server import BaseHTTPRequestHandler

Forward: TypeAlias = Callable[[Request], Reply]
"""Sends a request to the server."""
_WRITES = frozenset({"CompleteMultipartUpload", "CopyObject", "CreateMultipartUpload", "PutObject"})
_RESET = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Severed(Reply):
    """A reply that is cut off after so many bytes of its body; None resets the connection instead."""

    sent: int | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens to a request: `strike` may call the server, and returns the client's reply."""

    name: str
    strike: Callable[[Request, Forward], Reply]


@dataclass(slots=True)
class Rule:
    """Which requests a fault strikes.

    Attributes:
        fault: happens to them.
        kind: of the requests; None means any.
        key: of the requests; None means any.
        nth: number of the first one that is struck, from 1.
        times: how many are struck from then on.
        seen: number of requests of this kind and key so far.
    """

    fault: Fault
    kind: str | None = None
    key: str | None = None
    nth: int = 1
    times: int = 1
    seen: int = 0

    def strikes(self, request: Request) -> bool:
        """Count a request, and say whether it is struck."""
        if self.kind not in {None, request.kind} or self.key not in {None, request.key}:
            return False
        self.seen += 1
        return self.nth <= self.seen < self.nth + self.times


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and its reply.

    Attributes:
        request: as it arrived.
        fault: that struck it, by name.
        acted: the server's answer; None if the request did not reach it.
        reply: what the client got.
    """

    request: Request
    fault: str | None
    acted: Reply | None
    reply: Reply

    @property
    def has_written(self) -> bool:
        """Whether the server wrote an object, or began an upload."""
        return self.request.kind in _WRITES and self.acted is not None and self.acted.status == 200

    @property
    def is_known(self) -> bool:
        """Whether the client knows what the server did."""
        return self.acted is not None and self.reply == self.acted


class FaultProxy(Proxy):
    """Forwards to a server, by its address or in this process, unless a rule strikes."""

    def __init__(self, upstream: str | SmallS3) -> None:
        super().__init__(upstream if isinstance(upstream, str) else "")
        self.small = upstream if isinstance(upstream, SmallS3) else None
        self.rules: list[Rule] = []
        self.exchanges: list[Exchange] = []

    def begin(self, small: SmallS3) -> None:
        """Put another server behind the proxy, and forget all rules and exchanges."""
        self.small = small
        self.rules.clear()
        self.forget()
        self.exchanges.clear()

    def add(self, fault: Fault, kind: str | None = None, key: str | None = None, **which: int) -> Rule:
        """Add a rule; `which` is its nth and its times."""
        rule = Rule(fault, kind, key, **which)
        self.rules.append(rule)
        return rule

    def forward(self, request: Request) -> Reply:
        if self.small is None:
            return super().forward(request)
        reply = self.small.answer(request)
        dated = {"Date": formatdate(self.small.clock(), usegmt=True), **reply.headers}
        return Reply(reply.status, reply.body, dated)

    def exchange(self, request: Request) -> Reply:
        """Return what the client gets."""
        acted: list[Reply] = []

        def forward(request: Request) -> Reply:
            acted.append(self.forward(request))
            return acted[-1]

        reply = self.take(request)
        with self._lock:
            struck = [rule for rule in self.rules if rule.strikes(request)]
        if reply is None:
            reply = struck[0].fault.strike(request, forward) if struck else forward(request)
        name = struck[0].fault.name if struck else None
        with self._lock:
            self.exchanges.append(Exchange(request, name, acted[-1] if acted else None, reply))
        return reply

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy, base = self, super()._handler()

        class Handler(base):  # type: ignore[misc,valid-type]
            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                headers = {name.lower(): value for name, value in self.headers.items()}
                reply = proxy.exchange(Request(self.command, self.path, headers, body))
                if isinstance(reply, Severed) and reply.sent is None:
                    _reset(self)
                    return
                self.send_response_only(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                if "Content-Length" not in reply.headers:
                    self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(reply.body[: reply.sent if isinstance(reply, Severed) else None])
                self.close_connection = isinstance(reply, Severed)

        return Handler


def _reset(handler: Any) -> None:
    handler.close_connection = True
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    os.close(handler.connection.detach())
