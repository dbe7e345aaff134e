"""Airflow gets a home of its own before anything imports it, and no Dags, examples or connections."""

from __future__ import annotations

import os
import tempfile
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

HOME = tempfile.TemporaryDirectory(prefix="s3copy-airflow-")
os.environ |= {
    "AIRFLOW_HOME": HOME.name,
    "AIRFLOW__CORE__DAGS_FOLDER": os.path.join(HOME.name, "dags"),  # noqa: PTH118
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY": "0",
    "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
    "AWS_EC2_METADATA_DISABLED": "true",
}

from tests.proxy import Proxy
from tests.servers import Endpoint, S3Server
from tests.sides import Sides

if TYPE_CHECKING:
    from collections.abc import Iterator


# A busy machine is slow, not wrong.
settings.register_profile("s3copy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("s3copy")


@pytest.fixture(scope="session")
def server() -> Iterator[Endpoint]:
    """One S3 server for all tests; each makes buckets of its own."""
    with S3Server() as endpoint:
        yield endpoint


@pytest.fixture
def proxy(server: Endpoint) -> Iterator[Proxy]:
    """A proxy before the server that remembers the requests."""
    with Proxy(server.url) as proxy:
        yield proxy


@pytest.fixture
def sides(server: Endpoint, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> Sides:
    """Two new buckets; the code under test reaches them through the proxy."""
    made = Sides(server, Endpoint(proxy.url))
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    return made
