"""Answers that depend on who signed a request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.s3.proxy import Proxy, Reply, Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.s3.sides import Sides


def _signer(request: Request) -> str:
    return request.headers["authorization"].partition("Credential=")[2].partition("/")[0]


def only_the_source_may_read(sides: Sides, proxy: Proxy) -> Callable[[Request], Reply | None]:
    """Deny the source's objects to all credentials but those that list them."""
    listed: set[str] = set()

    def answer(request: Request) -> Reply | None:
        if request.target.startswith((f"/{sides.source_bucket}/", f"/{sides.source_bucket}?")):
            if request.kind == "ListObjectsV2":
                listed.add(_signer(request))
            elif _signer(request) not in listed:
                return Reply.error(403, "AccessDenied", "Access Denied")
        if "x-amz-copy-source" in request.headers:
            return Reply.error(403, "AccessDenied", "Access Denied")
        return None

    return answer
