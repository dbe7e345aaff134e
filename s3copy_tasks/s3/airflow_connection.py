"""Finds a side's Airflow connection, and checks it before the Amazon provider reads it.

Connections come from Airflow's own lookup (`AIRFLOW_CONN_<ID>`, a secrets backend, the database), so tasks,
the command line and tests find the same ones. Airflow is imported here, when a side connects.
"""

from __future__ import annotations

import json
import os
from threading import Lock
from typing import TYPE_CHECKING, Any

from s3copy_tasks.errors import AccessError, Code, ConfigError, CopyError, TransientError
from s3copy_tasks.s3.extra import find_problems
from s3copy_tasks.s3.quiet_logs import drop_tracebacks
from s3copy_tasks.s3.side_connection import SideConnection, describe

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from s3copy_tasks.core.job import Location
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
    from airflow.providers.amazon.aws.utils.connection_wrapper import (  # noqa: PLC0415 - slow
        AwsConnectionWrapper,
    )
    from airflow.sdk import Connection  # noqa: PLC0415 - slow

    drop_tracebacks()
    if place.connection is None:
        found = Connection(conn_id=f"s3copy_{side}", conn_type="aws")
        extra = _extra_of_role(place)
    else:
        with _LOOKUP:
            found = _look_up(place.connection, side)
        extra = _read_extra(found, place, side)
        problems = find_problems(extra, login=found.login, password=found.password)
        if problems:
            raise _wrong(place, side, "; ".join(problems))
    checked = Connection(
        conn_id=found.conn_id,
        conn_type=found.conn_type,
        login=found.login,
        password=found.password,
        extra=json.dumps(extra),
    )
    wrapper = AwsConnectionWrapper(conn=checked)
    wrapper.region_name = wrapper.region_name or place.region
    return SideConnection(side=side, location=place, wrapper=wrapper)


def _extra_of_role(place: Location) -> dict[str, Any]:
    extra: dict[str, Any] = {"region_name": place.region} if place.region else {}
    if place.role_arn:
        extra["role_arn"] = place.role_arn
    if place.external_id:
        extra["assume_role_kwargs"] = {"ExternalId": place.external_id}
    return extra


def _look_up(connection: str, side: str) -> Connection:
    from airflow.exceptions import AirflowNotFoundException  # type: ignore[attr-defined] # noqa: PLC0415 - slow
    from airflow.sdk import Connection  # noqa: PLC0415 - slow

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
        found: Connection = Connection.get(connection)
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
    return found


def _read_extra(found: Connection, place: Location, side: SideName) -> dict[str, Any]:
    """Return the fields of the extra that are not empty."""
    try:
        extra = json.loads(found.extra) if isinstance(found.extra, str) else found.extra
    except ValueError:
        raise _wrong(place, side, "it is not valid JSON") from None
    if extra is not None and not isinstance(extra, dict):
        raise _wrong(place, side, 'it must be a JSON object, such as {"role_arn": "arn:..."}')
    return {name: value for name, value in (extra or {}).items() if value not in (None, "")}


def _wrong(place: Location, side: SideName, problems: str) -> CopyError:
    msg = f"{side}: the extra of {describe(place)} is wrong: {problems}"
    return ConfigError(msg, code=Code.INVALID_CONFIG)
