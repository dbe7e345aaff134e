"""Objects of many GiB at a server that copies 100 MB/s in each request: how close is a run to its bound?

Real batches with real workers, in virtual time; the server has no contents. The bound is the sum of the
requests' times, divided by the requests in flight: no order of the same requests is faster.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
from dataclasses import dataclass
from datetime import timedelta
from statistics import median
from typing import TYPE_CHECKING

import structlog

from s3copy_tasks.core.multipart import SINGLE_COPY_BYTES_MAX
from s3copy_tasks.core.options import AUTO, TransferOptions
from s3copy_tasks.engine.loop import event_loop
from s3copy_tasks.engine.sender import Sender
from s3copy_tasks.run import InProcessRun
from tests.performance.report import Report
from tests.performance.virtual_loop import use_virtual_time
from tests.support.builders.bench import make_job
from tests.support.s3.memory import DAY_ONE
from tests.support.s3.timed import TimedServer

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Literal

MIB, GIB = 2**20, 2**30
OBJECTS, LEAST, MOST = 200, GIB, 50 * GIB
SMALL, BESIDE = 10_000, 20
CONCURRENCIES: tuple[int | Literal["auto"], ...] = (16, 64, 256, 1_000, AUTO)
ONE_BATCH = 2**60
WAYS: Mapping[str, tuple[int, int]] = {
    "batches of 100 GiB; up to 5 GiB uploaded in one piece": (100 * GIB, SINGLE_COPY_BYTES_MAX),
    "batches of 100 GiB": (100 * GIB, MIB),
    "one batch": (ONE_BATCH, MIB),
}
"""Bytes of a batch, and bytes above which objects were uploaded in parts."""
_UPLOADED_PARTS = 100
TARGET_PERCENT = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run; seconds are virtual."""

    server: TimedServer
    seconds: float
    batches: int
    peak: int

    @property
    def bound(self) -> float:
        """Seconds with the most requests in flight all the time."""
        return sum(copying.end - copying.start for copying in self.server.copies) / self.peak

    @property
    def above(self) -> float:
        """How much longer the run took than its bound, in percent."""
        return 100 * (self.seconds / self.bound - 1)


def main() -> None:
    """Measure, print the tables and write them."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    use_virtual_time()
    report = Report("large", bytes_per_second=100e6, round_trip_seconds=0.03)
    _add_large(report)
    _add_mixture(report)
    report.remark(f"Target: at most {TARGET_PERCENT} % above the bound, with a number of requests in flight.")
    report.finish()


def _add_large(report: Report) -> None:
    sizes = _make_sizes()
    rows = report.table(
        f"{OBJECTS} objects of 1 to 50 GiB, uploaded in parts; {sum(sizes.values()) / GIB:,.0f} GiB",
        "transfer.concurrency",
        {"s": 1, "bound, s": 1, "above, %": 1, "peak in flight": 0, "copies": 0, "batches": 0},
        "100 MB/s for each request, 30 ms a round trip; virtual time",
    )
    for way, (batch_bytes, one_piece_bytes) in WAYS.items():
        rows.section(way)
        for concurrency in CONCURRENCIES:
            run = _run(sizes, concurrency, batch_bytes=batch_bytes, one_piece_bytes=one_piece_bytes)
            copies = len(run.server.copies)
            rows.add(str(concurrency), run.seconds, run.bound, run.above, run.peak, copies, run.batches)


def _add_mixture(report: Report) -> None:
    rows = report.table(
        f"{SMALL:,} objects of 1 MiB and {BESIDE} of 50 GiB, in one batch",
        "transfer.concurrency",
        {
            "small: last done, s": 1,
            "small/s": 0,
            "large: median, s": 1,
            "all, s": 1,
            "bound, s": 1,
            "peak in flight": 0,
        },
        "a large object's time is from its first part to its completion",
    )
    small = {f"in/{number:05}-small": MIB for number in range(SMALL)}
    orders = {
        "large among small": {f"in/{number * SMALL // BESIDE:05}-large": MOST for number in range(BESIDE)},
        "large first": {f"in/-{number:05}-large": MOST for number in range(BESIDE)},
        "none large": {},
    }
    for order, large in orders.items():
        rows.section(order)
        for concurrency in CONCURRENCIES:
            run = _run(small | large, concurrency, batch_bytes=ONE_BATCH, one_piece_bytes=MIB)
            last = max(end for key, end in run.server.done.items() if key.endswith("small"))
            took = [seconds for key, seconds in _find_times(run.server).items() if key.endswith("large")]
            middle = median(took) if took else None
            rows.add(str(concurrency), last, SMALL / last, middle, run.seconds, run.bound, run.peak)


def _make_sizes() -> dict[str, int]:
    chance = random.Random(18)
    low, high = math.log(LEAST), math.log(MOST)
    return {f"in/{number:05}": int(math.exp(chance.uniform(low, high))) for number in range(OBJECTS)}


def _run(
    sizes: Mapping[str, int],
    concurrency: int | Literal["auto"],
    *,
    batch_bytes: int,
    one_piece_bytes: int,
) -> Run:
    transfer = TransferOptions(concurrency=concurrency, batch_bytes=batch_bytes, batch_objects=10**6)
    job = make_job(transfer=transfer, run_started=DAY_ONE - timedelta(days=1))
    began = event_loop().time()
    server = TimedServer(sleep=asyncio.sleep, clock=lambda: event_loop().time() - began)
    for key, size in sizes.items():
        server.put(key, size, parts=_UPLOADED_PARTS if size > one_piece_bytes else 0)
    sender = Sender(
        transfer.in_flight,
        in_flight_most=transfer.in_flight_most,
        per_second=transfer.max_requests_per_second,
        clock=event_loop().time,
    )
    run = InProcessRun(job, server.stores, sender)
    began = event_loop().time()
    run.carry_out()
    seconds, metrics = server.clock(), run.metrics
    if metrics.files_copied_successfully != len(sizes):
        raise RuntimeError(metrics)
    return Run(
        server=server,
        seconds=seconds,
        batches=len(run.details["batches"]),
        peak=metrics.requests.peak_in_flight,
    )


def _find_times(server: TimedServer) -> dict[str, float]:
    """Return how long each object took, from its first bytes to its completion."""
    begun: dict[str, float] = {}
    for copying in server.copies:
        begun[copying.key] = min(copying.start, begun.get(copying.key, copying.start))
    return {key: end - begun[key] for key, end in server.done.items()}


if __name__ == "__main__":
    main()
