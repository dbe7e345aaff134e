"""Deletes of a mirror: a HEAD of each source key, then DeleteObjects with ETags, then a listing.

In a new process on one core; nginx on the other core answers after a delay. The plan is not measured.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.performance.child import Child
from tests.performance.null_s3 import NullS3, Place
from tests.performance.report import Report
from tests.support.s3.servers.endpoint import WORKER

if TYPE_CHECKING:
    from typing import Any

OBJECTS = (20_000, 100_000)
S3_LIMIT, UNLIMITED = 3_500, 1_000_000
PLACE = Place("https", 0.03)


def main() -> None:
    """Measure, print the table and write it."""
    report = Report("deletes")
    rows = report.table(
        f"extraneous objects, proven and deleted; {PLACE}",
        "objects",
        {"limit/s": 0, "s": 1, "keys/s": 0, "CPU us each": 0, "MB before": 0, "peak MB": 0},
        "each with a HEAD of its source and two log lines; the limit is that of each bucket",
    )
    for objects in OBJECTS:
        for limit in (S3_LIMIT, UNLIMITED):
            found = _run(objects, limit)
            rows.add(
                f"{objects:,}",
                [limit],
                [found["seconds"]],
                [objects / found["seconds"]],
                [1e6 * found["cpu"] / objects],
                [found["planned MB"]],
                [found["peak MB"]],
            )
    report.finish()


def _run(objects: int, per_second: int) -> dict[str, Any]:
    with NullS3([PLACE]) as server:
        keys = {"AWS_ACCESS_KEY_ID": WORKER.key_id, "AWS_SECRET_ACCESS_KEY": WORKER.secret}
        trusted = {"AWS_CA_BUNDLE": server.ca_bundle}
        with Child("deletes", core=0, env=keys | trusted) as process:
            found: dict[str, Any] = process.call(
                "run", objects=objects, url=server.urls[PLACE], per_second=per_second
            )
            return found


if __name__ == "__main__":
    main()
