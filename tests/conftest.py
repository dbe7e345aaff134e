"""Airflow gets an empty home before it is imported, without Dags, examples or connections."""

from __future__ import annotations

import os
import signal
import tempfile
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

HOME = tempfile.TemporaryDirectory(prefix="s3copy-airflow-")
os.environ |= {
    "AIRFLOW_HOME": HOME.name,
    "AIRFLOW__CORE__DAGS_FOLDER": os.path.join(HOME.name, "dags"),  # noqa: PTH118
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__CORE__DEFAULT_TASK_RETRY_DELAY": "0",
    "AIRFLOW__CORE__MIN_SERIALIZED_DAG_UPDATE_INTERVAL": "0",  # each test has a Dag of its own
    "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
    "AWS_EC2_METADATA_DISABLED": "true",
}

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell that starts pytest with & makes it ignored

from tests.support.airflow.databases import (
    KINDS,
    POSTGRESQL,
    SQLITE,
    PostgreSQL,
    Settings,
    copy_sqlite,
    running_postgresql,
)
from tests.support.airflow.masking import forget_secrets
from tests.support.s3.proxy import Proxy
from tests.support.s3.servers import DEFAULT, SERVERS, Endpoint, lacks, running
from tests.support.s3.sides import Sides
from tools import postgresql

if TYPE_CHECKING:
    from collections.abc import Iterator


# A busy machine is slow: that is not a failure. Half of Hypothesis' usual examples are enough for each run.
settings.register_profile(
    "s3copy", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("s3copy")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let the caller choose the server of tests/integration, and the database of Airflow."""
    text = "the S3 server that tests/integration runs on: docs/design/servers.md"
    parser.addoption("--s3-server", choices=SERVERS, default=DEFAULT, help=text)
    text = "the database of Airflow; by default PostgreSQL where it is installed"
    default = SQLITE if postgresql.missing() else POSTGRESQL
    parser.addoption("--database", choices=KINDS, default=default, help=text)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Return one more than there are cores: tests of a live Airflow wait for half of their time."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With `--dist loadfile`, keep together what shares a live Airflow, too."""
    if config.getoption("dist") != "loadfile":
        return None
    from tests.support.airflow.scheduling import OneAirflowScheduling  # noqa: PLC0415 - needs xdist

    return OneAirflowScheduling(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """On a server other than the default, leave out tests that do not depend on the server."""
    if config.getoption("--s3-server") == DEFAULT:
        return
    deselected = [
        item
        for item in items
        if "server" not in getattr(item, "fixturenames", ()) or item.get_closest_marker("one_server")
    ]
    config.hook.pytest_deselected(items=deselected)
    items[:] = [item for item in items if item not in deselected]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test that needs something that the server can't do."""
    name = item.config.getoption("--s3-server")
    for mark in item.iter_markers("needs"):
        for ability in mark.args:
            reason = lacks(name, ability)
            if reason is not None:
                pytest.skip(f"{name}: {reason}")


def pytest_runtest_teardown() -> None:
    """Each test has secrets of its own."""
    forget_secrets()


@pytest.fixture(scope="session")
def server(pytestconfig: pytest.Config) -> Iterator[Endpoint]:
    """One S3 server for all tests; each test makes its own buckets."""
    with running(pytestconfig.getoption("--s3-server")) as endpoint:
        yield endpoint


@pytest.fixture
def clean_server(server: Endpoint) -> Iterator[Endpoint]:
    """The server without buckets that pages name: other tests use the same names, and leave them there."""
    _delete_named_buckets(server)
    yield server
    _delete_named_buckets(server)


def _delete_named_buckets(server: Endpoint) -> None:
    for client in server.owner_clients():
        for name in (row["Name"] for row in client.list_buckets()["Buckets"]):
            if name.startswith(("ops-", "partner-")):
                found = client.list_object_versions(Bucket=name)
                for row in [*found.get("Versions", ()), *found.get("DeleteMarkers", ())]:
                    client.delete_object(Bucket=name, Key=row["Key"], VersionId=row["VersionId"])
                client.delete_bucket(Bucket=name)


@pytest.fixture
def proxy(server: Endpoint) -> Iterator[Proxy]:
    """A proxy in front of the server that remembers the requests."""
    with Proxy(server.url) as proxy:
        yield proxy


@pytest.fixture
def sides(server: Endpoint, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> Sides:
    """Two new buckets; the code under test reaches them through the proxy."""
    made = Sides(server, server.behind(proxy.url))
    for name, value in made.environment.items():
        monkeypatch.setenv(name, value)
    return made


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgreSQL]:
    """One PostgreSQL server for all tests; each of them gets its own database."""
    missing = postgresql.missing()
    if missing is not None:
        pytest.skip(f"not installed: {missing}; `python -m tools.postgresql` installs it")
    with running_postgresql() as server:
        yield server


@pytest.fixture(scope="module")
def database(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """An empty database of Airflow; Airflow in this process does not use it yet."""
    kind = getattr(request, "param", request.config.getoption("--database"))
    if kind == SQLITE:
        return copy_sqlite(tmp_path_factory.mktemp("database") / "airflow.db")
    server: PostgreSQL = request.getfixturevalue("postgresql_server")
    return server.copy()
