"""Buckets by the ARN of an access point, and with names of old: copied to and from, over HTTP."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

import pytest

from s3copy_tasks.errors import AccessError
from tests.support.s3.proxy import Reply

if TYPE_CHECKING:
    from tests.support.s3.proxy import Proxy, Request
    from tests.support.s3.sides import Sides

pytestmark = pytest.mark.one_server  # the proxy renames buckets, but not in their signatures

REGION, OWNER = "us-west-2", "777788889999"
_HOST = re.compile(rf"(?P<bucket>[a-z0-9-]+)-{OWNER}\.localhost(:\d+)?")
_SOURCE = re.compile(rf"arn:aws:s3:{REGION}:{OWNER}:accesspoint/(?P<bucket>[^/]+)/object/(?P<key>.+)")


def arn(bucket: str) -> str:
    """Return the ARN of an access point that is named as its bucket."""
    return f"arn:aws:s3:{REGION}:{OWNER}:accesspoint/{bucket}"


def by_bucket(request: Request) -> Request:
    """Return a request to an access point as one to its bucket, by the path; an access point is a host."""
    host = _HOST.fullmatch(request.headers["host"])
    assert host is not None
    headers = {**request.headers, "host": "localhost"}
    if "x-amz-copy-source" in headers:
        named = _SOURCE.fullmatch(unquote(headers["x-amz-copy-source"]))
        assert named is not None
        headers["x-amz-copy-source"] = quote(f"{named['bucket']}/{named['key']}")
    return replace(request, target=f"/{host['bucket']}{request.target}", headers=headers)


@pytest.fixture
def points(sides: Sides, proxy: Proxy) -> Proxy:
    """A proxy that serves access points of both buckets."""
    proxy.answer = lambda request: (
        None if "Action=" in request.body.decode("latin-1") else proxy.forward(by_bucket(request))
    )
    return proxy


def test_a_job_between_two_access_points(sides: Sides, points: Proxy) -> None:
    """Hosts, copy sources and signatures name the access points; a second plan is empty."""
    for key in ("data/a", "data/b c+é", "data/deep/x"):
        sides.put(key, key.encode())
    endpoint = points.url.replace("127.0.0.1", "localhost")
    job = sides.job()
    job = replace(
        job,
        source=replace(job.source, bucket=arn(sides.source_bucket), endpoint_url=endpoint, region=None),
        destination=replace(
            job.destination, bucket=arn(sides.destination_bucket), endpoint_url=endpoint, region=None
        ),
    )
    assert sides.run(job).files_copied_successfully == 3
    assert sides.copied() == {key.replace("data/", "copy/"): body for key, body in sides.originals().items()}
    sent = [request for request in points.requests if _HOST.fullmatch(request.headers["host"])]
    assert {request.headers["authorization"].split("/")[2] for request in sent} == {REGION}
    assert not sides.plan(sides.preflight(job).job).batches


def test_a_refusal_names_the_access_point(sides: Sides, points: Proxy) -> None:
    """The printed statement has the ARNs that IAM compares."""
    sides.put("data/a")
    endpoint = points.url.replace("127.0.0.1", "localhost")
    serve = points.answer

    def deny(request: Request) -> Reply | None:
        copies = request.method == "POST" and "uploads" in request.target
        return Reply.error(403, "AccessDenied") if copies else serve(request)

    points.answer = deny
    job = sides.job()
    job = replace(
        job,
        destination=replace(job.destination, bucket=arn(sides.destination_bucket), endpoint_url=endpoint),
        source=replace(job.source, bucket=arn(sides.source_bucket), endpoint_url=endpoint),
    )
    with pytest.raises(AccessError) as refused:
        sides.preflight(job)
    assert f"{arn(sides.destination_bucket)}/object/copy/*" in str(refused.value)


@pytest.mark.parametrize("bucket", ["Ops_Granules.2010", "a" * 80, "_Logs_"])
def test_names_of_old(sides: Sides, proxy: Proxy, bucket: str) -> None:
    """A bucket with capitals, underscores or a long name is addressed by the path, and named as it is."""
    seen = []

    def rename(request: Request) -> Reply:
        seen.append(request)
        headers = dict(request.headers)
        if "x-amz-copy-source" in headers:
            assert headers["x-amz-copy-source"].startswith(f"{bucket}/")
            headers["x-amz-copy-source"] = headers["x-amz-copy-source"].replace(bucket, sides.source_bucket)
        target = request.target.replace(f"/{bucket}", f"/{sides.source_bucket}", 1)
        return proxy.forward(replace(request, target=target, headers=headers))

    proxy.answer = rename
    sides.put("data/a", b"old")
    job = sides.job()
    assert sides.run(replace(job, source=replace(job.source, bucket=bucket))).files_copied_successfully == 1
    assert sides.copied() == {"copy/a": b"old"}
    assert any(request.target.startswith(f"/{bucket}?") for request in seen)
