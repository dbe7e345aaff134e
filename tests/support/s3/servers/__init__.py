"""S3 servers with STS on loopback, two accounts with a bucket each, and Airflow's connections to them."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Protocol

from tests.support.s3.servers import ceph, localstack, moto
from tests.support.s3.servers.abilities import ABILITIES
from tests.support.s3.servers.endpoint import DESTINATION_ACCOUNT, READER, SOURCE_ACCOUNT, WRITER, Endpoint
from tests.support.s3.servers.moto import S3Server, contents, put_many, written

__all__ = [
    "DEFAULT",
    "DESTINATION_ACCOUNT",
    "READER",
    "SERVERS",
    "SOURCE_ACCOUNT",
    "WRITER",
    "Endpoint",
    "S3Server",
    "contents",
    "lacks",
    "put_many",
    "running",
    "written",
]


class Server(Protocol):
    """The interface of a server's module."""

    LACKS: Mapping[str, str]

    def missing(self) -> str | None:
        """Return what is not installed, None if nothing is missing."""

    def install(self) -> None:
        """Install what is missing."""

    def running(self) -> AbstractContextManager[Endpoint]:
        """Return a context manager in which the server runs."""


SERVERS: dict[str, Server] = {"moto": moto, "ceph": ceph, "localstack": localstack}
DEFAULT = "moto"


def running(name: str) -> AbstractContextManager[Endpoint]:
    """Return a context manager in which the server runs.

    Raises:
        RuntimeError: it is not installed.
    """
    module = SERVERS[name]
    missing = module.missing()
    if missing is not None:
        raise RuntimeError(f"{name} is not installed ({missing}): make test-servers ARGS={name} does that")
    return module.running()


def lacks(name: str, ability: str) -> str | None:
    """Return why a server can't do something, None if it can.

    Raises:
        KeyError: the ability is unknown.
    """
    if ability not in ABILITIES:
        raise KeyError(f"tests/support/s3/servers/abilities.py does not have {ability!r}")
    return SERVERS[name].LACKS.get(ability)
