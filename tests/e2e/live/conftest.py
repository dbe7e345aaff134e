"""One Airflow for all tests of this folder: its start takes half a minute, and 30 seconds of CPU time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.faults.proxy import FaultProxy
from tests.support.airflow.jobs import Jobs
from tests.support.airflow.receivers import Gateway
from tests.support.airflow.stack import AirflowStack
from tests.support.s3.proxy import Proxy
from tests.support.s3.servers import Endpoint
from tests.support.s3.small_s3 import SmallS3
from tools import postgresql

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.airflow.databases import Settings


@pytest.fixture(scope="package")
def wire(server: Endpoint) -> Iterator[Proxy]:
    """The proxy through which Airflow's tasks reach the S3 server."""
    with Proxy(server.url) as proxy:
        yield proxy


@pytest.fixture(scope="package")
def small_wire() -> Iterator[FaultProxy]:
    """The proxy of small servers, with the connections `small_source` and `small_destination`."""
    with FaultProxy(SmallS3()) as proxy:
        yield proxy


@pytest.fixture(scope="package")
def gateway() -> Iterator[Gateway]:
    """The receiver of notifications, with the connection `ops_gateway`."""
    with Gateway() as gateway:
        yield gateway


@pytest.fixture(scope="package")
def airflow_database(request: pytest.FixtureRequest) -> Settings | None:
    """PostgreSQL, as in production; SQLite where that is not installed."""
    if postgresql.missing() is not None:
        return None
    settings: Settings = request.getfixturevalue("postgresql_server").copy()
    return settings


@pytest.fixture(scope="package")
def airflow(
    wire: Proxy,
    small_wire: FaultProxy,
    gateway: Gateway,
    airflow_database: Settings | None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[AirflowStack]:
    """A running Airflow with an empty folder of configs."""
    folder = tmp_path_factory.mktemp("airflow")
    configs = folder / "copy_configs"
    configs.mkdir()
    small = {
        name.replace("_AWS_", "_SMALL_"): value
        for name, value in Endpoint(small_wire.url).connections().items()
    }
    connections = Endpoint(wire.url).connections() | small | gateway.connections()
    with AirflowStack(folder / "home", configs, connections, airflow_database) as stack:
        yield stack


@pytest.fixture
def jobs(airflow: AirflowStack, server: Endpoint, wire: Proxy) -> Iterator[Jobs]:
    """Makes jobs with separate buckets, runs them, and deletes them at the end."""
    wire.forget()
    made = Jobs(airflow, server, Path(airflow.config_dir))
    yield made
    wire.answer = lambda request: None
    made.remove()
