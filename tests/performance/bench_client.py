"""What a request costs the client: libcurl beside boto3, for copies and for pages of a listing.

Both take turns, each time in a new process on one core; nginx on another core answers at once, or after 30
ms.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from tests.performance.child import Child
from tests.performance.null_s3 import KEYS_OF_A_PAGE, NullS3, Place
from tests.performance.report import Report

REPEATS = 3
# client, concurrent requests, copies, pages
CONTENDERS = (("curl", 256, 30_000, 200), ("curl", 64, 30_000, 0), ("boto3", 32, 2_000, 20))
PLACES = (Place("http"), Place("https"), Place("https", 0.03))

Figures = dict[Any, list[dict[str, float]]]


def main() -> None:
    """Measure and print the tables."""
    report = Report("client", repeats=REPEATS)
    copies: Figures = defaultdict(list)
    pages: Figures = defaultdict(list)
    with NullS3(PLACES) as server:
        for _ in range(REPEATS):
            for client, at_once, copied, listed in CONTENDERS:
                asked = {"client": client, "ca_bundle": server.ca_bundle}
                for place in PLACES:
                    url = server.urls[place]
                    with Child("clients", core=0) as process:
                        run = process.call("copies", **asked, url=url, requests=copied, at_once=at_once)
                    copies[place, client, at_once].append(_figures(run, copied))
                if listed:
                    url = server.urls[Place("https")]
                    with Child("clients", core=0) as process:
                        run = process.call("pages", **asked, url=url, requests=listed, at_once=4)
                    pages[client].append(_figures(run, listed))
    _report_copies(report, copies)
    _report_pages(report, pages)
    report.finish()


def _figures(run: dict[str, float], requests: int) -> dict[str, float]:
    return {"per_second": requests / run["seconds"], "cpu_ms": 1_000 * run["cpu"] / requests}


def _report_copies(report: Report, found: Figures) -> None:
    rows = report.table(
        "CopyObject: one request, from parameters to result",
        "client",
        {"at once": 0, "objects/s": 0, "CPU ms each": 3},
        f"median (least to greatest) of {REPEATS}, taking turns, each in a new process on one core; "
        "nginx on loopback on another core",
    )
    for place in PLACES:
        rows.section(str(place))
        for client, at_once, _, _ in CONTENDERS:
            runs = found[place, client, at_once]
            rows.add(client, at_once, [run["per_second"] for run in runs], [run["cpu_ms"] for run in runs])


def _report_pages(report: Report, found: Figures) -> None:
    rows = report.table(
        f"ListObjectsV2: pages of {KEYS_OF_A_PAGE:,} keys, TLS, 0 ms, 4 at once",
        "client",
        {"keys/s": 0, "CPU ms a page": 1},
    )
    for client, runs in found.items():
        rows.add(
            client,
            [KEYS_OF_A_PAGE * run["per_second"] for run in runs],
            [run["cpu_ms"] for run in runs],
        )


if __name__ == "__main__":
    main()
