"""One object: what a start costs, beside other clients, and each request of s3copy's start in order.

Each client copies one object of a prefix, as a whole process on one core; nginx on the other core answers
after 0, 30, 100 or 300 ms over TLS. The server's log says which requests were sent side by side.
"""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from tests.performance import peers
from tests.performance.null_s3 import NullS3, Place
from tests.performance.report import Report
from tests.performance.server_log import find_turns

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.performance.commands import Spent
    from tests.performance.server_log import Logged

REPEATS = 3
PLACES = (Place("https"), Place("https", 0.03), Place("https", 0.1), Place("https", 0.3))
CLIENTS: dict[str, Callable[[peers.Asked], Spent]] = {
    "s3copy": peers.s3copy,
    "s5cmd": peers.s5cmd,
    "rclone": peers.rclone,
    "aws s3 cp": peers.aws,
}
_COPY = "CopyObject"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of one client.

    Attributes:
        began: when its process was started, in seconds since 1970.
        spent: what it used.
        connections: how many it opened.
        requests: by the server's log, in the order in which they began.
    """

    began: float
    spent: Spent
    connections: int
    requests: Sequence[Logged]

    @property
    def before_copy(self) -> int:
        """Requests before the copy that waited for each other."""
        turns = zip(self.requests, find_turns(self.requests), strict=True)
        return next(turn for request, turn in turns if request.kind == _COPY) - 1


def main() -> None:
    """Measure, print the tables and write them."""
    report = Report("start", repeats=REPEATS, versions=peers.install())
    runs: dict[tuple[Place, str], list[Run]] = defaultdict(list)
    with NullS3(PLACES, is_logged=True) as server:
        for _ in range(REPEATS):
            for place in PLACES:
                for name in CLIENTS:
                    runs[place, name].append(_run(server, place, name))
    _tabulate(report, runs)
    slowest = sorted(runs[PLACES[-1], "s3copy"], key=lambda run: run.spent.seconds)
    _list_requests(report, slowest[REPEATS // 2])
    report.finish()


def _run(server: NullS3, place: Place, name: str) -> Run:
    known, (before, _) = len(server.requests(place)), server.count_requests()
    with peers.asked_of(server, place, 1) as asked:
        began = time.time()
        spent = CLIENTS[name](asked)
    connections = server.count_requests()[0] - before
    requests = server.requests(place)[known:]
    return Run(began=began, spent=spent, connections=connections, requests=requests)


def _tabulate(report: Report, runs: dict[tuple[Place, str], list[Run]]) -> None:
    rows = report.table(
        "one object copied by the server from one bucket to another",
        "client",
        {"seconds": 2, "CPU s": 2, "requests": 0, "connections": 0, "round trips": 0},
        f"median (least to greatest) of {REPEATS}, in turns; whole processes, each pinned to one core, the "
        "server on another, TLS on loopback. Round trips: requests before the copy that waited for each "
        "other; new connections cost none here, unlike those to a server far away",
    )
    for place in PLACES:
        rows.section(str(place))
        for name in CLIENTS:
            found = runs[place, name]
            rows.add(
                name,
                [run.spent.seconds for run in found],
                [run.spent.cpu_seconds for run in found],
                [len(run.requests) for run in found],
                [run.connections for run in found],
                [run.before_copy for run in found] if place.delay else None,
            )
    far, near = (median(run.spent.seconds for run in runs[PLACES[-1], name]) for name in ("s3copy", "s5cmd"))
    report.remark(f"{PLACES[-1]}: one object takes s3copy {far - near:.2f} s longer than s5cmd")


def _list_requests(report: Report, run: Run) -> None:
    rows = report.table(
        f"requests of s3copy for one object, {PLACES[-1]}",
        "request",
        {"of": 0, "round trip": 0, "started at, ms": 0, "took, ms": 0},
        "in order; times from the start of the process. Requests of the same round trip did not wait "
        "for each other",
    )
    for request, turn in zip(run.requests, find_turns(run.requests), strict=True):
        started, took = request.start - run.began, request.end - request.start
        rows.add(request.kind, request.bucket, turn, 1_000 * started, 1_000 * took)
    report.remark(
        f"s3copy makes {run.before_copy} round trips before the copy; it sends {len(run.requests)} requests"
    )


if __name__ == "__main__":
    main()
