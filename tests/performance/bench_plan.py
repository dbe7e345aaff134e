"""Planning large buckets: time, memory added to the process, and size of the plan as XCom.

Both sides are listed over HTTP from a server on another core that makes up pages while they are read. Each
case runs in a process of its own on one core.
"""

from __future__ import annotations

from typing import Any

from tests.performance.child import Child
from tests.performance.pages import PageServer
from tests.performance.report import Report

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
    """Run every case, print the table and write it."""
    report = Report("plan")
    with PageServer() as server:
        found = [(case, _planned(server, *case)) for case in CASES]
    rows = report.table(
        "planning: both sides listed over plain HTTP",
        "to copy",
        {
            "keys": 0,
            "ms": 0,
            "s": 1,
            "keys/s": 0,
            "CPU s": 1,
            "theirs": 1,
            "MB": 0,
            "pages": 0,
            "batches": 0,
            "ranges": 0,
            "kB": 0,
        },
        "keys: of the source, and of the destination unless all is to be copied; ms: the server waits for "
        "each page; theirs: CPU of the server, on another core; MB: the most that the process held, beyond "
        "that of planning two empty buckets; kB: of the plan as XCom",
    )
    for (keys, share, delay), one in found:
        rows.add(
            share,
            keys,
            1_000 * delay,
            one["seconds"],
            keys / one["seconds"],
            one["cpu"],
            one["server_cpu"],
            one["added_mb"],
            one["requests"],
            one["batches"],
            one["ranges"],
            one["xcom_kb"],
        )
    most = max(one["added_mb"] for _, one in found)
    holds = "holds" if most < PROMISED_MB else "does NOT hold"
    report.remark(f"Less than {PROMISED_MB} MB added by ten million keys: {holds}, {most:.0f} MB")
    report.finish()


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


if __name__ == "__main__":
    main()
