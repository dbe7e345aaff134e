"""`make demo`: runs the job of copy_configs/demo.yaml between two accounts of an embedded S3 server.

Everything is on loopback and in build/demo; no process outlives the demo.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from s3copy_tasks.report.tables import metrics_table
from tests.support.airflow.stack import BIN, AirflowStack
from tests.support.s3.servers import READER, WRITER, Endpoint, S3Server
from tools.stage import console, play, say, step, watch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mypy_boto3_s3.client import S3Client

ROOT = Path(__file__).parent.parent
HOME = ROOT / "build" / "demo"
DAG = "s3copy__demo"
SOURCE, DESTINATION = "ops-granules", "partner-granules"
CHANGED = "python/json/decoder.py"


def main() -> int:
    """Run the demo and return its exit code."""
    started = time.monotonic()
    shutil.rmtree(HOME, ignore_errors=True)
    with S3Server() as server:
        step("Two accounts with a bucket each; Airflow starts in the background")
        source, destination = server.client(READER), server.client(WRITER)
        source.create_bucket(Bucket=SOURCE)
        destination.create_bucket(Bucket=DESTINATION)
        stack = AirflowStack(HOME, ROOT / "copy_configs", server.connections())
        with ThreadPoolExecutor(1) as pool:
            filling = pool.submit(fill, source)
            with stack as airflow:
                say(
                    f"{filling.result():,} files of Python's own standard library are in s3://{SOURCE}/python/"
                )
                ok = show_runs(airflow, server, source, destination)
    say(f"{time.monotonic() - started:.0f} seconds, nothing left running; logs are in build/demo")
    return 0 if ok else 1


def show_runs(airflow: AirflowStack, server: Endpoint, source: S3Client, destination: S3Client) -> bool:
    """Copy everything, then nothing, then one object; return whether all results are right."""
    step("copy_configs/demo.yaml is a Dag; Airflow runs it")
    airflow.wait_for_dag(DAG)
    first = run(airflow)
    agree = list_objects(source, SOURCE, "python/") == list_objects(
        destination, DESTINATION, "backup/python/"
    )
    say("source and destination agree: keys, sizes and ETags" if agree else "source and destination DIFFER")

    step("A second run has nothing to do: s3copy plan demo")
    plan = subprocess.run(
        [BIN / "s3copy", "plan", "demo"],
        cwd=ROOT,
        env={**os.environ, **server.connections(), "AIRFLOW_HOME": str(HOME)},
        check=False,
    )

    step(f"{CHANGED} changes; the next run copies just that")
    source.put_object(Bucket=SOURCE, Key=CHANGED, Body=b"# changed\n")
    last = run(airflow)
    return (
        agree
        and plan.returncode == 0
        and first["files_failed"] == 0
        and last["files_copied_successfully"] == 1
    )


def run(airflow: AirflowStack) -> dict[str, Any]:
    """Trigger a run, show its tasks while they run, and then its metrics."""
    run_id = airflow.trigger(DAG)
    state = watch(airflow, DAG, run_id)
    metrics: dict[str, Any] = airflow.xcom(DAG, run_id, "summarize", "metrics")
    console.print(metrics_table(metrics))
    if state != "success":
        raise SystemExit(f"the run ended as {state}: see {HOME.relative_to(ROOT)}/logs")
    return metrics


def fill(source: S3Client) -> int:
    """Put the installed Python's standard library into the source bucket; return the number of files."""
    library = Path(sysconfig.get_paths()["stdlib"])
    files = [file for file in standard_library(library) if file.is_file()]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda file: put(source, file, f"python/{file.relative_to(library)}"), files))
    return len(files)


def standard_library(library: Path) -> Iterator[Path]:
    """Yield the library's files, without what was installed later and most of the bytecode."""
    for folder, folders, names in os.walk(library):
        folders[:] = sorted(set(folders) - {"site-packages", "dist-packages"})
        if Path(folder) != library:
            folders[:] = [name for name in folders if name != "__pycache__"]
        yield from (Path(folder, name) for name in names)


def put(source: S3Client, file: Path, key: str) -> None:
    """Upload a file with metadata of its own."""
    source.put_object(Bucket=SOURCE, Key=key, Body=file.read_bytes(), Metadata={"name": file.stem[:64]})


def list_objects(client: S3Client, bucket: str, prefix: str) -> dict[str, tuple[int, str]]:
    """Return size and ETag by key below the prefix, without what the job leaves out."""
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    rows = [row for page in pages for row in page.get("Contents", [])]
    return {
        row["Key"].removeprefix(prefix): (row["Size"], row["ETag"])
        for row in rows
        if not row["Key"].endswith((".pyc", ".tmp"))
    }


if __name__ == "__main__":
    sys.exit(play(main))
