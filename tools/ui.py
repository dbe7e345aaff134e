"""`make ui`: three jobs with some runs, and a broken config, in a live Airflow that runs until Ctrl-C.

Everything is on loopback and in a folder below build/, which is deleted at the end.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import yaml

from tests.support.airflow.databases import BUILD
from tests.support.airflow.stack import ADMIN, NO_ROLE, ROOT, VIEWER, AirflowStack
from tests.support.s3.servers import (
    DESTINATION_ACCOUNT,
    READER,
    SOURCE_ACCOUNT,
    WRITER,
    Endpoint,
    S3Server,
    put_many,
)
from tools.stage import play, say, step, watch

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

SOURCE, DESTINATION = "ops-granules", "partner-granules"
GRANULES = {
    "description": "Publish daily granules to the partner account",
    "prefixes": [
        {"source": "daily/2026-11-23/", "destination": "backup/2026-11-23/"},
        {"source": "daily/2026-11-24/", "destination": "backup/2026-11-24/"},
    ],
    "filters": {"exclude": ["*.tmp"]},
    "transfer": {"batch_objects": 300, "concurrency": 16},
}
IMAGERY = {
    "description": "Field imagery; some of it is still in the archive",
    "prefixes": [{"source": "imagery/", "destination": "imagery/"}],
    "transfer": {"concurrency": 16},
}
CATALOG = {
    "description": "The catalog, each night once the Dag is unpaused",
    "schedule": "30 2 * * *",
    "prefixes": [{"source": "catalog/", "destination": "catalog/"}],
}
REPORTS = {
    "description": "Monthly reports, with a typo in the config",
    "prefixes": [{"source": "reports/", "destinaton": "reports/"}],
}
JOBS: dict[str, dict[str, Any]] = {
    "granules": GRANULES,
    "imagery": IMAGERY,
    "catalog": CATALOG,
    "reports": REPORTS,
}
OBJECTS = {
    f"daily/2026-11-{day}/granule_{number:03}.{kind}": bytes(number * 100)
    for day in (23, 24)
    for number in range(240)
    for kind in ("nc", "tmp")[: 2 if number % 40 == 0 else 1]
} | {f"imagery/field_{number:02}.tif": bytes(number * 5_000) for number in range(40)}
ARCHIVED = ("imagery/2019/field_01.tif", "imagery/2019/field_02.tif", "imagery/<script>alert(1)</script>.tif")
_MAY = {ADMIN: "may do everything", VIEWER: "may read", NO_ROLE: "may log in, and no more"}
CHANGED = [f"daily/2026-11-24/granule_{number:03}.nc" for number in range(24)]


def main() -> int:
    """Run it until it is interrupted."""
    BUILD.mkdir(exist_ok=True)
    with S3Server() as server, TemporaryDirectory(prefix="ui-", dir=BUILD) as folder:
        step("Two accounts with a bucket in each, and an Airflow")
        say(f"logs are in {Path(folder, 'home').relative_to(ROOT)} while it runs")
        fill(server)
        configs = Path(folder, "copy_configs")
        write(configs)
        with AirflowStack(Path(folder, "home"), configs, server.connections()) as airflow:
            welcome(airflow)
            step("Some runs: one copies everything, one what changed, and in one three objects fail")
            show_runs(airflow, server.client(READER))
            welcome(airflow)
            airflow.until(lambda: False, math.inf, "Airflow")
    return 1


def fill(server: Endpoint) -> None:
    """Create the buckets and the objects that the jobs copy."""
    source = server.client(READER)
    source.create_bucket(Bucket=SOURCE)
    server.client(WRITER).create_bucket(Bucket=DESTINATION)
    put_many(SOURCE, OBJECTS)
    for key in ARCHIVED:
        source.put_object(Bucket=SOURCE, Key=key, Body=b"x", StorageClass="GLACIER")


def write(folder: Path) -> None:
    """Write the config of each job; the last one is invalid."""
    folder.mkdir()
    source = {"bucket": SOURCE, "account": SOURCE_ACCOUNT, "connection": "aws_source"}
    destination = {"bucket": DESTINATION, "account": DESTINATION_ACCOUNT, "connection": "aws_destination"}
    both = {"version": 1, "owner": "data-ops", "source": source, "destination": destination}
    for name, own in JOBS.items():
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(both | own, sort_keys=False))


def welcome(airflow: AirflowStack) -> None:
    """Print the address, and the users with their passwords."""
    step(f"{airflow.url}/plugin/s3copy")
    for user, may in _MAY.items():
        say(f"{user:<8}  {airflow.passwords[user]}  {may}")
    say("Ctrl-C stops everything")


def show_runs(airflow: AirflowStack, source: S3Client) -> None:
    """Run both jobs, change some objects, and run the first job again."""
    for name in ("granules", "imagery"):
        airflow.wait_for_dag(f"s3copy__{name}")
    failing = airflow.trigger("s3copy__imagery")
    watch(airflow, "s3copy__granules", airflow.trigger("s3copy__granules"))
    watch(airflow, "s3copy__imagery", failing)
    for key in CHANGED:
        source.put_object(Bucket=SOURCE, Key=key, Body=bytes(40_000))
    watch(airflow, "s3copy__granules", airflow.trigger("s3copy__granules"))


if __name__ == "__main__":
    sys.exit(play(main))
