"""What a request costs the client: libcurl against boto3, by copies and by pages of a listing.

Both take turns, each time in a new process on one core; nginx on another answers at once, or after 30 ms.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from typing import Any

from tests.performance.child import Child
from tests.performance.figures import console, machine, spread, table
from tests.performance.null_s3 import KEYS_OF_A_PAGE, NullS3, is_installed

REPEATS = 3
# client, requests at once, copies, pages
CONTENDERS = (("curl", 256, 30_000, 200), ("curl", 64, 30_000, 0), ("boto3", 32, 2_000, 20))
PLACES = (("http", 0.0), ("https", 0.0), ("https", 0.03))

Figures = dict[Any, list[dict[str, float]]]


def main() -> None:
    """Measure and print the tables."""
    if not is_installed():
        console.print("needs nginx: apt-get install nginx-light libnginx-mod-http-echo")
        sys.exit(0)
    conditions = machine()
    copies: Figures = defaultdict(list)
    pages: Figures = defaultdict(list)
    with NullS3() as server:
        for _ in range(REPEATS):
            for client, at_once, copied, listed in CONTENDERS:
                asked = {"client": client, "ca_bundle": server.ca_bundle}
                for place in PLACES:
                    url = server.urls[place]
                    with Child("clients", core=0) as process:
                        run = process.call("copies", **asked, url=url, requests=copied, at_once=at_once)
                    copies[place, client, at_once].append(_figures(run, copied))
                if listed:
                    url = server.urls["https", 0.0]
                    with Child("clients", core=0) as process:
                        run = process.call("pages", **asked, url=url, requests=listed, at_once=4)
                    pages[client].append(_figures(run, listed))
    _print_copies(copies, conditions)
    _print_pages(pages)


def _figures(run: dict[str, float], requests: int) -> dict[str, float]:
    return {"per_second": requests / run["seconds"], "cpu_ms": 1_000 * run["cpu"] / requests}


def _print_copies(found: Figures, conditions: str) -> None:
    rows = table(
        "CopyObject: one request, from parameters to result",
        ["client", "at once", "objects/s", "CPU ms each"],
        f"median (least to greatest) of {REPEATS}, taking turns, each in a process of its own on one core; "
        f"nginx on loopback on another; {conditions}",
    )
    for scheme, delay in PLACES:
        rows.add_section()
        rows.add_row(f"[bold]{'TLS' if scheme == 'https' else 'plain'}, {delay * 1_000:.0f} ms[/bold]")
        for client, at_once, _, _ in CONTENDERS:
            runs = found[(scheme, delay), client, at_once]
            rows.add_row(
                client,
                str(at_once),
                spread([run["per_second"] for run in runs], 0),
                spread([run["cpu_ms"] for run in runs], 3),
            )
    console.print(rows)


def _print_pages(found: Figures) -> None:
    rows = table(
        f"ListObjectsV2: pages of {KEYS_OF_A_PAGE:,} keys, TLS, 0 ms, 4 at once",
        ["client", "keys/s", "CPU ms a page"],
    )
    for client, runs in found.items():
        rows.add_row(
            client,
            spread([KEYS_OF_A_PAGE * run["per_second"] for run in runs], 0),
            spread([run["cpu_ms"] for run in runs]),
        )
    console.print(rows)


if __name__ == "__main__":
    main()
