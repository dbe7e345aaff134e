"""The null S3's log of its requests: which were sent side by side, and how many one after another."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

from tests.support.s3.proxy import Request

if TYPE_CHECKING:
    from collections.abc import Sequence

FORMAT = (
    '{"end": $msec, "seconds": $request_time, "status": $status, "method": "$request_method", '
    '"target": "$request_uri", "copy_source": "$http_x_amz_copy_source", "body": "$request_body"}'
)
"""A line of the log, for nginx with `escape=json`."""
_SAME_SECONDS = 0.005
"""nginx's clock has steps of a millisecond, and is late while it works."""
_BUCKETS = {"GET": "GetBucketLocation", "HEAD": "HeadBucket"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Logged:
    """A request that was answered.

    Attributes:
        kind: AWS's name of the operation.
        bucket: of its URL; the role for AssumeRole.
        start: when its first byte arrived, in seconds since 1970.
        end: when its answer was sent.
        status: of the answer.
    """

    kind: str
    bucket: str
    start: float
    end: float
    status: int


def read_log(text: str) -> list[Logged]:
    """Return the requests in a log, in the order in which they began."""
    return sorted((_read(json.loads(line)) for line in text.splitlines()), key=lambda request: request.start)


def find_turns(requests: Sequence[Logged]) -> list[int]:
    """Return for each request how many came before it one after another, and itself: 1 for the first.

    Args:
        requests: in the order in which they began.
    """
    turns: list[int] = []
    for request in requests:
        before = [
            turn
            for turn, other in zip(turns, requests, strict=False)
            if other.end <= request.start + _SAME_SECONDS
        ]
        turns.append(1 + max(before, default=0))
    return turns


def _read(line: dict[str, Any]) -> Logged:
    headers = {"x-amz-copy-source": line["copy_source"]} if line["copy_source"] else {}
    request = Request(line["method"], line["target"], headers)
    bucket = urlsplit(request.target).path[1:].partition("/")[0]
    kind = request.kind if request.key else _BUCKETS.get(request.kind, request.kind)
    if not bucket:
        form = parse_qs(line["body"])
        kind, bucket = form["Action"][0], form.get("RoleArn", [""])[0].rpartition("/")[2]
    end = line["end"]
    return Logged(kind=kind, bucket=bucket, start=end - line["seconds"], end=end, status=line["status"])
