"""One Airflow for all end-to-end tests, because its start takes half a minute."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.airflow.jobs import Jobs
from tests.support.airflow.receivers import Gateway
from tests.support.airflow.stack import AirflowStack
from tests.support.s3.proxy import Proxy
from tests.support.s3.servers import Endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def wire(server: Endpoint) -> Iterator[Proxy]:
    """The proxy through which Airflow's tasks reach the S3 server."""
    with Proxy(server.url) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def gateway() -> Iterator[Gateway]:
    """The receiver of notifications, with the connection `ops_gateway`."""
    with Gateway() as gateway:
        yield gateway


@pytest.fixture(scope="session")
def airflow(
    wire: Proxy, gateway: Gateway, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AirflowStack]:
    """A running Airflow with an empty folder of configs."""
    folder = tmp_path_factory.mktemp("airflow")
    configs = folder / "copy_configs"
    configs.mkdir()
    connections = Endpoint(wire.url).connections() | gateway.connections()
    with AirflowStack(folder / "home", configs, connections) as stack:
        yield stack


@pytest.fixture
def jobs(airflow: AirflowStack, server: Endpoint, wire: Proxy) -> Iterator[Jobs]:
    """Makes jobs with separate buckets, runs them, and deletes them at the end."""
    wire.forget()
    made = Jobs(airflow, server, Path(airflow.config_dir))
    yield made
    wire.answer = lambda request: None
    made.remove()
