"""Debian's PostgreSQL. `python -m tools.postgresql` installs it if it may."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from contextlib import closing, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tests.support.s3.servers.processes import tied
from tools.installing import install_debian

_PACKAGE = "postgresql"
_PROGRAMS = ("initdb", "postgres")
_DRIVERS = ("asyncpg", "psycopg2")
_SETTINGS = {
    "listen_addresses": "",  # it is reached by a socket in its own folder
    "dynamic_shared_memory_type": "mmap",  # in its folder, too
    "shared_buffers": "32MB",
    "autovacuum": "off",
    "fsync": "off",  # what tests write is thrown away
    "full_page_writes": "off",
    "synchronous_commit": "off",
}
_USER = "airflow"
_NO_RIGHTS = 65_534
"""The id of the user and of the group that own no files."""
_START_SECONDS = 30.0
_STOP_SECONDS = 30.0
_PAUSE_SECONDS = 0.05


def missing() -> str | None:
    """Return what is not installed, None if everything is."""
    names = [name for name in _PROGRAMS if _find_program(name) is None]
    return ", ".join([*names, *(name for name in _DRIVERS if find_spec(name) is None)]) or None


def _find_program(name: str) -> str | None:
    """Return the path of a program; Debian keeps those of the server in a folder for each version."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: path.parts[4].zfill(3))
    return str(found[-1]) if found else shutil.which(name)


class Cluster:
    """A server with its data and its socket in one folder that only its user can enter, so without passwords.

    Args:
        folder: an empty folder, or a copy of one that had a cluster; all folders above it can be entered.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._data = folder / "data"
        self._process: subprocess.Popen[bytes] | None = None

    def create(self) -> None:
        """Make a cluster without databases.

        Raises:
            CalledProcessError: it can't be made; `output` says why.
        """
        self._own()
        command = [str(_find_program("initdb")), "--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C"]
        command += [f"--username={_USER}", f"--pgdata={self._data}"]
        subprocess.run(command, check=True, capture_output=True, cwd=self._folder, **_as_server())

    def start(self) -> None:
        """Start the server and wait for it; it ends with this process, however that ends.

        Raises:
            RuntimeError: it ended, or did not start in time; the message has the end of its log.
        """
        self._own()
        settings = _SETTINGS | {"unix_socket_directories": str(self._folder)}
        options = [f"--{name}={value}" for name, value in settings.items()]
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [*tied("QUIT"), str(_find_program("postgres")), "-D", str(self._data), *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                start_new_session=True,
                **_as_server(),
            )
        deadline = time.monotonic() + _START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise RuntimeError(f"PostgreSQL did not start\n{(self._folder / 'log').read_text()[-2_000:]}")
            time.sleep(_PAUSE_SECONDS)

    def stop(self, *, save: bool = False) -> None:
        """End the server; `save` writes everything into its data folder before."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT if save else signal.SIGQUIT)
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_STOP_SECONDS)
        self._process.kill()
        self._process.wait()
        self._process = None

    def url(self, database: str) -> str:
        """Return a database's address for SQLAlchemy."""
        return f"postgresql+psycopg2://{_USER}@/{database}?host={self._folder}"

    def execute(self, statement: str) -> None:
        """Execute a statement that is in no transaction, such as CREATE DATABASE."""
        with closing(self._connect()) as connection:
            connection.autocommit = True
            connection.cursor().execute(statement)

    def _connect(self) -> Any:
        import psycopg2  # type: ignore[import-untyped] # noqa: PLC0415 - it may be missing

        return psycopg2.connect(host=str(self._folder), user=_USER, dbname="postgres")

    def _answers(self) -> bool:
        import psycopg2  # noqa: PLC0415 - it may be missing

        with suppress(psycopg2.OperationalError):
            self._connect().close()
            return True
        return False

    def _own(self) -> None:
        """Give the folder to the user of the server, who alone can enter it."""
        if os.geteuid() == 0:
            for path in (self._folder, *self._folder.rglob("*")):
                os.chown(path, *_server_ids(), follow_symlinks=False)
        self._folder.chmod(0o700)


def _as_server() -> dict[str, Any]:
    """Return arguments of `subprocess` for another user: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    user, group = _server_ids()
    return {"user": user, "group": group, "extra_groups": []}


def _server_ids() -> tuple[int, int]:
    try:
        user = pwd.getpwnam("postgres")
    except KeyError:
        return _NO_RIGHTS, _NO_RIGHTS
    return user.pw_uid, user.pw_gid


def main() -> None:
    """Install what is missing. If that is impossible, say so: the tests that need it are skipped."""
    if missing() is None:
        return
    sys.stdout.write(f"==> installing {_PACKAGE} for the tests of Airflow\n")
    try:
        install_debian((_PACKAGE,))
    except (RuntimeError, subprocess.CalledProcessError) as error:
        sys.stdout.write(f"==> {error}; the tests on PostgreSQL are skipped\n")


if __name__ == "__main__":
    main()
