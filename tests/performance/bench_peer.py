"""The operator beside the Amazon provider's S3CopyPrefixOperator: first speed, then behaviour.

Both run `execute` without a scheduler. They take turns, each time in a new process on one core, with a stub
server on another core. The server's use of its core shows whether it was the limit.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.performance.child import Child
from tests.performance.figures import airflow_environment
from tests.performance.report import Report
from tests.performance.stub import StubServer

if TYPE_CHECKING:
    from collections.abc import Mapping

OBJECTS, REPEATS = 200, 3
DELAYS = (0.03, 0.06)
PREFIX_OPERATOR, COPY_OPERATOR = "S3CopyPrefixOperator", "S3CrossAccountCopyOperator"
METHODS = {PREFIX_OPERATOR: "run_prefix_operator", COPY_OPERATOR: "run_copy_operator"}
CONTENDERS: dict[str, tuple[str, dict[str, Any]]] = {
    PREFIX_OPERATOR: (PREFIX_OPERATOR, {}),
    COPY_OPERATOR: (COPY_OPERATOR, {"recursive": True}),
    "  with batch_size=1000": (COPY_OPERATOR, {"recursive": True, "batch_size": 1_000}),
}
MADE_UP_SIZE = 6 * 2**30

_NAMED = ("CopyObject", "UploadPartCopy", "HeadObject", "ListObjectsV2")
_SHOWN = 150

Figures = dict[str, float]


def main() -> None:
    """Measure speed and behaviour, and print the tables."""
    report = Report("peer", objects=OBJECTS, repeats=REPEATS)
    with ExitStack() as stack:
        home = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(StubServer())
        env = airflow_environment(home, server.endpoint())
        _report_speed(report, _race(server, env))
        runs = stack.enter_context(Child("runs", core=0, env=env))
        server.call("behave", delay=0.0)
        _report_behaviour(report, _Trials(server, runs))
    report.finish()


def _race(server: StubServer, env: Mapping[str, str]) -> dict[tuple[float, str], list[Figures]]:
    """Return the figures of every run by delay and contender."""
    server.call("fill", bucket="race", prefix="in/", objects=OBJECTS, size=1_000)
    found: dict[tuple[float, str], list[Figures]] = defaultdict(list)
    for repeat in range(REPEATS):
        for delay in DELAYS:
            server.call("behave", delay=delay)
            for number, (name, (operator, options)) in enumerate(CONTENDERS.items()):
                bucket = f"race-{repeat}-{delay}-{number}"
                places = _places("race", "in/", bucket)
                with Child("runs", core=0, env=env) as process:
                    before = server.call("report")
                    run = process.call(METHODS[operator], **places, **options)
                    after = server.call("report")
                if run["error"] or len(server.call("keys", bucket=bucket)) != OBJECTS:
                    raise RuntimeError(f"{name}: {run}")
                found[delay, name].append(
                    {
                        "objects/s": OBJECTS / run["seconds"],
                        "before": run["seconds"] - (run["returned"] or {}).get("duration_seconds", 0),
                        "requests": sum(after["kinds"].values()) / OBJECTS,
                        "CPU": 1_000 * run["cpu"] / OBJECTS,
                        "MB": run["peak_mb"],
                        "busy": 100 * (after["cpu"] - before["cpu"]) / run["seconds"],
                    }
                )
    return found


def _places(bucket: str, prefix: str, destination: str) -> dict[str, str]:
    return {
        "source_bucket": bucket,
        "source_key": prefix,
        "destination_bucket": destination,
        "destination_key": "out/",
    }


def _report_speed(report: Report, found: dict[tuple[float, str], list[Figures]]) -> None:
    busiest = max(run["busy"] for runs in found.values() for run in runs)
    rows = report.table(
        f"{OBJECTS} objects of 1 kB below a prefix: execute(), connecting included",
        "operator",
        {"objects/s": 0, "s until planning": 1, "requests each": 2, "CPU ms each": 1, "peak MB": 0},
        f"median (least to greatest) of {REPEATS}, taking turns, each in a new process on one core; "
        "stub server, plain HTTP, loopback, on another core; it was busy for at most "
        f"{busiest:.0f} % of a run, so it was not the limit",
    )
    for delay in DELAYS:
        rows.section(f"{delay * 1_000:.0f} ms per request")
        for name in CONTENDERS:
            runs = found[delay, name]
            rows.add(
                name,
                [run["objects/s"] for run in runs],
                [run["before"] for run in runs] if name != PREFIX_OPERATOR else None,
                [run["requests"] for run in runs],
                [run["CPU"] for run in runs],
                max(run["MB"] for run in runs),
            )


class _Trials:
    """Runs either operator in a situation and describes what happened."""

    def __init__(self, server: StubServer, runs: Child) -> None:
        self._server = server
        self._runs = runs
        self._last: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {}

    def seen(self, operator: str, case: str, objects: int, size: int = 1_000, **options: Any) -> str:
        """Run an operator on a number of objects; describe the destination and the requests."""
        self._server.call("fill", bucket=case, prefix="in/", objects=objects, size=size)
        return self.again(operator, case, objects, **options)

    def again(self, operator: str, case: str, objects: int, **options: Any) -> str:
        """Run it again on the same objects."""
        bucket = f"{case}-{operator.lower()}"
        if operator == COPY_OPERATOR:
            options["recursive"] = True
        self._server.call("report")
        run = self._runs.call(METHODS[operator], **_places(case, "in/", bucket), **options)
        report = self._server.call("report")
        self._last[operator] = run, report
        copied = len(self._server.call("keys", bucket=bucket))
        kinds = {kind: count for kind, count in report["kinds"].items() if kind != "AssumeRole"}
        sent = ", ".join(f"{kinds[kind]} {kind}" for kind in _NAMED if kind in kinds)
        others = sum(count for kind, count in kinds.items() if kind not in _NAMED)
        first = run["error"].partition("\n")[0]
        ending = f"the task fails: {first[:_SHOWN]}" if first else "the task succeeds"
        return f"{copied} of {objects} are there; {ending}\nsent: {sent}, {others} others"

    def denied(self, operator: str, case: str, key: str) -> str:
        """Run it while S3 refuses to write a key."""
        self._server.call("behave", delay=0.0, denied=[key])
        return self.seen(operator, case, 20)

    def changing(self, operator: str) -> str:
        """Run it while a source changes between its listing and its copy."""
        self._server.call("behave", delay=0.0, changing=["in/000010"])
        seen = self.seen(operator, "changing", 20)
        pinned = "x-amz-copy-source-if-match" in self._last[operator][1]["copy_headers"]
        returned = self._last[operator][0]["returned"]
        reported = f"; reports {returned['total_bytes_transferred']:,} bytes" if returned else ""
        return f"{seen}\ncopies are {'pinned by ETag' if pinned else 'not pinned'}{reported}"

    def header(self, operator: str, name: str) -> str:
        """Say whether the last copy had a header."""
        return f"{name}: {self._last[operator][1]['copy_headers'].get(name, '(not sent)')}"

    def returned(self, operator: str) -> str:
        """Describe what the last `execute` returned."""
        found = self._last[operator][0]["returned"]
        if found is None:
            return "None"
        names = ("total_files_found", "files_copied_successfully", "total_bytes_transferred")
        return ", ".join(f"{name}={found[name]}" for name in names) + f" and {len(found) - len(names)} more"


def _report_behaviour(report: Report, trials: _Trials) -> None:
    both = (PREFIX_OPERATOR, COPY_OPERATOR)
    rows = report.table("behaviour", "situation", dict.fromkeys(both, 0))
    for index, column in enumerate(rows.shown.columns):
        column.justify, column.ratio, column.no_wrap = "left", 1 if index == 0 else 3, False
    rows.shown.expand = rows.shown.show_lines = True
    rows.add("20 objects, nothing special", *(trials.seen(operator, "plain", 20) for operator in both))
    rows.add("ACL of the copies", *(trials.header(operator, "x-amz-acl") for operator in both))
    rows.add("execute() returns", *(trials.returned(operator) for operator in both))
    rows.add("again, nothing changed", *(trials.again(operator, "plain", 20) for operator in both))
    not_overwritten = trials.again(COPY_OPERATOR, "plain", 20, overwrite=False)
    rows.add("again, overwrite=False", "no such option", not_overwritten)
    rows.add("an object of 6 GiB", *(trials.seen(operator, "large", 1, MADE_UP_SIZE) for operator in both))
    denied = [trials.denied(operator, "denied", "out/000010") for operator in both]
    rows.add("one object may not be written", *denied)
    rows.add("no object may be written", *(trials.denied(operator, "refused", "*") for operator in both))
    rows.add("a source grows by a byte after its listing", *(trials.changing(operator) for operator in both))


if __name__ == "__main__":
    main()
