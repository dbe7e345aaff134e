"""A proxy that knows which permissions the requests through it need, and whose they are."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.support.s3.iam import Access, accesses, key_id_of, service_of
from tests.support.s3.proxy import Proxy, Reply, Request

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet


class Recorder(Proxy):
    """Records the status of each request, and the role of each access key."""

    def __init__(self, upstream: str, roles: dict[str, str]) -> None:
        super().__init__(upstream)
        self.roles = roles
        self.answered: list[tuple[Request, int]] = []

    def forward(self, request: Request) -> Reply:
        reply = super().forward(request)
        self.answered.append((request, reply.status))
        if service_of(request) == "sts" and b"Action=AssumeRole" in request.body:
            (needed,) = accesses(request, "")
            (key_id,) = re.findall(r"<AccessKeyId>(\w+)<", reply.body.decode())
            self.roles[key_id] = needed.resource
        return reply

    def needed(self, *, leave_out: AbstractSet[str] = frozenset()) -> list[Access]:
        """Return what the requests need, each once.

        Args:
            leave_out: ids of access keys whose requests do not count.
        """
        found = {
            str(access): access
            for request, status in self.answered
            if key_id_of(request) not in leave_out
            for access in accesses(request, self.roles[key_id_of(request)], found=status != 404)
        }
        return list(found.values())
