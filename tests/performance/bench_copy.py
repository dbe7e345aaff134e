"""Copies of small objects from bucket to bucket, by s3copy and by other clients, whole processes.

Each client runs as its users run it, in turns with the others, pinned to one core; nginx on the other core
answers at once or after a delay, over TLS that every client checks. Before each run, the client copies one
object: the time of that is its start, and is subtracted in the columns "after start".

`python -m tests.performance.bench_copy 30 300` measures only s3copy and s5cmd, at 30 and 300 ms.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from statistics import median
from typing import TYPE_CHECKING

from tests.performance import peers
from tests.performance.null_s3 import NullS3, Place
from tests.performance.report import Report

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.performance.commands import Spent
    from tests.performance.report import Cell

REPEATS = 3
PLACES = (Place("https"), Place("https", 0.03), Place("https", 0.1), Place("https", 0.3))


@dataclass(frozen=True, slots=True)
class Contender:
    """A client with its settings.

    Attributes:
        name: the client, with settings that are not its defaults.
        copy: runs it.
        objects: how many it copies: 20,000, or fewer if those would take minutes.
        far_objects: how many at the last place; None for `objects`.
        places: the addresses that it uses.
    """

    name: str
    copy: Callable[[peers.Asked], Spent]
    objects: int
    far_objects: int | None = None
    places: tuple[Place, ...] = PLACES

    def objects_at(self, place: Place) -> int:
        """Return how many objects it copies there."""
        return self.far_objects or self.objects if place == PLACES[-1] else self.objects


_S3COPY, _UNLIMITED, _BOTO3 = "s3copy", "s3copy, no limit", "s3copy, boto3"
_S5CMD, _S5CMD_FEW = "s5cmd", "s5cmd, 2 workers"
FASTEST = (
    Contender(_S3COPY, peers.s3copy, 20_000),  # 3,500 requests a second at most
    Contender(_UNLIMITED, partial(peers.s3copy, max_requests_per_second=1_000_000), 20_000),
    Contender(_S5CMD, peers.s5cmd, 10_000),
)
OTHERS = (
    Contender(_BOTO3, partial(peers.s3copy, client="boto3"), 3_000, 1_000),
    Contender(_S5CMD_FEW, partial(peers.s5cmd, workers=2), 6_000, places=PLACES[:1]),
    Contender(f"rclone, {peers.RCLONE_AT_ONCE} transfers", peers.rclone, 5_000, 1_000),
    Contender(f"aws s3 cp, {peers.AWS_AT_ONCE} requests", peers.aws, 1_000, 500),
    Contender("S3CopyPrefixOperator", peers.prefix_operator, 100, 30),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of one contender: what it used, also for one object before, and what the server counted."""

    start: Spent
    spent: Spent
    objects: int
    connections: int
    requests: int

    @property
    def seconds(self) -> float:
        """Seconds after the start."""
        return max(self.spent.seconds - self.start.seconds, 1e-9)

    @property
    def cpu_seconds(self) -> float:
        """CPU seconds per object after the start."""
        return max(self.spent.cpu_seconds - self.start.cpu_seconds, 1e-9) / self.objects


Runs = dict[tuple[Place, str], list[Run]]


def main(delays: Sequence[int] = ()) -> None:
    """Measure, print the tables and write them.

    Args:
        delays: in milliseconds; if any, then only these places, and only the fastest contenders.
    """
    report = Report("copy", repeats=REPEATS, versions=peers.install())
    places = [place for place in PLACES if round(place.delay * 1_000) in delays or not delays]
    contenders = FASTEST if delays else (*FASTEST, *OTHERS)
    pairs = [(place, client) for place in places for client in contenders if place in client.places]
    runs: Runs = defaultdict(list)
    with NullS3(places) as server:
        for _ in range(REPEATS):
            for place, client in pairs:
                runs[place, client.name].append(_run(server, place, client))
    _tabulate(report, places, runs)
    for place in places:
        for name in (_S3COPY, _UNLIMITED):
            report.remark(_compare(runs, place, name))
    if not delays:
        report.remark(_explain_s5cmd(runs))
    report.finish()


def _run(server: NullS3, place: Place, contender: Contender) -> Run:
    with peers.asked_of(server, place, 1) as asked:
        start = contender.copy(asked)
    objects = contender.objects_at(place)
    with peers.asked_of(server, place, objects) as asked:
        before = server.count_requests()
        spent = contender.copy(asked)
        after = server.count_requests()
    connections, requests = (now - then for now, then in zip(after, before, strict=True))
    if requests < objects:
        raise RuntimeError(f"{contender.name} sent {requests} requests for {objects} objects: {spent.output}")
    return Run(start=start, spent=spent, objects=objects, connections=connections, requests=requests)


def _tabulate(report: Report, places: Sequence[Place], runs: Runs) -> None:
    speed = report.table(
        "small objects below a prefix, copied by the server from one bucket to another",
        "client",
        {"objects": 0, "objects/s": 0, "after start": 0, "of its core, %": 0},
        f"median (least to greatest) of {REPEATS}, in turns; whole processes with start, listing, copies and "
        "verification; each pinned to one core, the server on another, TLS on loopback. Slower clients "
        "copy fewer objects. Below 100 % of its core, the client waited, or other processes used that core",
    )
    cost = report.table(
        "what the same runs used",
        "client",
        {"CPU ms each": 3, "after start": 3, "peak MB": 0, "requests each": 2, "connections": 0},
        "CPU: user and system time of all processes of a client",
    )
    for place in places:
        speed.section(str(place))
        cost.section(str(place))
        for name, found in ((name, found) for (at, name), found in runs.items() if at == place):
            speed.add(name, *_speed(found))
            cost.add(name, *_cost(found))


def _speed(runs: list[Run]) -> list[Cell]:
    return [
        runs[0].objects,
        [run.objects / run.spent.seconds for run in runs],
        None if _is_start(runs) else [run.objects / run.seconds for run in runs],
        [100 * run.spent.cpu_seconds / run.spent.seconds for run in runs],
    ]


def _is_start(runs: list[Run]) -> bool:
    """Return whether the start takes so much of a run that the rest would be noise."""
    return any(
        run.spent.seconds < 1.5 * run.start.seconds or run.spent.cpu_seconds < 1.5 * run.start.cpu_seconds
        for run in runs
    )


def _cost(runs: list[Run]) -> list[Cell]:
    return [
        [1_000 * run.spent.cpu_seconds / run.objects for run in runs],
        None if _is_start(runs) else [1_000 * run.cpu_seconds for run in runs],
        max(run.spent.peak_mb for run in runs),
        [run.requests / run.objects for run in runs],
        [run.connections for run in runs],
    ]


def _compare(runs: Runs, place: Place, name: str) -> str:
    """Return a remark on the difference between s3copy and s5cmd: medians, each of all runs."""
    clients = (runs[place, name], runs[place, _S5CMD])
    rate, s5cmd_rate = (median(run.objects / run.seconds for run in found) for found in clients)
    whole, s5cmd_whole = (median(run.objects / run.spent.seconds for run in found) for found in clients)
    cpu, s5cmd_cpu = (median(run.cpu_seconds for run in found) for found in clients)
    return (
        f"{place}: {name} copies {rate / s5cmd_rate:.1f} times as many objects a second as s5cmd after the "
        f"starts, and {whole / s5cmd_whole:.1f} times as whole processes, for 1/{s5cmd_cpu / cpu:.1f} of its "
        "CPU per object after the starts"
    )


def _explain_s5cmd(runs: Runs) -> str:
    many, few = (
        median(run.connections / run.requests for run in runs[PLACES[0], name])
        for name in (_S5CMD, _S5CMD_FEW)
    )
    return (
        f"Why s5cmd is slow here: it keeps only two connections open for later requests, so with its 256 "
        f"workers it opens {many:.2f} for each request, each with a TLS handshake. With 2 workers it opens "
        f"{few:.3f}, and uses as little CPU as if it kept all; but then it has at most 2 requests in flight."
    )


if __name__ == "__main__":
    main([int(delay) for delay in sys.argv[1:]])
