"""The config of a run, as its first task pushes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from s3copy_tasks.dag.factory import build_dag
from tests.support.builders.documents import document, job_of, write

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import RunDag
    from tests.support.s3.proxy import Proxy
    from tests.support.s3.sides import Sides


@pytest.mark.one_server
def test_the_config_is_pushed_before_any_check_can_fail(
    sides: Sides, run_dag: RunDag, tmp_path: Path
) -> None:
    """A run that preflight refuses has its values with file and line, too: they are what has to be fixed."""
    wrong = document(source={"bucket": "no-such-bucket", "connection": "aws_source"}, failure={"retries": 0})
    job = job_of(write(tmp_path, wrong))
    done = run_dag(build_dag(job))
    assert done.states["preflight", -1] == "failed"
    pushed = done.xcom("preflight", "config")
    assert (pushed["digest"], pushed["file"]) == (job.digest, "job.yaml")
    rows = {row["path"]: (row["value"], row["origin"], row["line"]) for row in pushed["values"]}
    assert rows["source.bucket"] == ("no-such-bucket", "job file", 3)
    assert rows["overwrite"] == ("changed", "schema default", None)


@pytest.mark.one_server
def test_a_mirror_is_refused_where_another_job_copies_to(
    sides: Sides, proxy: Proxy, run_dag: RunDag, tmp_path: Path
) -> None:
    """The folder is read again in each run, so a job that was added since is found before any request."""
    content = document(mirror={"max_deleted_objects": 1}, failure={"retries": 0})
    job = job_of(write(tmp_path, content))
    below = [{"source": "other/", "destination": "backup/daily/other/"}]
    write(tmp_path, document(prefixes=below), "other.yaml")
    done = run_dag(build_dag(job))
    assert (done.states["preflight", -1], proxy.requests) == ("failed", [])
    (error,) = done.xcom("summarize", "metrics")["errors"]
    assert "InvalidConfig after 1 attempt: " in error
    assert "the job 'other' copies to" in error
