"""Memory, time and CPU of a relay: for any size of an object, memory stays within the budget.

Server and client have one core each; HTTP on loopback, without TLS.
"""

from __future__ import annotations

from s3copy_tasks.copy.relay import RELAY_BYTES_MAX
from tests.performance.child import Child
from tests.performance.report import Report
from tests.performance.zeros import ZerosServer

SIZES = (256 * 2**20, 2**30, 5 * 2**30)
MIB = 2**20


def main() -> None:
    """Measure, and print the table."""
    budget = f"the budget is {RELAY_BYTES_MAX // MIB} MiB per task"
    report = Report("relay")
    rows = report.table(
        "One object through a worker's memory",
        "size",
        {"MiB added": 0, "s": 1, "MB/s": 0, "CPU s": 1},
        f"{budget}; a new process for each size",
    )
    for size in SIZES:
        with ZerosServer() as server, Child("relaying", core=0) as client:
            found = client.call("relay", url=server.call("begin", size=size))
        rows.add(
            f"{size / 2**30:g} GiB",
            (found["peak"] - found["before"]) / MIB,
            found["seconds"],
            size / found["seconds"] / 1e6,
            found["cpu"],
        )
    report.finish()


if __name__ == "__main__":
    main()
