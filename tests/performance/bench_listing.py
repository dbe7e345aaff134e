"""Listing a prefix in key ranges: keys per second, CPU and requests, over HTTP and by several shapes of keys.

The server of the first table generates pages on another core; that of the second computes them in this
process, 100 ms each, and its CPU is the same in every row. The last lines are the time of a consumer for each
key, and the memory of a key.
"""

from __future__ import annotations

import asyncio
import time
import tracemalloc
from collections import deque
from threading import Thread
from typing import TYPE_CHECKING, Any

from s3copy_tasks.core.objects import S3Object
from s3copy_tasks.plan.key_stream import BUFFERED_KEYS_MAX, KeyStream
from tests.performance.child import Child
from tests.performance.pages import PageServer
from tests.performance.report import Report
from tests.support.s3.key_shapes import SHAPES, ListedKeys, keys_of
from tests.support.s3.memory import DAY_ONE

if TYPE_CHECKING:
    from s3copy_tasks.core.store import Page

MILLION = 1_000_000
OVER_HTTP = (
    (0.0, "curl", 1, MILLION),
    (0.0, "curl", 4, MILLION),
    (0.0, "curl", 16, MILLION),
    (0.0, "boto3", 1, 50_000),
    (0.1, "curl", 1, 50_000),
    (0.1, "curl", 4, 200_000),
    (0.1, "curl", 16, MILLION),
    (0.1, "boto3", 1, 50_000),
)
"""Seconds a page, client, listers, keys; fewer keys if a run only waits."""
KEYS = 300_000
PAGE_SECONDS = 0.1
LISTERS = (4, 16)


class Loop:
    """An event loop in its own thread."""

    def __enter__(self) -> asyncio.AbstractEventLoop:
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever)
        self._thread.start()
        return self._loop

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def measure_http() -> list[dict[str, Any]]:
    """List from the server on another core, each time in a new process; return the figures."""
    found = []
    with PageServer() as server:
        server.call("number", bucket="originals", keys=10 * MILLION, one_etag=False)
        for delay, client, listers, keys in OVER_HTTP:
            server.call("behave", delay=delay)
            before = server.call("report")["cpu"]
            with Child("millions", core=0) as process:
                run = process.call("list_keys", client=client, url=server.url, keys=keys, listers=listers)
            busy = (server.call("report")["cpu"] - before) / run["requests"]
            made = {"delay": delay, "client": client, "listers": listers, "server_cpu_ms": 1_000 * busy}
            found.append({**run, **made})
    return found


def fill_http(report: Report, found: list[dict[str, Any]]) -> None:
    """Fill the first table."""
    columns = {
        "ms a page": 0,
        "listers": 0,
        "keys": 0,
        "s": 1,
        "keys/s": 0,
        "times": 1,
        "pages": 0,
        "CPU ms a page": 1,
        "server's CPU": 2,
        "keys/s of CPU": 0,
    }
    rows = report.table(
        "Numbered keys as one stream, over plain HTTP on loopback",
        "client",
        columns,
        "one process on one core, the server on another; times: speed compared with one lister",
    )
    serial = {run["delay"]: _rate(run) for run in found if (run["client"], run["listers"]) == ("curl", 1)}
    for run in found:
        rows.add(
            run["client"],
            1_000 * run["delay"],
            run["listers"],
            run["keys"],
            run["seconds"],
            _rate(run),
            _rate(run) / serial[run["delay"]],
            run["requests"],
            1_000 * run["cpu"] / run["requests"],
            run["server_cpu_ms"],
            run["keys"] / run["cpu"],
        )


def _rate(run: dict[str, Any]) -> float:
    rate: float = run["keys"] / run["seconds"]
    return rate


def list_once(
    loop: asyncio.AbstractEventLoop, listed: ListedKeys, listers: int, seconds: float
) -> dict[str, float]:
    """List once, and return the figures."""

    async def page(after: str | None, token: str | None) -> Page:
        if seconds:
            await asyncio.sleep(seconds)
        return listed.page(after, token)

    listed.requests = 0
    start, cpu = time.perf_counter(), time.process_time()
    stream = KeyStream(page, listed.prefix, after=None, through=None, listers=listers, loop=loop)
    deque(stream, maxlen=0)
    took = time.perf_counter() - start
    return {
        "seconds": took,
        "keys_per_second": len(listed.keys) / took,
        "cpu_ms": (time.process_time() - cpu) / listed.requests * 1_000,
        "requests": listed.requests,
        "wasted": listed.requests - listed.pages,
    }


def per_key_microseconds(loop: asyncio.AbstractEventLoop) -> float:
    """Return the CPU time of a key without the time to make its page, in one process without delay."""
    listed = ListedKeys(keys_of("numbered", 1_000_000))
    start, token = time.process_time(), None
    while True:
        page = listed.page(None, token)
        deque(page.objects, maxlen=0)
        token = page.token
        if token is None:
            break
    alone = time.process_time() - start
    start = time.process_time()
    list_once(loop, listed, 1, 0.0)
    return (time.process_time() - start - alone) / len(listed.keys) * 1e6


def object_bytes() -> float:
    """Return the memory of a buffered object."""
    tracemalloc.start()
    made = [
        S3Object(
            bucket="b", key=f"data/part-{i:09}.parquet", size=i, last_modified=DAY_ONE, etag=f'"{i:032x}"'
        )
        for i in range(10_000)
    ]
    size = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return size / len(made)


def measure_shapes(loop: asyncio.AbstractEventLoop) -> list[dict[str, Any]]:
    """List every shape of keys; return the figures."""
    found = []
    for shape in SHAPES:
        listed = ListedKeys(keys_of(shape, KEYS))
        serial = listed.pages * PAGE_SECONDS
        for listers in LISTERS:
            run = list_once(loop, listed, listers, PAGE_SECONDS)
            found.append({**run, "shape": shape, "listers": listers, "times": serial / run["seconds"]})
    return found


def fill_shapes(report: Report, found: list[dict[str, Any]]) -> None:
    """Fill the second table."""
    columns = {
        "listers": 0,
        "s": 1,
        "keys/s": 0,
        "times": 1,
        "requests": 0,
        "wasted": 0,
        "CPU ms a page": 2,
    }
    title = f"{KEYS:,} keys in key ranges, {PAGE_SECONDS * 1_000:.0f} ms a page"
    rows = report.table(title, "keys", columns, "pages are computed in the same process")
    for run in found:
        rows.add(
            run["shape"],
            run["listers"],
            run["seconds"],
            run["keys_per_second"],
            run["times"],
            run["requests"],
            run["wasted"],
            run["cpu_ms"],
        )


def main() -> None:
    """Measure, print the tables and write them."""
    report = Report("listing")
    fill_http(report, measure_http())
    with Loop() as loop:
        fill_shapes(report, measure_shapes(loop))
        key_cost = per_key_microseconds(loop)
    size = object_bytes()
    report.remark(f"a key takes {key_cost:.2f} microseconds more than in a loop over its page")
    report.remark(f"{BUFFERED_KEYS_MAX:,} buffered keys take {BUFFERED_KEYS_MAX * size / 2**20:.0f} MiB")
    report.finish()


if __name__ == "__main__":
    main()
