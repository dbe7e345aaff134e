"""A worker that is killed during a multipart copy, in a real Airflow of any version."""

from __future__ import annotations

import os
import signal
import time
from threading import Event
from typing import TYPE_CHECKING

import pytest
import yaml

from tests.faults.proxy import Fault
from tests.support.builders.documents import document
from tests.support.s3.small_objects import Upload
from tests.support.s3.small_s3 import GIB, SmallS3

if TYPE_CHECKING:
    from tests.faults.proxy import FaultProxy, Forward
    from tests.support.airflow.jobs import Jobs
    from tests.support.airflow.stack import AirflowStack
    from tests.support.s3.proxy import Reply, Request

SOURCE, DESTINATION, KEY = "ops-granules", "partner-granules", "copy/large"
ANOTHER = "arn:aws:iam::444455556666:user/another"


class Held:
    """Holds the third part of the first attempt until its worker is dead."""

    def __init__(self) -> None:
        self.reached, self.killed = Event(), Event()
        self.fault = Fault("held", self._hold)

    def _hold(self, request: Request, forward: Forward) -> Reply:
        self.reached.set()
        self.killed.wait(120)
        return forward(request)


@pytest.fixture
def s3() -> SmallS3:
    """A source with one object that needs a multipart copy, and uploads of other origins."""
    s3 = SmallS3()
    s3.put(SOURCE, "data/large", 6 * GIB)
    s3.put(DESTINATION, "kept", 1)
    an_hour_ago = time.time() - 3_600
    s3.uploads["of another user"] = Upload(DESTINATION, KEY, time.time() + 60, {}, initiator=ANOTHER)
    s3.uploads["of another key"] = Upload(DESTINATION, "copy/larger", time.time() + 60, {})
    s3.uploads["of an earlier run"] = Upload(DESTINATION, KEY, an_hour_ago, {})
    return s3


@pytest.fixture
def held() -> Held:
    return Held()


@pytest.fixture
def proxy(s3: SmallS3, held: Held, small_wire: FaultProxy) -> FaultProxy:
    """Holds a request to that server."""
    small_wire.begin(s3)
    small_wire.add(held.fault, "UploadPartCopy", nth=3)
    return small_wire


@pytest.fixture
def dag_id(proxy: FaultProxy, jobs: Jobs) -> str:
    """A job for that object."""
    job = document(
        source={"bucket": SOURCE, "connection": "small_source"},
        destination={"bucket": DESTINATION, "connection": "small_destination"},
        prefixes=[{"source": "data/", "destination": "copy/"}],
        transfer={"concurrency": 1},
        failure={"retries": 1},
    )
    jobs.write("large.yaml", yaml.safe_dump(job))
    return "s3copy__large"


def test_a_retry_ends_the_upload_of_a_killed_worker(
    s3: SmallS3, held: Held, airflow: AirflowStack, dag_id: str
) -> None:
    """The object is copied, its first upload is aborted, and all other uploads are unchanged."""
    others = set(s3.uploads)
    airflow.wait_for_dag(dag_id)
    run_id = airflow.trigger(dag_id)
    airflow.until(held.reached.is_set, 120, "the third part")
    (left,) = set(s3.uploads) - others
    (batch,) = [row for row in airflow.tasks(dag_id, run_id) if row["task_id"] == "copy_batch"]
    os.kill(batch["pid"], signal.SIGKILL)
    held.killed.set()
    assert airflow.finish(dag_id, run_id) == "success"
    assert s3.contents(DESTINATION)[KEY].size == 6 * GIB
    assert left not in s3.uploads
    assert set(s3.uploads) == others
