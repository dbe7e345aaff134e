"""A side without credentials, and one whose endpoint is in the environment."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

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
