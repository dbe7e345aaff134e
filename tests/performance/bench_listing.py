"""Listing a prefix in key ranges: time, requests and CPU, for several shapes of keys.

Pages are computed by a made-up server that waits 100 ms for each, in this process; its own CPU is the same in
every row. The last table is what a consumer pays for a key, and what a key costs in memory.
"""

from __future__ import annotations

import asyncio
import time
import tracemalloc
from collections import deque
from threading import Thread
from typing import TYPE_CHECKING

from s3copy_tasks.core.objects import S3Object
from s3copy_tasks.keystream import BUFFERED_KEYS_MAX, KeyStream
from tests.key_shapes import SHAPES, ListedKeys, keys_of
from tests.memory import DAY_ONE
from tests.performance.figures import console, machine, table

if TYPE_CHECKING:
    from s3copy_tasks.core.store import Page

KEYS = 300_000
PAGE_SECONDS = 0.1
LISTERS = (1, 4, 16)


class Loop:
    """An event loop in a thread of its own."""

    def __enter__(self) -> asyncio.AbstractEventLoop:
        self._loop = asyncio.new_event_loop()
        self._thread = Thread(target=self._loop.run_forever)
        self._thread.start()
        return self._loop

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def listing(
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
    """Return what a key costs beyond making its page, everything in one process without any delay."""
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
    listing(loop, listed, 1, 0.0)
    return (time.process_time() - start - alone) / len(listed.keys) * 1e6


def object_bytes() -> float:
    """Return what an object that waits takes."""
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


def main() -> None:
    """Measure, and print the tables."""
    console.print(f"{machine()}; {KEYS:,} keys, {PAGE_SECONDS * 1_000:.0f} ms a page")
    columns = ["keys", "listers", "s", "keys/s", "times", "requests", "wasted", "CPU ms a page"]
    shown = table("One prefix in key ranges", columns)
    with Loop() as loop:
        for shape in SHAPES:
            listed = ListedKeys(keys_of(shape, KEYS))
            for listers in LISTERS:
                found = listing(loop, listed, listers, PAGE_SECONDS)
                serial = listed.pages * PAGE_SECONDS
                shown.add_row(
                    shape if listers == LISTERS[0] else "",
                    f"{listers}",
                    f"{found['seconds']:.1f}",
                    f"{found['keys_per_second']:,.0f}",
                    f"{serial / found['seconds']:.1f}",
                    f"{found['requests']:,}",
                    f"{found['wasted']:,}",
                    f"{found['cpu_ms']:.2f}",
                )
        console.print(shown)
        key_cost = per_key_microseconds(loop)
    size = object_bytes()
    console.print(f"a key costs {key_cost:.2f} microseconds more than a loop over its page")
    console.print(f"{BUFFERED_KEYS_MAX:,} keys that wait take {BUFFERED_KEYS_MAX * size / 2**20:.0f} MiB")


if __name__ == "__main__":
    main()
