"""The start of a run: what goes side by side, and what is asked once, over HTTP (docs/design/start.md)."""

from __future__ import annotations

from threading import Barrier, Event
from typing import TYPE_CHECKING

import pytest

from s3copy_tasks.core.key_list import Column, KeyList, ResultsPlace
from s3copy_tasks.core.location import Location
from s3copy_tasks.engine.sender import make_sender
from s3copy_tasks.errors import AccessError
from s3copy_tasks.plan.ahead import ListingAhead
from s3copy_tasks.preflight.preflight import preflight
from s3copy_tasks.run import InProcessRun
from tests.support.s3.proxy import Reply, Request
from tests.support.s3.servers import put_many

if TYPE_CHECKING:
    from collections.abc import Mapping

    from s3copy_tasks.core.metrics import TransferMetrics
    from tests.support.s3.proxy import Proxy
    from tests.support.s3.sides import Sides

pytestmark = pytest.mark.one_server

PATIENCE_SECONDS = 10


def run(sides: Sides) -> TransferMetrics:
    """Check, plan and copy in one process, as the command line and the operator do."""
    job = sides.job()
    connected = sides.connected(job)
    sender = make_sender(job.transfer)
    with ListingAhead(job, connected.stores, sender) as ahead:
        proven = preflight(job, connected, on_listed=ahead.begin)
        carried_out = InProcessRun(proven.job, connected.stores, sender, ahead=ahead)
        carried_out.carry_out()
    return carried_out.metrics


def waiting_together(proxy: Proxy, groups: Mapping[str, Barrier]) -> None:
    """Let the first request of each kind and bucket wait until all others of its group have arrived."""
    left = dict(groups)

    def answer(request: Request) -> Reply | None:
        bucket = request.target.split("/")[1].split("?")[0]
        barrier = left.pop(f"{request.kind} {bucket}", None)
        if barrier is not None:
            barrier.wait(PATIENCE_SECONDS)
        return None

    proxy.answer = answer


def test_what_does_not_depend_on_each_other_goes_side_by_side(sides: Sides, proxy: Proxy) -> None:
    """Each request waits here until those that belong to its round trip have arrived."""
    sides.put("data/a")
    source, destination = sides.source_bucket, sides.destination_bucket
    listings, checks = Barrier(2), Barrier(3)
    waiting_together(
        proxy,
        {
            f"ListObjectsV2 {source}": listings,
            f"ListObjectsV2 {destination}": listings,
            f"GetObject {source}": checks,
            f"CreateMultipartUpload {destination}": checks,
            f"HeadObject {destination}": checks,
        },
    )
    assert run(sides).files_copied_successfully == 1
    assert not listings.broken
    assert not checks.broken
    assert sides.open_uploads() == []


def test_a_list_takes_no_round_trips_of_its_own(sides: Sides, proxy: Proxy) -> None:
    """It is found beside the first listings, and its rows are read beside the other checks."""
    lists, results = f"lists-{sides.source_bucket}", f"results-{sides.source_bucket}"
    for bucket in (lists, results):
        sides.source.create_bucket(Bucket=bucket)
    sides.source.put_object(Bucket=lists, Key="today.csv", Body=b"data/a\n")
    sides.put("data/a")
    source, destination = sides.source_bucket, sides.destination_bucket
    listings, checks, reads = Barrier(3), Barrier(4), Barrier(2)
    waiting_together(
        proxy,
        {
            f"ListObjectsV2 {source}": listings,
            f"ListObjectsV2 {destination}": listings,
            f"HeadObject {lists}": listings,
            f"GetObject {lists}": checks,
            f"CreateMultipartUpload {destination}": checks,
            f"CreateMultipartUpload {results}": checks,
            f"HeadObject {destination}": checks,
            f"GetObject {source}": reads,
            f"HeadObject {source}": reads,
        },
    )
    place = Location(bucket=lists, connection="aws_source")
    of = KeyList(location=place, key="today.csv", columns=(Column.KEY,))
    written = ResultsPlace(location=Location(bucket=results, connection="aws_source"), prefix="")
    job = sides.job(keys_from=of, results=written)
    assert preflight(job, sides.connected(job)).not_proven == ()
    assert not any(barrier.broken for barrier in (listings, checks, reads))


def test_nothing_is_asked_twice(sides: Sides, proxy: Proxy) -> None:
    """Preflight's listings are those of the plan, and the batch copies by the plan's decisions."""
    sides.put("data/a")
    sides.put("data/b")
    metrics = run(sides)
    assert metrics.files_copied_successfully == 2
    assert metrics.requests.by_kind == {"CopyObject": 2, "ListObjectsV2": 2}
    listed = [request.query["prefix"] for request in proxy.of_kind("ListObjectsV2")]
    assert sorted(listed) == ["copy/", "copy/.s3copy-preflight-run-1", "data/"]
    kinds = proxy.kinds()
    once = ("GetObject", "CreateMultipartUpload", "AbortMultipartUpload", "HeadObject")
    assert {kind: kinds[kind] for kind in once} == dict.fromkeys(once, 1)
    assert kinds["CopyObject"] == 2


def test_the_listing_goes_on_beside_the_checks(sides: Sides, proxy: Proxy) -> None:
    """The second page of the source is requested while the permission to write is still checked."""
    put_many(sides.source_bucket, {f"data/{number:04}": b"" for number in range(1_001)})
    second_page = Event()

    def answer(request: Request) -> Reply | None:
        if "continuation-token" in request.query:
            second_page.set()
        if request.kind == "CreateMultipartUpload":
            assert second_page.wait(PATIENCE_SECONDS)
        return None

    proxy.answer = answer
    assert run(sides).files_copied_successfully == 1_001


def test_a_refusal_ends_the_listing(sides: Sides, proxy: Proxy) -> None:
    """If a check fails while the plan's listing goes on, no request is left, and nothing is copied."""
    put_many(sides.source_bucket, {f"data/{number:04}": b"" for number in range(1_001)})
    proxy.answer = lambda request: (
        Reply.error(403, "AccessDenied") if request.kind == "CreateMultipartUpload" else None
    )
    with pytest.raises(AccessError):
        run(sides)
    assert proxy.kinds()["CopyObject"] == 0
