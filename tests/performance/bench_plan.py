"""Planning large buckets: time, memory added to the process, and size of the plan as XCom.

Both sides are listed over HTTP from a server on another core that makes up pages while they are read. Each
case runs in a process of its own on one core.
"""

from __future__ import annotations

from typing import Any

from tests.performance.child import Child
from tests.performance.figures import console, machine, table
from tests.performance.pages import PageServer

PROMISED_MB = 150
SHARES = {"all": None, "nothing": 0, "1 in 1,500": 1_500}
"""What is to be copied, and of how many keys one is missing at the destination; None for an empty one."""
CASES = (
    (1_000_000, "all", 0.0),
    (1_000_000, "nothing", 0.0),
    (1_000_000, "1 in 1,500", 0.0),
    (1_000_000, "1 in 1,500", 0.1),
    (10_000_000, "1 in 1,500", 0.0),
)
"""Keys of the source, what is to be copied, seconds that the server waits for each page."""


def main() -> None:
    """Run every case and print the table."""
    conditions = machine()
    with PageServer() as server:
        found = [{"case": case, **_planned(server, *case)} for case in CASES]
    _print(found, conditions)


def _planned(server: PageServer, keys: int, share: str, delay: float) -> dict[str, Any]:
    missing = SHARES[share]
    server.call("behave", delay=delay)
    server.call("number", bucket="originals", keys=keys)
    server.call(
        "number", bucket="copies", keys=0 if missing is None else keys, missing_every=missing or 0, day=2
    )
    for empty in ("nothing", "nowhere"):
        server.call("number", bucket=empty, keys=0)
    before = server.call("report")["cpu"]
    with Child("millions", core=0) as process:
        plan: dict[str, Any] = process.call("planned", url=server.url)
    return {**plan, "server_cpu": server.call("report")["cpu"] - before}


def _print(found: list[dict[str, Any]], conditions: str) -> None:
    columns = ["keys", "to copy", "ms", "s", "keys/s", "CPU s", "theirs", "MB", "pages", "batches", "ranges"]
    rows = table(
        "planning: both sides listed over plain HTTP",
        [*columns, "kB"],
        "ms: the server waits for each page; theirs: CPU of the server; kB: of the plan as XCom; MB: the "
        f"most that the process held, beyond that of planning two empty buckets; {conditions}",
    )
    for column in rows.columns:
        column.no_wrap = True
    for one in found:
        keys, share, delay = one["case"]
        rows.add_row(
            f"{keys:,}",
            share,
            f"{1_000 * delay:.0f}",
            f"{one['seconds']:.1f}",
            f"{keys / one['seconds']:,.0f}",
            f"{one['cpu']:.1f}",
            f"{one['server_cpu']:.1f}",
            f"{one['added_mb']:.0f}",
            f"{one['requests']:,}",
            f"{one['batches']:,}",
            f"{one['ranges']:,}",
            f"{one['xcom_kb']:.0f}",
        )
    console.print(rows)
    most = max(one["added_mb"] for one in found)
    holds = "holds" if most < PROMISED_MB else "does NOT hold"
    console.print(f"Less than {PROMISED_MB} MB added by ten million keys: {holds}, {most:.0f} MB")


if __name__ == "__main__":
    main()
