"""Runs end alike on each database of Airflow, whatever the keys are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from s3copy_tasks.dag.factory import build_dag
from tests.faults.proxy import FaultProxy
from tests.support.airflow.databases import KINDS
from tests.support.builders.documents import document, job_of, write
from tests.support.s3.servers.endpoint import DESTINATION_ACCOUNT, SOURCE_ACCOUNT, Endpoint
from tests.support.s3.small_s3 import SmallS3

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.conftest import DagResult, RunDag

pytestmark = [
    pytest.mark.one_server,
    pytest.mark.parametrize("database", KINDS, indirect=True, scope="module"),
]

SOURCE, DESTINATION = "s-bucket", "d-bucket"
KEYS = ["a\0", "b\0c", "d\n", "e\u241b0000", "f\u241b", "g" * 900, "🛰", "\ufffe", "\uffff\0"]


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallS3]:
    """A small server accepts any key that S3 accepts, such as those with NUL."""
    server = SmallS3(page_keys=2)
    server.owners.update({SOURCE: SOURCE_ACCOUNT, DESTINATION: DESTINATION_ACCOUNT})
    for key in KEYS:
        server.put(SOURCE, f"data/{key}", 10)
    with FaultProxy(server) as proxy:
        proxy.begin(server)
        for name, value in Endpoint(proxy.url).connections().items():
            monkeypatch.setenv(name, value)
        yield server


def run(run_dag: RunDag, folder: Path) -> DagResult:
    """Copy in batches of one object, so that each key is a border; two objects may fail."""
    config = document(
        source={"bucket": SOURCE, "connection": "aws_source"},
        destination={"bucket": DESTINATION, "connection": "aws_destination"},
        prefixes=[{"source": "data/", "destination": "copy/"}],
        transfer={"batch_objects": 1},
        failure={"retries": 0, "max_failed_objects": 2},
    )
    return run_dag(build_dag(job_of(write(folder, config))))


def test_any_key_may_be_a_border(s3: SmallS3, run_dag: RunDag, tmp_path: Path) -> None:
    """Keys with NUL, and others that a database may refuse, are copied, each in its batch."""
    done = run(run_dag, tmp_path)
    metrics = done.xcom("summarize", "metrics")
    assert done.state == "success"
    assert (metrics["files_copied_successfully"], metrics["errors"]) == (len(KEYS), [])
    assert set(s3.keys(DESTINATION)) == {f"copy/{key}" for key in KEYS}
    assert len(done.xcom("summarize", "batches")) == len(KEYS)


def test_any_key_may_fail(s3: SmallS3, run_dag: RunDag, tmp_path: Path) -> None:
    """Failed keys with NUL are counted and named; no batch's metrics are lost."""
    s3.behave(denied=("copy/a\0", "copy/b\0c"))
    done = run(run_dag, tmp_path)
    metrics = done.xcom("summarize", "metrics")
    assert (done.state, metrics["files_failed"], metrics["files_unknown"]) == ("success", 2, 0)
    assert metrics["errors_by_code"] == {"AccessDenied": 2}
    assert [error.partition(": ")[0] for error in metrics["errors"]] == ["data/a\\x00", "data/b\\x00c"]
