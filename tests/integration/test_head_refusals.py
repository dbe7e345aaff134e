"""The reply to a HEAD has no body: what it can't say is found out, said in words, and asked for once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from s3copy_tasks.copy.runner import copy_batch
from s3copy_tasks.core.collector import MetricsCollector
from s3copy_tasks.core.job import ObjectEntry
from s3copy_tasks.core.multipart import Limits
from s3copy_tasks.core.options import TransferOptions
from s3copy_tasks.errors import MissingError, RequestError
from tests.support.s3.proxy import Proxy, Reply, Request

if TYPE_CHECKING:
    from collections.abc import Callable

    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.metrics import TransferMetrics
    from tests.support.s3.sides import Sides

pytestmark = pytest.mark.one_server

HEADS = {"fast": 1, "boto3": 2}
"""HEADs that a client sends after a 400: botocore takes it for a redirect, and tries again itself."""
clients = pytest.mark.parametrize("client", ["fast", "boto3"])
IN_PARTS = Limits(single_copy_bytes=0, part_bytes=5 * 2**20)
NO_KEY = (
    "The object was stored using a form of Server Side Encryption. The correct parameters must be provided "
    "to retrieve the object."
)


def single_objects(sides: Sides, client: str = "fast", version_id: str | None = None) -> EffectiveJob:
    """Return a job of three single objects, which exist."""
    for name in "abc":
        sides.put(name)
    entries = tuple(
        ObjectEntry(source=name, destination=f"copy/{name}", version_id=version_id) for name in "abc"
    )
    transfer = TransferOptions(concurrency=8, client=client, relay="auto")
    return sides.job(prefixes=(), objects=entries, transfer=transfer)


def of_source(sides: Sides, kinds: str, reply: Reply) -> Callable[[Request], Reply | None]:
    """Return an answer to some kinds of requests for the source's objects."""
    start = f"/{sides.source_bucket}"
    return lambda request: (
        reply if request.kind in kinds.split() and request.target.startswith(start) else None
    )


def copy(
    sides: Sides,
    proxy: Proxy,
    job: EffectiveJob,
    answer: Callable[[Request], Reply | None],
    limits: Limits | None = None,
) -> TransferMetrics:
    """Return the metrics of a job's only batch, to which the proxy answers so; the plan was made before."""
    (batch,) = sides.plan(job).batches
    proxy.forget()
    proxy.answer = answer
    collector = MetricsCollector()
    collector.start_operation(job.run_id)
    copy_batch(job, batch, sides.stores(job), metrics=collector, limits=limits)
    return collector.metrics()


def of_bucket(proxy: Proxy, kind: str, bucket: str) -> list[Request]:
    """Return the requests of a kind to a bucket."""
    return [request for request in proxy.of_kind(kind) if request.target.startswith(f"/{bucket}")]


def assumed(proxy: Proxy) -> int:
    """Return how many sessions were made."""
    return sum(b"Action=AssumeRole" in request.body for request in proxy.requests)


@clients
@pytest.mark.parametrize("status", [405, 404])
def test_a_delete_marker(sides: Sides, proxy: Proxy, client: str, status: int) -> None:
    """The version of a delete marker has no content: preflight names object and version, and says so."""
    job = single_objects(sides, client, "v-17")
    proxy.answer = of_source(sides, "HeadObject", Reply(status, headers={"x-amz-delete-marker": "true"}))
    with pytest.raises(MissingError) as caught:
        sides.preflight(job)
    assert caught.value.code == "DeleteMarker"
    for name in "abc":
        assert f"version v-17 of s3://{sides.source_bucket}/{name} is a delete marker" in caught.value.message
    assert len([one for one in proxy.of_kind("HeadObject") if one.key == "a"]) == 1


@clients
def test_a_customer_key_in_preflight(sides: Sides, proxy: Proxy, client: str) -> None:
    """An object that only its writer can read is named before the first copy, after one HEAD."""
    job = single_objects(sides, client)
    proxy.answer = of_source(sides, "HeadObject", Reply(400))
    with pytest.raises(RequestError) as caught:
        sides.preflight(job)
    for name in "abc":
        assert f"s3://{sides.source_bucket}/{name}: HeadObject" in caught.value.message
    assert "SSE-C" in caught.value.message
    assert len(of_bucket(proxy, "HeadObject", sides.source_bucket)) == 3 * HEADS[client]
    assert assumed(proxy) == 2


@clients
def test_customer_keys_in_a_batch(sides: Sides, proxy: Proxy, client: str) -> None:
    """Each such object fails after one HEAD, with a reason; no session is made again."""
    job = sides.preflight(single_objects(sides, client)).job
    metrics = copy(sides, proxy, job, of_source(sides, "HeadObject", Reply(400)))
    assert dict(metrics.errors_encountered.by_code) == {"400": 3}
    assert all("SSE-C" in failure.message for failure in metrics.errors_encountered.first)
    assert (len(of_bucket(proxy, "HeadObject", sides.source_bucket)), assumed(proxy)) == (
        3 * HEADS[client],
        0,
    )


@pytest.mark.parametrize("relayed", [False, True], ids=["parts", "relay"])
def test_large_objects_with_customer_keys(sides: Sides, proxy: Proxy, *, relayed: bool) -> None:
    """An object that is copied in parts, or through memory, fails after one HEAD, too."""
    for name in "abc":
        sides.put(f"data/{name}")
    job = replace(sides.preflight(sides.job()).job, relayed=relayed)
    metrics = copy(sides, proxy, job, of_source(sides, "HeadObject", Reply(400)), limits=IN_PARTS)
    assert dict(metrics.errors_encountered.by_code) == {"400": 3}
    assert all("SSE-C" in failure.message for failure in metrics.errors_encountered.first)
    assert (proxy.kinds()["HeadObject"], proxy.kinds()["CreateMultipartUpload"]) == (3, 0)
    assert assumed(proxy) == 0


@pytest.mark.parametrize(
    ("kinds", "relayed", "code"),
    [("CopyObject", False, "InvalidRequest"), ("GetObject", True, "InvalidRequest")],
    ids=["copy", "relay"],
)
def test_a_refusal_that_has_a_reason(
    sides: Sides, proxy: Proxy, kinds: str, *, relayed: bool, code: str
) -> None:
    """Where S3 says that a key is needed, the error adds what to do; the object is requested once."""
    sides.put("data/a")
    job = replace(sides.preflight(sides.job()).job, relayed=relayed)
    refusal = Reply.error(400, "InvalidRequest", NO_KEY)
    metrics = copy(sides, proxy, job, lambda request: refusal if request.kind == kinds else None)
    (failure,) = metrics.errors_encountered.first
    assert (failure.code, failure.key) == (code, "data/a")
    assert NO_KEY in failure.message
    assert "SSE-C" in failure.message
    assert proxy.kinds()[kinds] == 1


@clients
def test_credentials_that_have_expired(sides: Sides, proxy: Proxy, client: str) -> None:
    """A 400 may also mean that credentials have expired: a listing says so, and they are renewed."""
    job = sides.preflight(single_objects(sides, client)).job
    refused: set[str] = set()

    def answer(request: Request) -> Reply | None:
        token = request.headers.get("x-amz-security-token", "")
        if not refused:
            refused.add(token)
        if token not in refused or "Action=" in request.body.decode("latin-1"):
            return None
        return Reply(400) if request.method == "HEAD" else Reply.error(400, "ExpiredToken")

    metrics = copy(sides, proxy, job, answer)
    assert (metrics.files_copied_successfully, assumed(proxy)) == (3, 1)


def test_credentials_that_stay_expired(sides: Sides, proxy: Proxy) -> None:
    """If new credentials have expired, too, the error says that, and not that the object is encrypted."""
    job = sides.preflight(single_objects(sides)).job
    expired = Reply.error(400, "ExpiredToken")

    def answer(request: Request) -> Reply | None:
        if not request.target.startswith(f"/{sides.source_bucket}"):
            return None
        return Reply(400) if request.method == "HEAD" else expired

    metrics = copy(sides, proxy, job, answer)
    assert dict(metrics.errors_encountered.by_code) == {"ExpiredToken": 3}


def gone(sides: Sides, bucket: str) -> Callable[[Request], Reply | None]:
    """Return the answer of a server whose bucket was deleted."""
    missing = Reply.error(404, "NoSuchBucket", "The specified bucket does not exist")

    def answer(request: Request) -> Reply | None:
        if not request.target.startswith(f"/{bucket}"):
            return None
        return Reply(404) if request.method == "HEAD" else missing

    return answer


@clients
def test_objects_of_a_deleted_bucket_have_not_vanished(sides: Sides, proxy: Proxy, client: str) -> None:
    """If the bucket is gone, that is the error of its objects; one listing finds it out for all of them."""
    job = sides.preflight(single_objects(sides, client)).job
    metrics = copy(sides, proxy, job, gone(sides, sides.source_bucket))
    assert dict(metrics.errors_encountered.by_code) == {"NoSuchBucket": 3}
    assert metrics.files_vanished == 0
    assert len(of_bucket(proxy, "ListObjectsV2", sides.source_bucket)) == 1


def test_vanished_objects_cost_one_listing(sides: Sides, proxy: Proxy) -> None:
    """If the bucket is there, its objects have vanished; one listing shows that for all of them."""
    job = sides.preflight(single_objects(sides)).job
    metrics = copy(sides, proxy, job, of_source(sides, "HeadObject", Reply(404)))
    assert (metrics.files_vanished, metrics.files_failed) == (3, 0)
    assert len(of_bucket(proxy, "ListObjectsV2", sides.source_bucket)) == 1


def test_a_listing_that_cannot_be_read_says_nothing(sides: Sides, proxy: Proxy) -> None:
    """Some servers repeat a key with control characters in a reply that is not XML then: the HEAD counts."""
    job = sides.preflight(single_objects(sides)).job
    gone, unreadable = of_source(sides, "HeadObject", Reply(404)), Reply(200, b"<Prefix>\x1b</Prefix>")

    def answer(request: Request) -> Reply | None:
        return unreadable if request.kind == "ListObjectsV2" else gone(request)

    assert copy(sides, proxy, job, answer).files_vanished == 3


@pytest.mark.parametrize("side", ["source", "destination"])
def test_a_plan_of_single_objects_notices_a_missing_bucket(sides: Sides, proxy: Proxy, side: str) -> None:
    """A plan lists nothing for single objects, and fails all the same if a bucket is missing."""
    job = single_objects(sides)
    proxy.answer = gone(sides, {"source": sides.source_bucket, "destination": sides.destination_bucket}[side])
    with pytest.raises(MissingError) as caught:
        sides.plan(job)
    assert caught.value.code == "NoSuchBucket"
