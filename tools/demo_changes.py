"""`make demo-changes`: objects are copied soon after they are written, by their events; nothing is listed.

Runs the job of copy_configs/changes.yaml, with a queue of an embedded server. Everything is on loopback and
in build/demo-changes; no process outlives the demo.
"""

from __future__ import annotations

import shutil
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

from s3copy_tasks.report.tables import metrics_table
from tests.support.airflow.stack import AirflowStack
from tests.support.s3.queues import EventQueue
from tests.support.s3.servers import READER, WRITER, S3Server, put_many
from tools.stage import console, play, say, step, watch

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

ROOT = Path(__file__).parent.parent
HOME = ROOT / "build" / "demo-changes"
CONFIG = ROOT / "copy_configs" / "changes.yaml"
QUEUE = "https://sqs.us-west-2.amazonaws.com/111122223333/granules-created"
DAG = "s3copy__changes"
SOURCE, DESTINATION, PREFIX = "ops-incoming", "partner-incoming", "granules/"
OLD = 10_000
NEW = 30
EVERY_SECONDS = 0.5
RUN_STARTS_SECONDS = 60
COPIES_SECONDS = 60


@dataclass
class Sides:
    """Both buckets, and when each object was written to one and seen in the other, in seconds."""

    source: S3Client
    destination: S3Client
    written: dict[str, float] = field(default_factory=dict)
    copied: dict[str, float] = field(default_factory=dict)

    def write(self, name: str) -> None:
        """Write an object to the source."""
        key = f"{PREFIX}{name}"
        self.source.put_object(Bucket=SOURCE, Key=key, Body=name.encode())
        self.written[key] = time.monotonic()

    def find_copies(self) -> bool:
        """Note what has arrived; return whether everything has."""
        rows = self.destination.list_objects_v2(Bucket=DESTINATION, Prefix=PREFIX).get("Contents", [])
        for row in rows:
            self.copied.setdefault(row["Key"], time.monotonic())
        return self.copied.keys() == self.written.keys()

    def find_delays(self) -> list[float]:
        """Return how many seconds each object took, in the order in which they were written."""
        return [self.copied[key] - written for key, written in self.written.items()]


def main() -> int:
    """Run the demo and return its exit code."""
    started = time.monotonic()
    shutil.rmtree(HOME, ignore_errors=True)
    with S3Server() as server:
        step("Two accounts with a bucket each, and a queue to which S3 sends events")
        sides = Sides(server.client(READER), server.client(WRITER))
        sides.source.create_bucket(Bucket=SOURCE)
        sides.destination.create_bucket(Bucket=DESTINATION)
        put_many(SOURCE, {f"{PREFIX}old/{number:05}": b"old" for number in range(OLD)})
        queue = EventQueue(server)
        queue.follow(SOURCE)
        say(f"{OLD:,} objects are in s3://{SOURCE}/{PREFIX} already: a listing would return all of them")
        configs = write_config(server.url + queue.path)
        connections = server.connections()
        connections["AIRFLOW_CONN_AWS_QUEUE"] = connections["AIRFLOW_CONN_AWS_SOURCE"]
        with AirflowStack(HOME, configs, connections) as airflow:
            ok = show_run(airflow, sides)
    say(f"{time.monotonic() - started:.0f} seconds, nothing left running; logs are in build/demo-changes")
    return 0 if ok else 1


def write_config(queue: str) -> Path:
    """Write the example's config with the URL of a queue; return its folder."""
    folder = HOME / "copy_configs"
    folder.mkdir(parents=True)
    (folder / CONFIG.name).write_text(CONFIG.read_text().replace(QUEUE, queue))
    return folder


def show_run(airflow: AirflowStack, sides: Sides) -> bool:
    """Write an object, and more during the run that it starts; return whether events alone suffice."""
    airflow.wait_for_dag(DAG)
    step("copy_configs/changes.yaml is a Dag; an object that is written starts its run")
    sides.write("first")
    airflow.until(lambda: bool(runs(airflow)), RUN_STARTS_SECONDS, "run")
    say(f"a run has started {time.monotonic() - sides.written[PREFIX + 'first']:.1f} s after that")
    airflow.until(sides.find_copies, COPIES_SECONDS, "copy")
    say(f"the object is at the destination after {sides.find_delays()[0]:.1f} s")

    step("More objects are written while the run receives events")
    for number in range(NEW):
        sides.write(f"{number:02}")
        sides.find_copies()
        time.sleep(EVERY_SECONDS)
    airflow.until(sides.find_copies, COPIES_SECONDS, "copies")
    delays = sides.find_delays()[1:]
    say(f"{NEW} objects were at the destination after {median(delays):.1f} s, all after {max(delays):.1f} s")

    step("The run ends when nothing has come for 15 seconds")
    run_id = runs(airflow)[0]
    state = watch(airflow, DAG, run_id)
    metrics: dict[str, Any] = airflow.xcom(DAG, run_id, "summarize", "metrics")
    console.print(metrics_table(metrics))
    requests = metrics["requests_by_kind"]
    say("requests: " + ", ".join(f"{count:,} {kind}" for kind, count in sorted(requests.items())))
    say("one request lists, for a single key: it shows that the object is missing, and not its bucket")
    copied = metrics["files_copied_successfully"] == 1 + NEW
    return state == "success" and copied and requests.get("ListObjectsV2", 0) <= 1


def runs(airflow: AirflowStack) -> list[str]:
    """Return the ids of the job's runs, the first one first."""
    return [run["dag_run_id"] for run in airflow.get(f"dags/{DAG}/dagRuns", order_by="id")["dag_runs"]]


if __name__ == "__main__":
    sys.exit(play(main))
