"""One small object through the operator: where the time goes, and whether it is less than a second.

The server is a stub on a separate core, over plain HTTP on loopback; its delay per request stands for the
network. Delays take turns, so that a busy machine affects both. `dag.test()` runs a task without scheduler
and API server; the tables of bench_dag have what these add.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from tests.performance.child import Child
from tests.performance.figures import airflow_environment, p90
from tests.performance.report import Report
from tests.performance.stub import StubServer

if TYPE_CHECKING:
    from collections.abc import Mapping

DELAYS = (0.0, 0.03)
REPEATS, WARM_UPS, PROCESSES = 20, 2, 5
PROMISED_SECONDS = 1.0
ONE = {
    "source_bucket": "originals",
    "source_key": "in/000000",
    "destination_bucket": "copies",
    "destination_key": "out/000000",
}
PARTS, EXECUTE, CPU, SINGLE, AIRFLOW = (
    "all of these",
    f"execute() itself, {PROCESSES} new processes",
    "  its CPU time",
    "copy_single_object(), connected before",
    "Airflow: dag.test() without execute()",
)

_OTHERS = (PARTS, EXECUTE, CPU, SINGLE, AIRFLOW)

Seconds = defaultdict[tuple[str, float], list[float]]


def main() -> None:
    """Measure, and print the tables."""
    report = Report("operator", repeats=REPEATS, warm_ups=WARM_UPS)
    seconds: Seconds = defaultdict(list)
    requests: dict[str, Mapping[str, int]] = {}
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(StubServer())
        server.call("fill", bucket="originals", prefix="in/", objects=1, size=1_000)
        env = airflow_environment(home, server.endpoint())
        _in_new_processes(server, env, seconds, requests)
        runs = stack.enter_context(Child("runs", core=0, env=env))
        airflow = stack.enter_context(Child("runs", core=0, env=env))
        airflow.call("prepare_airflow")
        for repeat in range(WARM_UPS + REPEATS):
            for delay in DELAYS:
                server.call("behave", delay=delay)
                found = _run_once(server, runs, requests)
                if not delay:
                    found[AIRFLOW] = _in_airflow(airflow)
                for name, value in found.items():
                    if repeat >= WARM_UPS:
                        seconds[name, delay].append(value)
    _report_times(report, seconds)
    _report_requests(report, requests)
    _report_verdict(report, seconds)
    report.finish()


def _in_new_processes(
    server: StubServer, env: Mapping[str, str], seconds: Seconds, requests: dict[str, Mapping[str, int]]
) -> None:
    """Measure `execute` as a task runs it: once, in a new process."""
    for _ in range(PROCESSES):
        for delay in DELAYS:
            server.call("behave", delay=delay)
            with Child("runs", core=0, env=env) as process:
                server.call("report")
                run = process.call("run_copy_operator", **ONE)
            if run["error"] or run["returned"]["files_copied_successfully"] != 1:
                raise RuntimeError(str(run))
            seconds[EXECUTE, delay].append(run["seconds"])
            seconds[CPU, delay].append(run["cpu"])
            requests["execute()"] = server.call("report")["kinds"]


def _run_once(server: StubServer, runs: Child, requests: dict[str, Mapping[str, int]]) -> dict[str, float]:
    """Run once and return the seconds of each part; record the requests by kind."""
    found: dict[str, float] = runs.call("run_parts", **ONE)
    found[PARTS] = sum(found.values())
    server.call("report")
    found[SINGLE] = runs.call("copy_single", bucket="originals", key=ONE["source_key"], other="copies")
    requests["copy_single_object()"] = server.call("report")["kinds"]
    return found


def _in_airflow(airflow: Child) -> float:
    """Return the seconds of `dag.test()` without `execute`: they don't depend on S3's delay."""
    inside = airflow.call("run_in_airflow", **ONE)
    return float(inside["dag.test()"] - inside["execute()"])


def _report_times(report: Report, seconds: Seconds) -> None:
    names = [f"{delay * 1_000:.0f} ms: {what}" for delay in DELAYS for what in ("median", "p90")]
    times = report.table(
        "one object of 1 kB through S3CrossAccountCopyOperator, in ms, by the server's delay per request",
        "part",
        dict.fromkeys(names, 0),
        f"{REPEATS} repeats after {WARM_UPS}, a new operator each time; stub server, plain HTTP, loopback; "
        "the client on one core, the server on another",
    )
    parts = [name for name in dict.fromkeys(name for name, _ in seconds) if name not in _OTHERS]
    for row in (*parts, *_OTHERS):
        times.add(row, *_cells(seconds, row))


def _cells(seconds: Seconds, row: str) -> list[float | None]:
    samples = [seconds.get((row, delay)) for delay in DELAYS]
    return [1_000 * of(sample) if sample else None for sample in samples for of in (median, p90)]


def _report_requests(report: Report, requests: dict[str, Mapping[str, int]]) -> None:
    kinds = sorted({kind for counted in requests.values() for kind in counted})
    title = "requests per operation, counted by the server"
    counts = report.table(title, "request", dict.fromkeys(requests, 0))
    for kind in kinds:
        counts.add(kind, *(counted.get(kind) for counted in requests.values()))
    counts.add("all", *(sum(counted.values()) for counted in requests.values()))


def _report_verdict(report: Report, seconds: Seconds) -> None:
    """Add remarks on whether the required time of a small object is met."""
    report.remark(f"Under {PROMISED_SECONDS:.0f} s per small object, by the slowest of all repeats:")
    for row in (EXECUTE, SINGLE):
        for delay in DELAYS:
            slowest = max(seconds[row, delay])
            holds = "holds" if slowest < PROMISED_SECONDS else "does NOT hold"
            report.remark(f"  {row}, {delay * 1_000:.0f} ms per request: {holds}, {slowest:.2f} s")


if __name__ == "__main__":
    main()
