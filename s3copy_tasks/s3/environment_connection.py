"""Airflow connections in the environment, read as Airflow reads them, without its import of a second.

Whatever is in doubt is left to Airflow: then there is one answer, and its errors are Airflow's.
"""

from __future__ import annotations

import json
import os
import sys
from configparser import ConfigParser, Error
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlsplit

from s3copy_tasks.s3.extra import ASSUME_ROLE

_TYPE = "aws"
_IN_A_URI = "__extra__"
_OF_A_TEAM = "___"
"""With several teams, Airflow does not read such a connection from a variable."""
_FIELDS = {"conn_type", "description", "extra", "host", "login", "password", "port", "schema"}
_BACKENDS = (("secrets", "backend"), ("workers", "secrets_backend"))
"""Options of Airflow, which asks a secrets backend before it reads the environment."""


class StoredConnection(NamedTuple):
    """An Airflow connection.

    Attributes:
        login: None if there is none.
        password: like `login`.
        extra: what was given: an object, or anything else that is wrong.
    """

    login: str | None
    password: str | None
    extra: Any

    def __repr__(self) -> str:
        """Return a text without secrets."""
        return "StoredConnection(***)"


def read_environment(name: str) -> StoredConnection | None:
    """Return a connection of `AIRFLOW_CONN_<NAME>`.

    Returns:
        None if only Airflow can say what it is: it is elsewhere, or perhaps a secrets backend has it; it is
        of an unusual form; its role is assumed by the Amazon provider; or Airflow is imported already, as in
        a task, where it also masks what it reads in logs.
    """
    value = os.environ.get(f"AIRFLOW_CONN_{name.upper()}", "").strip()
    if not value or _OF_A_TEAM in name or "airflow" in sys.modules or _may_have_backend():
        return None
    try:
        found = parse_connection(value)
    except (ValueError, TypeError, AttributeError):
        return None
    return found if found.extra.get("assume_role_method", ASSUME_ROLE) == ASSUME_ROLE else None


def parse_connection(value: str) -> StoredConnection:
    """Return a connection of type aws from a URI or JSON.

    Raises:
        ValueError: it is another type, or wrong, or so unusual that Airflow should read it.
    """
    found = _parse_json(value) if value.startswith("{") else _parse_uri(value)
    if not isinstance(found.extra, dict) or not all(
        isinstance(text, str | None) for text in (found.login, found.password)
    ):
        raise ValueError(_TYPE)
    return found


def _parse_json(value: str) -> StoredConnection:
    fields = json.loads(value)
    if fields.keys() - _FIELDS or fields.get("conn_type") != _TYPE:
        raise ValueError(_TYPE)
    int(fields.get("port") or 0)
    extra = fields.get("extra") or {}
    parsed = json.loads(extra) if isinstance(extra, str) else extra
    return StoredConnection(fields.get("login"), fields.get("password"), parsed)


def _parse_uri(value: str) -> StoredConnection:
    if not value.startswith(f"{_TYPE}://") or value.count("://") != 1:
        raise ValueError(_TYPE)
    uri = urlsplit(value)
    _ = uri.port  # it raises if it is not a number
    extra: Any = dict(parse_qsl(uri.query, keep_blank_values=True))
    if _IN_A_URI in extra:
        extra = json.loads(extra[_IN_A_URI] or "{}")
    return StoredConnection(_unquote(uri.username), _unquote(uri.password), extra)


def _unquote(text: str | None) -> str | None:
    return unquote(text) if text else text


def _may_have_backend() -> bool:
    """Say whether Airflow may be configured to ask a secrets backend."""
    variables = tuple(f"AIRFLOW__{section}__{option}".upper() for section, option in _BACKENDS)
    if any(value and name.startswith(variables) for name, value in os.environ.items()):
        return True
    return _names_backend(_config_file())


@cache
def _names_backend(config: Path) -> bool:
    """Say whether a file of Airflow's options names a secrets backend, or can't be read here."""
    options = ConfigParser(strict=False, interpolation=None)
    try:
        options.read_string(config.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError, Error):  # Airflow will say what is wrong with it
        return True
    return any(
        value and name.startswith(option)
        for section, option in _BACKENDS
        if options.has_section(section)
        for name, value in options.items(section)
    )


def _config_file() -> Path:
    home = os.environ.get("AIRFLOW_HOME") or "~/airflow"
    file = os.environ.get("AIRFLOW_CONFIG") or os.path.join(home, "airflow.cfg")  # noqa: PTH118 - below a variable
    return Path(os.path.expandvars(file)).expanduser()
