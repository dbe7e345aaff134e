"""Copies of small objects from bucket to bucket, by s3copy and by other clients, whole processes.

Each client runs as its users run it, in turns with the others, pinned to one core; nginx on the other core
answers at once or after a delay, over TLS that every client checks. Before that, each client copies one
object: the time of that run is its start, and is subtracted in the columns "after start".
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from tests.performance import peers
from tests.performance.listings import PREFIX, bucket_of
from tests.performance.null_s3 import NullS3, Place
from tests.performance.report import Report

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.performance.commands import Spent
    from tests.performance.report import Cell

REPEATS = 3
PLACES = (Place("https"), Place("https", 0.03), Place("https", 0.1))


@dataclass(frozen=True, slots=True)
class Contender:
    """A client with its settings.

    Attributes:
        name: the client, with settings that are not its defaults.
        copy: runs it.
        objects: how many it copies: 20,000, or fewer if those would take minutes.
        places: the addresses that it uses.
    """

    name: str
    copy: Callable[[peers.Asked], Spent]
    objects: int
    places: tuple[Place, ...] = PLACES


_S3COPY, _BOTO3, _S5CMD, _S5CMD_FEW = "s3copy, no limit", "s3copy, boto3", "s5cmd", "s5cmd, 2 workers"
CONTENDERS = (
    Contender("s3copy", peers.s3copy, 20_000),  # 3,500 requests a second at most
    Contender(_S3COPY, partial(peers.s3copy, max_requests_per_second=1_000_000), 20_000),
    Contender(_BOTO3, partial(peers.s3copy, client="boto3"), 3_000),
    Contender(_S5CMD, peers.s5cmd, 6_000),
    Contender(_S5CMD_FEW, partial(peers.s5cmd, workers=2), 6_000, PLACES[:1]),
    Contender(f"rclone, {peers.RCLONE_AT_ONCE} transfers", peers.rclone, 5_000),
    Contender(f"aws s3 cp, {peers.AWS_AT_ONCE} requests", peers.aws, 1_000),
    Contender("S3CopyPrefixOperator", peers.prefix_operator, 100),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run of one contender: what it used, and what the server counted."""

    spent: Spent
    objects: int
    connections: int
    requests: int


def main() -> None:
    """Measure, print the table and write it."""
    report = Report("copy", repeats=REPEATS, versions=peers.install())
    starts: dict[tuple[Place, str], Run] = {}
    runs: dict[tuple[Place, str], list[Run]] = defaultdict(list)
    pairs = [(place, client) for place in PLACES for client in CONTENDERS if place in client.places]
    with NullS3(PLACES) as server:
        for place, client in pairs:
            starts[place, client.name] = _run(server, place, client, 1)
        for _ in range(REPEATS):
            for place, client in pairs:
                runs[place, client.name].append(_run(server, place, client, client.objects))
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
    for place in PLACES:
        speed.section(str(place))
        cost.section(str(place))
        for name in (client.name for at, client in pairs if at == place):
            found, start = runs[place, name], starts[place, name]
            speed.add(name, *_speed(found, start))
            cost.add(name, *_cost(found, start))
    _compare(report, runs, starts)
    report.finish()


def _run(server: NullS3, place: Place, contender: Contender, objects: int) -> Run:
    with tempfile.TemporaryDirectory() as home:
        asked = peers.Asked(
            url=server.urls[place],
            ca_bundle=server.ca_bundle,
            source=(bucket_of(objects), PREFIX),
            destination=("copies", "out/"),
            home=Path(home),
        )
        before = server.count_requests()
        spent = contender.copy(asked)
        after = server.count_requests()
    connections, requests = (now - then for now, then in zip(after, before, strict=True))
    if requests < objects:
        raise RuntimeError(f"{contender.name} sent {requests} requests for {objects} objects: {spent.output}")
    return Run(spent=spent, objects=objects, connections=connections, requests=requests)


def _speed(runs: list[Run], start: Run) -> list[Cell]:
    own = start.spent.seconds
    return [
        runs[0].objects,
        [run.objects / run.spent.seconds for run in runs],
        None if _is_start(runs, start) else [run.objects / (run.spent.seconds - own) for run in runs],
        [100 * run.spent.cpu_seconds / run.spent.seconds for run in runs],
    ]


def _is_start(runs: list[Run], start: Run) -> bool:
    """Return whether the start takes so much of a run that the rest would be noise."""
    own = start.spent
    return any(
        run.spent.seconds < 1.5 * own.seconds or run.spent.cpu_seconds < 1.5 * own.cpu_seconds for run in runs
    )


def _cost(runs: list[Run], start: Run) -> list[Cell]:
    return [
        [1_000 * run.spent.cpu_seconds / run.objects for run in runs],
        None if _is_start(runs, start) else [1_000 * _after_start(run, start) for run in runs],
        max(run.spent.peak_mb for run in runs),
        [run.requests / run.objects for run in runs],
        [run.connections for run in runs],
    ]


def _compare(
    report: Report, runs: dict[tuple[Place, str], list[Run]], starts: dict[tuple[Place, str], Run]
) -> None:
    """Add remarks on the differences between clients, and why s5cmd is slow."""
    for place in PLACES:
        s3copy_rate, s5cmd_rate = (
            median(run.objects / run.spent.seconds for run in runs[place, name]) for name in (_S3COPY, _S5CMD)
        )
        s3copy_cpu, s5cmd_cpu = (
            median(_after_start(run, starts[place, name]) for run in runs[place, name])
            for name in (_S3COPY, _S5CMD)
        )
        boto3_cpu = median(_after_start(run, starts[place, _BOTO3]) for run in runs[place, _BOTO3])
        report.remark(
            f"{place}: {_S3COPY} copies {s3copy_rate / s5cmd_rate:.1f} times as many objects a second as "
            f"s5cmd, start included, for 1/{s5cmd_cpu / s3copy_cpu:.1f} of its CPU per object after the "
            f"start, and 1/{boto3_cpu / s3copy_cpu:.1f} of boto3's"
        )
    place = PLACES[0]
    many, few = (
        median(run.connections / run.requests for run in runs[place, name]) for name in (_S5CMD, _S5CMD_FEW)
    )
    report.remark(
        f"Why s5cmd is slow here: it keeps only two connections open for later requests, so with its 256 "
        f"workers it opens {many:.2f} for each request, each with a TLS handshake. With 2 workers it opens "
        f"{few:.3f}, and uses as little CPU as if it kept all; but then it has at most 2 requests in flight."
    )


def _after_start(run: Run, start: Run) -> float:
    """Return CPU seconds per object without those of the start."""
    return max(run.spent.cpu_seconds - start.spent.cpu_seconds, 1e-9) / run.objects


if __name__ == "__main__":
    main()
