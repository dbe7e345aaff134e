"""The kinds of faults, each with a name: what S3, networks and other clients do to a request."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tests.faults.proxy import Fault, Forward, Severed
from tests.support.s3.proxy import Reply, Request

if TYPE_CHECKING:
    from collections.abc import Callable

DELAY_SECONDS = 0.02


def refused(name: str, status: int, code: str) -> Fault:
    """Return a fault in which the request does not reach the server; for a HEAD, S3 returns no code."""

    def strike(request: Request, forward: Forward) -> Reply:
        return Reply(status) if request.method == "HEAD" else Reply.error(status, code)

    return Fault(name, strike)


def spoiled(name: str, spoil: Callable[[Reply], Reply]) -> Fault:
    """Return a fault in which the server acts, but its answer is changed on the way."""
    return Fault(name, lambda request, forward: spoil(forward(request)))


def meanwhile(name: str, act: Callable[[], object]) -> Fault:
    """Return a fault in which another client acts just before the server does."""

    def strike(request: Request, forward: Forward) -> Reply:
        act()
        return forward(request)

    return Fault(name, strike)


def _delayed(request: Request, forward: Forward) -> Reply:
    time.sleep(DELAY_SECONDS)
    return forward(request)


def _half(reply: Reply) -> Reply:
    return Severed(reply.status, reply.body, reply.headers, sent=len(reply.body) // 2)


def _cut_off(reply: Reply) -> Reply:
    return Reply(reply.status, reply.body[: len(reply.body) // 2], reply.headers)


FAULTS = {
    fault.name: fault
    for fault in (
        refused("InternalError", 500, "InternalError"),
        refused("SlowDown", 503, "SlowDown"),
        refused("ServiceUnavailable", 503, "ServiceUnavailable"),
        refused("TooManyRequests", 429, "TooManyRequests"),
        refused("RequestTimeout", 400, "RequestTimeout"),
        refused("ExpiredToken", 400, "ExpiredToken"),
        refused("PreconditionFailed", 412, "PreconditionFailed"),
        refused("ConditionalRequestConflict", 409, "ConditionalRequestConflict"),
        refused("AccessDenied", 403, "AccessDenied"),
        refused("NoSuchKey", 404, "NoSuchKey"),
        refused("NoSuchUpload", 404, "NoSuchUpload"),
        refused("200 with InternalError", 200, "InternalError"),
        refused("200 with SlowDown", 200, "SlowDown"),
        Fault("200 with nothing", lambda request, forward: Reply(200)),
        Fault("reset", lambda request, forward: Severed(0)),
        Fault("delay", _delayed),
        spoiled("reset after the act", lambda reply: Severed(0)),
        spoiled("InternalError after the act", lambda reply: Reply.error(500, "InternalError")),
        spoiled("200 with InternalError after the act", lambda reply: Reply.error(200, "InternalError")),
        spoiled("200 with nothing after the act", lambda reply: Reply(200)),
        spoiled("truncated body", _half),
        spoiled("XML cut off", _cut_off),
    )
}
"""Faults by name; `meanwhile` makes more of them from what other clients do."""
