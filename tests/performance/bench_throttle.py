"""A server accepts a number of copies a second and answers others with SlowDown: how close is the rate?

The client does not know the limit; with 256 requests in flight it could send far more. The figures are the
server's, without the first seconds, in which the client finds the limit, and without the last.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.performance import peers
from tests.performance.null_s3 import NullS3, Place
from tests.performance.report import Report

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.performance.server_log import Logged

RATE = 3_500
OBJECTS, REPEATS, CONCURRENCY = 60_000, 3, 256
_DELAY = 0.03
_ACCEPTED = 200
PLACES = tuple(Place("https", _DELAY, rate=RATE, burst=burst) for burst in (RATE // 100, RATE // 10))
WANTED_PERCENT, WASTED_PERCENT = 90, 5
_STARTS_SECONDS, _ENDS_SECONDS = 2.0, 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run by the server's log, without start and end; `wasted` and `failed` are of the whole run."""

    attempted: float
    accepted: float
    wasted: float
    failed: int
    core: float


def main() -> None:
    """Measure, print the table and write it."""
    report = Report("throttle", rate=RATE, concurrency=CONCURRENCY, objects=OBJECTS, repeats=REPEATS)
    runs: dict[Place, list[Run]] = {place: [] for place in PLACES}
    for _ in range(REPEATS):
        with NullS3(PLACES, is_logged=True) as server:
            for place in PLACES:
                runs[place].append(_run(server, place))
    rows = report.table(
        f"{OBJECTS:,} copies, {RATE:,} accepted a second, then SlowDown; {_DELAY * 1_000:.0f} ms each, TLS",
        "the server's burst",
        {
            "attempted/s": 0,
            "accepted/s": 0,
            "of the limit, %": 1,
            "wasted, %": 2,
            "failed": 0,
            "of its core, %": 0,
        },
        f"s3copy run, concurrency {CONCURRENCY}, no limit set; median (least to greatest) of {REPEATS}; "
        f"rates without the first {_STARTS_SECONDS:g} s and the last {_ENDS_SECONDS:g} s, other figures of "
        "whole runs. If a client had less than its core and wasted nothing, other processes held it back",
    )
    for place, found in runs.items():
        accepted = [run.accepted for run in found]
        rows.add(
            f"{place.burst} copies",
            [run.attempted for run in found],
            accepted,
            [100 * rate / RATE for rate in accepted],
            [run.wasted for run in found],
            sum(run.failed for run in found),
            [run.core for run in found],
        )
    report.remark(
        f"Target: above {WANTED_PERCENT} % of the limit, below {WASTED_PERCENT} % wasted, none failed."
    )
    report.finish()


def _run(server: NullS3, place: Place) -> Run:
    with peers.asked_of(server, place, OBJECTS) as asked:
        spent = peers.s3copy(asked, concurrency=CONCURRENCY, max_requests_per_second=1_000_000)
    copies = [request for request in server.requests(place) if request.kind == "CopyObject"]
    attempted, accepted = _settled_rates(copies)
    return Run(
        attempted=attempted,
        accepted=accepted,
        wasted=100 * sum(copy.status != _ACCEPTED for copy in copies) / len(copies),
        failed=json.loads(spent.output)["files_failed"],
        core=100 * spent.cpu_seconds / spent.seconds,
    )


def _settled_rates(copies: Sequence[Logged]) -> tuple[float, float]:
    """Return attempted and accepted copies per second between start and end."""
    begin, end = copies[0].end + _STARTS_SECONDS, copies[-1].end - _ENDS_SECONDS
    inside = [copy.status for copy in copies if begin <= copy.end < end]
    return len(inside) / (end - begin), inside.count(_ACCEPTED) / (end - begin)


if __name__ == "__main__":
    main()
