"""A million copies in one run: what the process holds does not grow with them.

The server makes up listings and confirms every copy at once, on another core. In the second table ETags prove
nothing, as with encryption by KMS, and every copy has to be found in a listing of its batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.performance.child import Child
from tests.performance.figures import console, machine, table
from tests.performance.pages import PageServer

if TYPE_CHECKING:
    from rich.table import Table

OBJECTS, BATCH_OBJECTS, EVERY = 1_000_000, 50_000, 100_000
UNPROVEN = ((200_000, 10_000), (200_000, 200_000))
"""Objects that no ETag proves, and those of a batch."""


def main() -> None:
    """Copy, and print the tables."""
    conditions = machine()
    with PageServer() as server:
        server.call("number", bucket="originals", keys=OBJECTS)
        server.call("number", bucket="copies", keys=0)
        million = _copied(server, EVERY, BATCH_OBJECTS, "changed")
        _print(_table(f"{OBJECTS:,} copies in one run, batches of {BATCH_OBJECTS:,}", conditions), million)
        for objects, batch_objects in UNPROVEN:
            server.call("number", bucket="originals", keys=objects, one_etag=False)
            server.call("number", bucket="copies", keys=objects, day=2)
            samples = _copied(server, objects // 5, batch_objects, "always")
            title = f"{objects:,} copies, batches of {batch_objects:,}, found in listings: other ETags"
            _print(_table(title), samples)


def _copied(server: PageServer, every: int, batch_objects: int, overwrite: str) -> list[dict[str, float]]:
    with Child("millions", core=0) as process:
        samples: list[dict[str, float]] = process.call(
            "copied", url=server.url, every=every, batch_objects=batch_objects, overwrite=overwrite
        )
    return samples


def _table(title: str, caption: str = "") -> Table:
    columns = ["objects", "s", "objects/s since", "CPU ms each", "RSS MB", "descriptors", "threads"]
    return table(title, columns, caption)


def _print(rows: Table, samples: list[dict[str, Any]]) -> None:
    for before, now in zip([samples[0], *samples], samples, strict=False):
        objects = now["objects"] - before["objects"]
        seconds, cpu = now["seconds"] - before["seconds"], now["cpu"] - before["cpu"]
        rows.add_row(
            f"{now['objects']:,}",
            f"{now['seconds']:.1f}",
            f"{objects / seconds:,.0f}" if objects else "",
            f"{1_000 * cpu / objects:.3f}" if objects else "",
            f"{now['rss_mb']:.0f}",
            f"{now['descriptors']:.0f}",
            f"{now['threads']:.0f}",
        )
    console.print(rows)


if __name__ == "__main__":
    main()
