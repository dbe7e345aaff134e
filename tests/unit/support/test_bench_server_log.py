"""The benchmarks' log of a server: kinds of requests, and those that waited for each other."""

from __future__ import annotations

import json

from tests.performance.server_log import Logged, find_turns, read_log


def test_a_line_becomes_a_request() -> None:
    """Operation, bucket or role, and times; in the order in which requests began."""
    form = "Action=AssumeRole&RoleArn=arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2Freader"
    text = "\n".join(
        [
            _line(12.0, 0.5, "PUT", "/copies/out/a", copy_source="/source/a"),
            _line(11.0, 0.25, "POST", "/", body=form),
            _line(11.5, 0.25, "GET", "/source?list-type=2"),
            _line(11.75, 0.0, "HEAD", "/source"),
        ]
    )
    assert [(request.kind, request.bucket, request.start, request.end) for request in read_log(text)] == [
        ("AssumeRole", "reader", 10.75, 11.0),
        ("ListObjectsV2", "source", 11.25, 11.5),
        ("CopyObject", "copies", 11.5, 12.0),
        ("HeadBucket", "source", 11.75, 11.75),
    ]


def test_requests_side_by_side_are_one_round_trip() -> None:
    """A request that began before another ended did not wait for it."""
    times = [(0.0, 0.3), (0.1, 0.4), (0.31, 0.6), (0.45, 0.7), (0.7, 1.0)]
    requests = [
        Logged(kind="GetObject", bucket="b", start=start, end=end, status=200) for start, end in times
    ]
    assert find_turns(requests) == [1, 1, 2, 2, 3]


def _line(
    end: float, seconds: float, method: str, target: str, *, copy_source: str = "", body: str = ""
) -> str:
    line = {"end": end, "seconds": seconds, "status": 200, "method": method, "target": target}
    return json.dumps({**line, "copy_source": copy_source, "body": body})
