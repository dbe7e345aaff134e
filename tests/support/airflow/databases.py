"""Airflow's metadata database for tests: SQLite or PostgreSQL, empty and migrated.

A migration takes 10 s, so it is done once for each version of Airflow, below build/.
"""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tools import postgresql

BIN = Path(sys.executable).parent
BUILD = Path(__file__).parents[3] / "build"
KINDS = SQLITE, POSTGRESQL = "sqlite", "postgresql"
_OPTION = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
_TEMPLATE = "airflow"

Settings = dict[str, str]
"""Environment variables that make Airflow use a database."""


def copy_sqlite(file: Path) -> Settings:
    """Return the settings of a new SQLite database."""
    shutil.copyfile(_cached("sqlite.db", _migrate_sqlite), file)
    return {_OPTION: f"sqlite:///{file}"}


class PostgreSQL:
    """A running server that copies an empty database as often as wanted; see `running_postgresql`."""

    def __init__(self, cluster: postgresql.Cluster) -> None:
        self._cluster = cluster
        self._numbers = itertools.count(1)

    @property
    def dsn(self) -> str:
        """The address of a database without tables, for psycopg2."""
        return self._cluster.url("postgres").replace("+psycopg2", "")

    def copy(self) -> Settings:
        """Return the settings of a new database."""
        name = f"{_TEMPLATE}_{next(self._numbers)}"
        self._cluster.execute(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE}")
        return {_OPTION: self._cluster.url(name)}


@contextmanager
def running_postgresql() -> Iterator[PostgreSQL]:
    """Run a server in a new folder; PostgreSQL is installed."""
    cached = _cached("postgresql", _migrate_postgresql)
    with _scratch() as folder:
        shutil.copytree(cached, folder, dirs_exist_ok=True)
        cluster = postgresql.Cluster(folder)
        cluster.start()
        try:
            yield PostgreSQL(cluster)
        finally:
            cluster.stop()


@contextmanager
def in_this_process(settings: Settings) -> Iterator[None]:
    """Let Airflow in this process use a database."""
    from airflow import settings as untyped  # noqa: PLC0415 - slow

    airflow: Any = untyped

    before = os.environ.get(_OPTION)
    os.environ |= settings
    airflow.configure_vars()
    airflow.reconfigure_orm()
    try:
        yield
    finally:
        airflow.dispose_orm()
        if before is None:
            del os.environ[_OPTION]
        else:
            os.environ[_OPTION] = before
        airflow.configure_vars()
        airflow.configure_orm()


def _cached(name: str, make: Callable[[Path], None]) -> Path:
    """Return this version's empty database below build/."""
    cached = BUILD / f"airflow-{version('apache-airflow-core')}-{name}"
    if not cached.exists():
        BUILD.mkdir(exist_ok=True)
        made = BUILD / f"{os.getpid()}-{name}"
        make(made)
        try:
            made.rename(cached)  # atomically: other processes may be making it, too
        except OSError:
            shutil.rmtree(made)
    return cached


def _migrate_sqlite(made: Path) -> None:
    _migrate({_OPTION: f"sqlite:///{made}"})


def _migrate_postgresql(made: Path) -> None:
    with _scratch() as folder:
        cluster = postgresql.Cluster(folder)
        cluster.create()
        cluster.start()
        try:
            cluster.execute(f"CREATE DATABASE {_TEMPLATE}")
            _migrate({_OPTION: cluster.url(_TEMPLATE)})
        finally:
            cluster.stop(save=True)
        shutil.copytree(folder / "data", made / "data")


def _migrate(settings: Settings) -> None:
    with TemporaryDirectory(prefix="s3copy-airflow-") as home:
        environment = {**os.environ, "AIRFLOW_HOME": home, **settings}
        command = [str(BIN / "airflow"), "db", "migrate"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"airflow db migrate: {done.stdout[-2000:]}{done.stderr[-2000:]}")


@contextmanager
def _scratch() -> Iterator[Path]:
    """Return a new folder that PostgreSQL's user can reach: `TMPDIR` may be private."""
    with TemporaryDirectory(prefix="s3copy-postgresql-", dir="/tmp") as folder:
        yield Path(folder)
