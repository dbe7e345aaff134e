"""A million copies in one run: memory, descriptors and threads do not grow with them.

The server generates listings and confirms every copy at once, on another core. In the second table ETags
prove nothing, as with encryption by KMS, and every copy is verified by a listing of its batch.
"""

from __future__ import annotations

from tests.performance.child import Child
from tests.performance.pages import PageServer
from tests.performance.report import Report

OBJECTS, BATCH_OBJECTS, EVERY = 1_000_000, 50_000, 100_000
UNPROVEN = ((200_000, 10_000), (200_000, 200_000))
"""Objects that no ETag proves, and objects of a batch."""


def main() -> None:
    """Copy, print the tables and write them."""
    report = Report("million")
    with PageServer() as server:
        server.call("number", bucket="originals", keys=OBJECTS)
        server.call("number", bucket="copies", keys=0)
        samples = _copy(server, EVERY, BATCH_OBJECTS, "changed")
        _fill(report, f"{OBJECTS:,} copies in one run, batches of {BATCH_OBJECTS:,}", samples)
        for objects, batch_objects in UNPROVEN:
            server.call("number", bucket="originals", keys=objects, one_etag=False)
            server.call("number", bucket="copies", keys=objects, day=2)
            samples = _copy(server, objects // 5, batch_objects, "always")
            title = f"{objects:,} copies, batches of {batch_objects:,}, verified by listings: other ETags"
            _fill(report, title, samples)
    report.finish()


def _copy(server: PageServer, every: int, batch_objects: int, overwrite: str) -> list[dict[str, float]]:
    with Child("millions", core=0) as process:
        samples: list[dict[str, float]] = process.call(
            "copy", url=server.url, every=every, batch_objects=batch_objects, overwrite=overwrite
        )
    return samples


def _fill(report: Report, title: str, samples: list[dict[str, float]]) -> None:
    columns = {
        "s": 1,
        "objects/s since": 0,
        "CPU ms each": 3,
        "RSS MB": 0,
        "descriptors": 0,
        "threads": 0,
    }
    rows = report.table(title, "objects", columns)
    for before, now in zip([samples[0], *samples], samples, strict=False):
        objects = now["objects"] - before["objects"]
        seconds, cpu = now["seconds"] - before["seconds"], now["cpu"] - before["cpu"]
        rows.add(
            f"{now['objects']:,}",
            now["seconds"],
            objects / seconds if objects else None,
            1_000 * cpu / objects if objects else None,
            now["rss_mb"],
            now["descriptors"],
            now["threads"],
        )


if __name__ == "__main__":
    main()
