"""Planning large buckets: time, memory added to the process, and size of the plan as XCom.

Both sides are listed over HTTP from a server on another core, which generates the pages. Each case runs in a
new process on one core.
"""

from __future__ import annotations

from typing import Any

from tests.performance.child import Child
from tests.performance.pages import PageServer
from tests.performance.report import Report

PROMISED_MB = 150
SHARES = {"all": None, "nothing": 0, "1 in 1,500": 1_500}
"""What a plan copies, and that one of so many keys is missing there; None for an empty destination."""
CASES = (
    (1_000_000, "all", 0.0),
    (1_000_000, "nothing", 0.0),
    (1_000_000, "1 in 1,500", 0.0),
    (1_000_000, "1 in 1,500", 0.1),
    (10_000_000, "1 in 1,500", 0.0),
)
"""Keys of the source, what the plan copies, seconds that the server waits before each page."""


def main() -> None:
    """Run every case, print the table and write it."""
    report = Report("plan")
    with PageServer() as server:
        found = [(case, _plan(server, *case)) for case in CASES]
    rows = report.table(
        "planning: both sides listed over plain HTTP",
        "to copy",
        {
            "keys": 0,
            "ms": 0,
            "s": 1,
            "keys/s": 0,
            "CPU s": 1,
            "server's CPU s": 1,
            "MB": 0,
            "pages": 0,
            "batches": 0,
            "ranges": 0,
            "kB": 0,
        },
        "keys: of the source, and of the destination unless everything is copied; ms: delay of each page; "
        "server's CPU: on another core; MB: peak memory of the process, beyond that of planning two empty "
        "buckets; kB: size of the plan as XCom",
    )
    for (keys, share, delay), plan in found:
        rows.add(
            share,
            keys,
            1_000 * delay,
            plan["seconds"],
            keys / plan["seconds"],
            plan["cpu"],
            plan["server_cpu"],
            plan["added_mb"],
            plan["requests"],
            plan["batches"],
            plan["ranges"],
            plan["xcom_kb"],
        )
    most = max(plan["added_mb"] for _, plan in found)
    holds = "holds" if most < PROMISED_MB else "does NOT hold"
    report.remark(f"Less than {PROMISED_MB} MB added by ten million keys: {holds}, {most:.0f} MB")
    report.finish()


def _plan(server: PageServer, keys: int, share: str, delay: float) -> dict[str, Any]:
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
        plan: dict[str, Any] = process.call("plan", url=server.url)
    return {**plan, "server_cpu": server.call("report")["cpu"] - before}


if __name__ == "__main__":
    main()
