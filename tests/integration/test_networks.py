"""How a side is reached: without credentials, by the environment's endpoint, or not at all."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from s3copy_tasks.errors import CopyError
from tests.support.s3.scripted import RESET, ScriptedServer

if TYPE_CHECKING:
    from tests.support.s3.sides import Sides

pytestmark = pytest.mark.one_server


def test_a_public_source_needs_no_credentials(sides: Sides, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that signs nothing lists and reads; the destination's role copies as usual."""
    sides.put("data/a", b"public")
    extra = {"endpoint_url": sides.endpoint.url, "config_kwargs": {"signature_version": "unsigned"}}
    anonymous = {"conn_type": "aws", "extra": {"region_name": "us-east-1", **extra}}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_PUBLIC", json.dumps(anonymous))
    job = sides.job()
    job = replace(job, source=replace(job.source, connection="aws_public"))
    assert sides.run(job).files_copied_successfully == 1
    assert sides.copied() == {"copy/a": b"public"}


def test_an_endpoint_of_the_environment_is_the_same_server(
    sides: Sides, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One side by AWS_ENDPOINT_URL, one by its connection: on one server, S3 copies by itself."""
    sides.put("data/a")
    connection = json.loads(sides.environment["AIRFLOW_CONN_AWS_SOURCE"])
    del connection["extra"]["endpoint_url"]
    monkeypatch.setenv("AIRFLOW_CONN_AWS_SOURCE", json.dumps(connection))
    monkeypatch.setenv("AWS_ENDPOINT_URL", sides.endpoint.url)
    assert sides.preflight(sides.job()).relay is None
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://elsewhere.invalid")
    assert (
        sides.connected(replace(sides.job(), run_id="2")).source.endpoint_url() == "http://elsewhere.invalid"
    )


def test_signatures_of_another_version_are_refused(sides: Sides, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection for old servers names the field that makes it one."""
    connection = json.loads(sides.environment["AIRFLOW_CONN_AWS_SOURCE"])
    connection["extra"]["config_kwargs"] = {"signature_version": "s3"}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_SOURCE", json.dumps(connection))
    with pytest.raises(CopyError, match="Remove signature_version from the connection's extra"):
        sides.preflight(sides.job())


def test_a_server_that_resets_connections(sides: Sides) -> None:
    """As http to a port for https does: the advice is the endpoint."""
    with ScriptedServer(lambda _: RESET) as server:
        job = sides.job()
        job = replace(
            job,
            source=replace(job.source, endpoint_url=server.url),
            destination=replace(job.destination, endpoint_url=server.url),
        )
        with pytest.raises(CopyError, match=r"source: S3 can't be reached: .* Check endpoint_url"):
            sides.preflight(job)
