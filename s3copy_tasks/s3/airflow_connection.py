"""Finds a side's Airflow connection, and checks what it says.

Connections are those that Airflow's own lookup finds (`AIRFLOW_CONN_<ID>`, a secrets backend, the database):
tasks, the command line and tests find the same ones. Airflow is imported here, if only it can look one up.
"""

from __future__ import annotations

import json
import os
from threading import Lock
from typing import TYPE_CHECKING, Any

from s3copy_tasks.errors import AccessError, Code, ConfigError, CopyError, TransientError
from s3copy_tasks.s3.environment_connection import StoredConnection, read_environment
from s3copy_tasks.s3.extra import find_problems
from s3copy_tasks.s3.quiet_logs import drop_tracebacks
from s3copy_tasks.s3.settings import Settings
from s3copy_tasks.s3.side_connection import SideConnection, describe

if TYPE_CHECKING:
    from s3copy_tasks.core.location import Location
    from s3copy_tasks.s3.side_connection import SideName

_LOOKUP = Lock()
"""Both sides connect concurrently, and `airflow dags test` mixes up its answers to two threads."""


def read_connection(place: Location, side: SideName) -> SideConnection:
    """Return the connection of a side; a role in the YAML, or the environment's credentials, are one, too.

    Raises:
        AccessError: Airflow does not have it.
        ConfigError: it can't work; the message names each wrong field and what belongs there.
        TransientError: Airflow could not look it up.
    """
    if place.connection is None:
        settings = Settings(name=f"s3copy_{side}", extra=_extra_of_role(place))
    else:
        found = read_environment(place.connection) or _ask_airflow(place.connection, side)
        extra = _read_extra(found.extra, place, side)
        problems = find_problems(extra, login=found.login, password=found.password)
        if problems:
            raise _wrong(place, side, "; ".join(problems))
        extra = {"region_name": place.region} | extra
        settings = Settings(name=place.connection, login=found.login, password=found.password, extra=extra)
    return SideConnection(side=side, location=place, settings=settings)


def needs_airflow(place: Location) -> bool:
    """Say whether a side imports Airflow when it connects."""
    return place.connection is not None and read_environment(place.connection) is None


def _extra_of_role(place: Location) -> dict[str, Any]:
    extra: dict[str, Any] = {"region_name": place.region}
    if place.role_arn:
        extra["role_arn"] = place.role_arn
    if place.external_id:
        extra["assume_role_kwargs"] = {"ExternalId": place.external_id}
    return extra


def _ask_airflow(connection: str, side: str) -> StoredConnection:
    from airflow.exceptions import AirflowNotFoundException  # type: ignore[attr-defined] # noqa: PLC0415 - slow
    from airflow.sdk import Connection  # noqa: PLC0415 - slow

    drop_tracebacks()
    variable = f"AIRFLOW_CONN_{connection.upper()}"
    value = os.environ.get(variable, "").lstrip()
    unusable = AccessError(
        f"{side}.connection: {variable} is set, but is not a connection as JSON or URI; "
        "in a URI, a secret is percent-encoded",
        code=Code.CREDENTIALS,
    )
    if value and not value.startswith("{") and "://" not in value:
        raise unusable
    try:
        with _LOOKUP:
            found = Connection.get(connection)
    except (AirflowNotFoundException, ImportError):  # Airflow 3.0 can't ask outside of a task
        if value:
            raise unusable from None
        msg = (
            f"{side}.connection: Airflow has no connection {connection!r} here. "
            "Tasks find one in its database (airflow connections add), the command line in "
            f"{variable} or a secrets backend"
        )
        raise AccessError(msg, code=Code.CREDENTIALS) from None
    except Exception as error:  # noqa: BLE001 - a secrets backend, or Airflow's API server
        msg = (
            f"{side}.connection: Airflow could not look up {connection!r}: {type(error).__name__} was raised"
        )
        raise TransientError(msg, code=type(error).__name__) from None
    _ = found.extra_dejson  # so that Airflow masks its values in logs
    return StoredConnection(found.login, found.password, found.extra)


def _read_extra(given: Any, place: Location, side: SideName) -> dict[str, Any]:
    """Return the fields of the extra that are not empty."""
    try:
        extra = json.loads(given) if isinstance(given, str) else given
    except ValueError:
        raise _wrong(place, side, "it is not valid JSON") from None
    if extra is not None and not isinstance(extra, dict):
        raise _wrong(place, side, 'it must be a JSON object, such as {"role_arn": "arn:..."}')
    return {name: value for name, value in (extra or {}).items() if value not in (None, "")}


def _wrong(place: Location, side: SideName, problems: str) -> CopyError:
    msg = f"{side}: the extra of {describe(place)} is wrong: {problems}"
    return ConfigError(msg, code=Code.INVALID_CONFIG)
