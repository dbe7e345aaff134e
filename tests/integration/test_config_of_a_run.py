"""What a run's first task tells of the config that the run goes by."""

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
def test_the_config_is_told_before_anything_can_refuse_it(
    sides: Sides, run_dag: RunDag, tmp_path: Path
) -> None:
    """Also a run that preflight refuses has its values with file and line: they are what must be mended."""
    wrong = document(source={"bucket": "no-such-bucket", "connection": "aws_source"}, failure={"retries": 0})
    job = job_of(write(tmp_path, wrong))
    done = run_dag(build_dag(job))
    assert done.states["preflight", -1] == "failed"
    pushed = done.xcom("preflight", "config")
    assert (pushed["digest"], pushed["file"]) == (job.digest, "job.yaml")
    rows = {row["path"]: (row["value"], row["origin"], row["line"]) for row in pushed["values"]}
    assert rows["source.bucket"] == ("no-such-bucket", "job file", 3)
    assert rows["overwrite"] == ("changed", "schema default", None)
