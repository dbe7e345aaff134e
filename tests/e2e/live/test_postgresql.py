"""A live Airflow on PostgreSQL, as production has it, and keys that its JSON refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from tests.support.builders.documents import document
from tests.support.s3.servers.endpoint import DESTINATION_ACCOUNT, SOURCE_ACCOUNT
from tests.support.s3.small_s3 import SmallS3
from tools import postgresql

if TYPE_CHECKING:
    from tests.faults.proxy import FaultProxy
    from tests.support.airflow.jobs import Jobs
    from tests.support.airflow.stack import AirflowStack

pytestmark = pytest.mark.skipif(postgresql.missing() is not None, reason="PostgreSQL is not installed")

SOURCE, DESTINATION = "s-bucket", "d-bucket"
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
def dag_id(s3: SmallS3, small_wire: FaultProxy, jobs: Jobs) -> str:
    """A job whose batches have one object each."""
    small_wire.begin(s3)
    job = document(
        source={"bucket": SOURCE, "connection": "small_source"},
        destination={"bucket": DESTINATION, "connection": "small_destination"},
        prefixes=[{"source": "data/", "destination": "copy/"}],
        transfer={"batch_objects": 1},
        failure={"retries": 0},
    )
    jobs.write("odd.yaml", yaml.safe_dump(job))
    return "s3copy__odd"


def test_any_key_is_copied_counted_and_shown(s3: SmallS3, airflow: AirflowStack, dag_id: str) -> None:
    """Keys with NUL border batches, and a failed one is named, also on the page; the next run copies it."""
    airflow.wait_for_dag(dag_id)
    run_id = airflow.trigger(dag_id)
    assert airflow.finish(dag_id, run_id) == "failed"
    metrics = airflow.xcom(dag_id, run_id, "summarize", "metrics")
    assert (metrics["files_copied_successfully"], metrics["files_failed"]) == (3, 1)
    assert (metrics["files_unknown"], metrics["errors_by_code"]) == (0, {"AccessDenied": 1})
    page = airflow.http.get(f"/s3copy/jobs/{dag_id}")
    assert page.status_code == 200
    assert "data/b\\x00c" in page.text
    s3.behave()
    again = airflow.trigger(dag_id)
    assert airflow.finish(dag_id, again) == "success"
    assert set(s3.keys(DESTINATION)) == {f"copy/{key}" for key in KEYS}
    events = airflow.get("assets/events", limit=100)["asset_events"]
    (event,) = [event for event in events if event["source_dag_id"] == dag_id]
    assert event["extra"]["files_copied_successfully"] == 1
