"""Connections in the environment are read as Airflow reads them, or are left to Airflow."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from airflow.sdk import Connection
from hypothesis import example, given
from hypothesis import strategies as st

from s3copy_tasks.s3.environment_connection import parse_connection

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | TEXT,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(TEXT, inner, max_size=2),
    max_leaves=5,
)
EXTRA = st.dictionaries(st.sampled_from(["role_arn", "region_name", "x y", "assume_role_kwargs"]), JSON)
COMPARED = pytest.mark.skipif(
    not hasattr(Connection, "from_uri"),
    reason="Airflow before 3.2 reads them with the class that its database has",
)
ROLE = "arn:aws:iam::111122223333:role/reader"


def read_by_airflow(value: str) -> Connection:
    read = Connection.from_json if value.startswith("{") else Connection.from_uri
    return read(value, conn_id="src")


def check(value: str) -> None:
    """Check that a connection is what Airflow makes of it."""
    found, expected = parse_connection(value), read_by_airflow(value)
    assert (found.login, found.password) == (expected.login, expected.password)
    assert found.extra == expected.extra_dejson


@COMPARED
@given(
    key=st.none() | st.tuples(TEXT, TEXT),
    host=st.sampled_from(["", "host", "host:443", "[::1]:9000", "Host%2Fx"]),
    path=st.sampled_from(["", "/", "/schema"]),
    extra=st.dictionaries(TEXT, TEXT, max_size=4) | EXTRA,
    nested=st.booleans(),
)
def test_a_uri(
    key: tuple[str, str] | None, host: str, path: str, extra: dict[str, Any], *, nested: bool
) -> None:
    """Login and password are percent-encoded; the extra is the query, or JSON in `__extra__`."""
    login = "" if key is None else f"{quote(key[0], safe='')}:{quote(key[1], safe='')}@"
    query = {"__extra__": json.dumps(extra)} if nested else extra
    check(f"aws://{login}{host}{path}" + (f"?{urlencode(query)}" if query else ""))


@COMPARED
@given(
    fields=st.fixed_dictionaries(
        {},
        optional={
            "login": st.none() | TEXT,
            "password": st.none() | TEXT,
            "host": st.none() | TEXT,
            "schema": st.none() | TEXT,
            "description": st.none() | TEXT,
            "port": st.sampled_from([None, "", 0, 443, "443"]),
        },
    ),
    extra=st.none() | EXTRA,
    as_text=st.booleans(),
)
def test_json(fields: dict[str, Any], extra: dict[str, Any] | None, *, as_text: bool) -> None:
    """The extra of JSON is an object, or an object as text."""
    given_extra = json.dumps(extra) if as_text and extra is not None else extra
    check(json.dumps({"conn_type": "aws", **fields, "extra": given_extra}))


@COMPARED
@given(
    value=st.text(alphabet='aws:/@?#&=%{}[]"_12', max_size=40).map(lambda text: text.strip())
    | st.text(alphabet="k:@/?#&=%[]2F ", max_size=30).map(lambda text: f"aws://{text}".strip())
)
@example("aws://k:p@/?endpoint_url=https://s3.example.org")
@example("aws://k:p@:port/")
@example("{}")
@example('{"conn_type": "aws", "login": 5}')
@example('{"conn_type": "aws", "extra": "[1]"}')
@example('{"conn_type": "aws", "unknown": 1}')
@example('{"conn_type": "aws", "port": "x"}')
@example('{"conn_type": "aws", "port": []}')
def test_any_text(value: str) -> None:
    """Whatever is not left to Airflow is what Airflow makes of it."""
    try:
        parse_connection(value)
    except (ValueError, TypeError, AttributeError):
        return
    check(value)


FOUND = {
    "a URI": ("aws://AKIA:s%2Fcret@/?region_name=us-east-1", {"region_name": "us-east-1"}),
    "a URI without keys": (f"aws://?{urlencode({'role_arn': ROLE})}", {"role_arn": ROLE}),
    "a URI with JSON": (
        f"aws://?{urlencode({'__extra__': json.dumps({'verify': False})})}",
        {"verify": False},
    ),
    "JSON": (json.dumps({"conn_type": "aws", "extra": {"role_arn": ROLE}}), {"role_arn": ROLE}),
    "JSON in JSON": (json.dumps({"conn_type": "aws", "extra": '{"verify": false}'}), {"verify": False}),
    "nothing but the type": ('{"conn_type": "aws"}', {}),
}


@pytest.mark.parametrize(("value", "extra"), FOUND.values(), ids=FOUND)
def test_forms_that_need_no_airflow(value: str, extra: dict[str, Any]) -> None:
    """The forms that Airflow's documentation shows are not left to Airflow."""
    assert parse_connection(value).extra == extra


def test_a_connection_does_not_show_its_secrets() -> None:
    """Its text may be in a traceback."""
    assert "hunter2" not in repr(parse_connection("aws://AKIA:hunter2@/?aws_session_token=hunter2"))


CONNECTION = {"AIRFLOW_CONN_SRC": "aws://"}
BACKEND = "a.b.Backend"
# Variables, airflow.cfg, and whether Airflow is asked.
ASKED: dict[str, tuple[dict[str, str], str | None, bool]] = {
    "a variable": (CONNECTION, None, False),
    "no variable": ({}, None, True),
    "an empty variable": ({"AIRFLOW_CONN_SRC": " "}, None, True),
    "a broken variable": ({"AIRFLOW_CONN_SRC": "hello"}, None, True),
    "another type": ({"AIRFLOW_CONN_SRC": "http://host"}, None, True),
    "a web identity": (
        {"AIRFLOW_CONN_SRC": "aws://?role_arn=arn:x&assume_role_method=assume_role_with_web_identity"},
        None,
        True,
    ),
    "a backend": ({**CONNECTION, "AIRFLOW__SECRETS__BACKEND": BACKEND}, None, True),
    "a backend that a command names": ({**CONNECTION, "AIRFLOW__SECRETS__BACKEND_CMD": "echo x"}, None, True),
    "a backend of workers": ({**CONNECTION, "AIRFLOW__WORKERS__SECRETS_BACKEND": BACKEND}, None, True),
    "an empty backend": ({**CONNECTION, "AIRFLOW__SECRETS__BACKEND": ""}, None, False),
    "a default file": (CONNECTION, "[secrets]\n# backend = x\nbackend =\n[lineage]\nbackend = x\n", False),
    "a backend in the file": (CONNECTION, f"[secrets]\nBackend: {BACKEND}\n", True),
    "a backend in the next line": (CONNECTION, f"[secrets]\nbackend =\n\n  {BACKEND}\n", True),
    "a backend of workers in the file": (CONNECTION, f"[workers]\nsecrets_backend = {BACKEND}\n", True),
    "a broken file": (CONNECTION, "no section = here\n", True),
}
PROGRAM = """
import json
from s3copy_tasks.core.location import Location
from s3copy_tasks.s3.airflow_connection import needs_airflow
print(json.dumps(needs_airflow(Location(bucket="ops", connection="src"))))
"""


@pytest.mark.parametrize("variable", ["AIRFLOW_HOME", "AIRFLOW_CONFIG"])
@pytest.mark.parametrize(("variables", "file", "asked"), ASKED.values(), ids=ASKED)
def test_when_airflow_is_asked(
    tmp_path: Path, variable: str, variables: dict[str, str], file: str | None, *, asked: bool
) -> None:
    """A secrets backend comes before the environment, so whoever has one is not answered without it."""
    config = tmp_path / "airflow.cfg"
    if file is not None:
        config.write_text(file)
    environment = {
        "PATH": os.environ["PATH"],
        variable: str(config if variable == "AIRFLOW_CONFIG" else tmp_path),
    }
    done = subprocess.check_output([sys.executable, "-c", PROGRAM], env=environment | variables, text=True)
    assert json.loads(done) is asked
