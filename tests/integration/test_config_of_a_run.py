"""The config of a run, as its first task pushes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from s3copy_tasks.dag.factory import build_dag
from tests.support.builders.documents import document, job_of, write

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.conftest import RunDag
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
