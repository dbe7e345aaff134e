"""A live Airflow on PostgreSQL, as production has it, and keys that its JSON refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.faults.proxy import FaultProxy
from tests.support.airflow.stack import AirflowStack
from tests.support.builders.documents import document, write
from tests.support.s3.servers.endpoint import DESTINATION_ACCOUNT, SOURCE_ACCOUNT, Endpoint
from tests.support.s3.small_s3 import SmallS3

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.airflow.databases import PostgreSQL

SOURCE, DESTINATION, DAG = "s-bucket", "d-bucket", "s3copy__odd"
KEYS = ["a\0", "b\0c", "c\n", "🛰\uffff"]


@pytest.fixture
def s3() -> SmallS3:
    """A small server accepts any key that S3 accepts; the second can't be written."""
    server = SmallS3()
    server.owners.update({SOURCE: SOURCE_ACCOUNT, DESTINATION: DESTINATION_ACCOUNT})
    for key in KEYS:
        server.put(SOURCE, f"data/{key}", 10)
    server.behave(denied=(f"copy/{KEYS[1]}",))
    return server


@pytest.fixture
def airflow(s3: SmallS3, postgresql_server: PostgreSQL, tmp_path: Path) -> Iterator[AirflowStack]:
    """A real Airflow with a job whose batches have one object each."""
    configs = tmp_path / "copy_configs"
    configs.mkdir()
    config = document(
        source={"bucket": SOURCE, "connection": "aws_source"},
        destination={"bucket": DESTINATION, "connection": "aws_destination"},
        prefixes=[{"source": "data/", "destination": "copy/"}],
        transfer={"batch_objects": 1},
        failure={"retries": 0},
    )
    write(configs, config, "odd.yaml")
    with FaultProxy(s3) as proxy:
        proxy.begin(s3)
        connections = Endpoint(proxy.url).connections()
        with AirflowStack(tmp_path / "home", configs, connections, postgresql_server.copy()) as stack:
            yield stack


def test_any_key_is_copied_counted_and_shown(s3: SmallS3, airflow: AirflowStack) -> None:
    """Keys with NUL border batches, and a failed one is named, also on the page; the next run copies it."""
    airflow.wait_for_dag(DAG)
    run_id = airflow.trigger(DAG)
    assert airflow.finish(DAG, run_id) == "failed"
    metrics = airflow.xcom(DAG, run_id, "summarize", "metrics")
    assert (metrics["files_copied_successfully"], metrics["files_failed"]) == (3, 1)
    assert (metrics["files_unknown"], metrics["errors_by_code"]) == (0, {"AccessDenied": 1})
    page = airflow.http.get(f"/s3copy/jobs/{DAG}")
    assert page.status_code == 200
    assert "data/b\\x00c" in page.text
    s3.behave()
    again = airflow.trigger(DAG)
    assert airflow.finish(DAG, again) == "success"
    assert set(s3.keys(DESTINATION)) == {f"copy/{key}" for key in KEYS}
    (event,) = airflow.get("assets/events", limit=100)["asset_events"]
    assert event["extra"]["files_copied_successfully"] == 1
