"""The importer in a running Airflow 3.4: a bundle of YAML files.

The Dag processor lists the bundle, and reads each of its files, every 5 seconds.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from s3copy_tasks.dag.airflow_versions import HAS_IMPORTERS
from tests.support.airflow.api import AirflowApi
from tests.support.airflow.imported import bundles
from tests.support.airflow.jobs import Jobs
from tests.support.airflow.stack import VIEWER, AirflowStack
from tests.support.s3.servers import Endpoint

if TYPE_CHECKING:
    from tests.support.airflow.jobs import Job

pytestmark = pytest.mark.skipif(not HAS_IMPORTERS, reason="Airflow has importers since 3.4")

FIVE = {f"data/{i}": b"x" * i for i in range(5)}
BROKEN = """\
version: 1
source: {bucket: ops-granules}
destination:
  buckt: partner-granules
objects:
  - source: a
    destination: b
"""
MISNAMED = """\
broken.yaml:4:3: destination: unknown field 'buckt'. Did you mean 'bucket'? [unknown-field]
     4 |   buckt: partner-granules
       |   ^
"""
SECONDS = 60


@pytest.fixture(scope="module")
def importing(server: Endpoint, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AirflowStack]:
    """An Airflow with the bundles in docs/importer.md, and with the Dag files of dags/."""
    folder = tmp_path_factory.mktemp("importing")
    configs = folder / "copy_configs"
    configs.mkdir()
    option = {"AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps(bundles(configs))}
    with AirflowStack(folder / "home", configs, server.connections() | option) as stack:
        yield stack


@pytest.fixture
def jobs(importing: AirflowStack, server: Endpoint) -> Iterator[Jobs]:
    """Makes jobs in the bundle's folder."""
    made = Jobs(importing, server, importing.config_dir)
    yield made
    made.remove()


def errors(airflow: AirflowStack) -> dict[tuple[str, str], str]:
    """Return the import errors by bundle and file."""
    found = airflow.get("importErrors")["import_errors"]
    return {(error["bundle_name"], error["filename"]): error["stack_trace"] for error in found}


def files(airflow: AirflowStack) -> dict[str, str]:
    """Return the file of each Dag, relative to its bundle, by Dag id."""
    return {dag["dag_id"]: dag["relative_fileloc"] for dag in airflow.get("dags", limit=100)["dags"]}


def owners(airflow: AirflowStack, job: Job) -> list[str]:
    found: list[str] = airflow.get(f"dags/{job.dag_id}")["owners"]
    return found


def code(airflow: AirflowStack, job: Job) -> str:
    """Return what the Code tab shows."""
    reply = airflow.http.get(f"/api/v2/dagSources/{job.dag_id}", headers={"Accept": "application/json"})
    reply.raise_for_status()
    return str(reply.json()["content"])


def test_a_bundle_of_configs(jobs: Jobs, importing: AirflowStack) -> None:
    """With three jobs and an invalid file, each job is a Dag, each error is separate, and a job runs."""
    made = [jobs.make(FIVE) for _ in range(3)]
    jobs.write("broken.yaml", BROKEN)
    for job in made:
        importing.wait_for_dag(job.dag_id)
    importing.until(lambda: len(errors(importing)) > 1, SECONDS, "import errors")
    found = errors(importing)
    assert set(found) == {("copy_configs", "broken.yaml"), ("dags-folder", "s3copy_config_errors.py")}
    assert f"{jobs.folder}/{MISNAMED.rstrip()}" in found["copy_configs", "broken.yaml"]
    assert "copy jobs come from the importer of" in found["dags-folder", "s3copy_config_errors.py"]
    assert files(importing) == {job.dag_id: f"{job.name}.yaml" for job in made}
    assert code(importing, made[0]) == (jobs.folder / f"{made[0].name}.yaml").read_text()

    run = made[0].run()
    assert (run.state, run.metrics["files_copied_successfully"]) == ("success", 5)
    assert made[0].copied() == made[0].expected()

    jobs.write("_defaults.yaml", "owner: data-ops\n")
    importing.until(
        lambda: all(owners(importing, job) == ["data-ops"] for job in made), SECONDS, "the defaults"
    )
    jobs.write("broken.yaml", BROKEN.replace("buckt", "bucket"))
    importing.wait_for_dag("s3copy__broken")
    importing.until(lambda: ("copy_configs", "broken.yaml") not in errors(importing), SECONDS, "the fix")


@pytest.fixture
def viewer(importing: AirflowStack) -> Iterator[AirflowApi]:
    """A user who may read every Dag, but is not an admin."""
    api = AirflowApi(importing.url)
    api.log_in(VIEWER, importing.passwords[VIEWER])
    yield api
    api.close()


def invalid(user: AirflowApi) -> set[str]:
    """Return the files of invalid configs on the page of all copy jobs."""
    reply = user.http.get("/s3copy/jobs")
    reply.raise_for_status()
    return set(re.findall(r"<li>\s*<p><b><bdi>(.*?)</bdi>", reply.text))


def test_the_page_shows_errors_by_airflows_rule(
    jobs: Jobs, importing: AirflowStack, viewer: AirflowApi
) -> None:
    """Users who may read the Dag of a config see its error; for a config without a Dag, only admins do."""
    job = jobs.make(FIVE)
    importing.wait_for_dag(job.dag_id)
    job.write(overwrite="newer")
    jobs.write("never.yaml", BROKEN)
    importing.until(
        lambda: invalid(importing) == {"never.yaml", f"{job.name}.yaml"}, SECONDS, "both on the page"
    )
    assert invalid(viewer) == {f"{job.name}.yaml"}
