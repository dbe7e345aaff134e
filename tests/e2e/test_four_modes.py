"""The commands and the requests of docs/four-modes.md work as they are written."""

from __future__ import annotations

import json
import os
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from s3copy_tasks.config.job import CopyJob
from s3copy_tasks.config.load import load_job
from s3copy_tasks.dag.parameters import declare_parameters
from tests.support.airflow.stack import BIN, ROOT
from tests.support.s3.servers import READER, WRITER

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.s3.servers import Endpoint

pytestmark = pytest.mark.one_server

TEXT = (ROOT / "docs" / "four-modes.md").read_text()
SOURCE = ("level2/2026/01/a", "level2/2026/01/b", "level2/2026/02/c", "browse/d")
OLD = ("level2/2026/02/old", "level2/2026/02/older", "images/old")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The config, as a reader writes it."""
    (tmp_path / "copy_configs").mkdir()
    file = tmp_path / "copy_configs" / "granules.yaml"
    file.write_text(blocks("yaml")[0])
    return file


def test_the_requests(config: Path) -> None:
    """Each conf has only parameters that the job's Dag declares, and all of its modes are shown."""
    job = load_job(config)
    assert isinstance(job, CopyJob)
    confs = [json.loads(block)["conf"] for block in blocks("json")]
    named = {name for conf in confs for name in conf}
    assert named == {*declare_parameters(job)} - {"force", "dry_run", "manifest"}


def test_the_commands(clean_server: Endpoint, config: Path) -> None:
    """Sync, copy only, one folder, delete a folder, undo: in that order, on buckets with some old objects."""
    source, destination = clean_server.client(READER), clean_server.client(WRITER)
    source.create_bucket(Bucket="ops-granules")
    for bucket in ("partner-granules", "partner-results"):
        destination.create_bucket(Bucket=bucket)
    destination.put_bucket_versioning(
        Bucket="partner-granules", VersioningConfiguration={"Status": "Enabled"}
    )
    for key in SOURCE:
        source.put_object(Bucket="ops-granules", Key=key, Body=b"x")

    def put_old(*keys: str) -> None:
        for key in keys:
            destination.put_object(Bucket="partner-granules", Key=key, Body=b"old")

    def run(commands: str, **variables: str) -> list[str]:
        env = {**os.environ, **clean_server.connections(), "PATH": f"{BIN}:{os.environ['PATH']}", **variables}
        done = subprocess.run(
            ["bash", "-euc", commands],
            cwd=config.parents[1],
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return there()

    def there() -> list[str]:
        return sorted(
            row["Key"] for row in destination.list_objects_v2(Bucket="partner-granules").get("Contents", [])
        )

    copies = sorted(key.replace("browse/", "images/") for key in SOURCE)
    sync, copy_only, one_folder, delete_folder, undo = blocks("sh")
    run(copy_only)
    put_old(*OLD[::2])
    assert run(copy_only) == sorted([*copies, *OLD[::2]])
    assert run(sync) == copies
    put_old(OLD[1], OLD[2])
    assert run(one_folder) == sorted([*copies, OLD[2]])
    assert run(delete_folder) == sorted([copies[0], OLD[2], "level2/2026/02/c"])
    listed = destination.list_objects_v2(Bucket="partner-results", Prefix="copies/granules/")["Contents"]
    deletes = [row for row in listed if "/deletes-" in row["Key"]]
    run_id = max(deletes, key=lambda row: row["Key"].split("/")[2])["Key"].split("/")[2]
    assert run(undo, RUN=run_id) == sorted([*copies, OLD[2]])
