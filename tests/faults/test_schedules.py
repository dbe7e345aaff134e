"""Random faults at random places: a run ends complete, or failed with exact counts."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from s3copy_tasks.core.in_flight import IN_FLIGHT_MOST
from s3copy_tasks.core.job import Overwrite
from s3copy_tasks.core.key_list import Column
from s3copy_tasks.core.multipart import Limits, takes_parts
from s3copy_tasks.core.options import AUTO, TransferOptions
from s3copy_tasks.engine.sender import Sender
from s3copy_tasks.report.summary import verdict
from tests.faults.bench import DESTINATION, FaultBench
from tests.faults.kinds import FAULTS, meanwhile
from tests.faults.oracle import Oracle
from tests.support.builders.bench import impatient_for
from tests.support.builders.results import PLACE

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.metrics import TransferMetrics
    from s3copy_tasks.core.planner import Plan
    from tests.faults.proxy import FaultProxy

EXAMPLES = int(os.environ.get("S3COPY_FAULT_EXAMPLES", "90"))
LIMITS = Limits(single_copy_bytes=100, unproven_copy_bytes=99, part_bytes=64)
"""Above 100 bytes an object is a large one; one of 100 is copied in parts if it was uploaded in parts."""
ENOUGH = (Column.KEY, Column.ETAG, Column.SIZE, Column.STORAGE_CLASS)
OTHERS = ("changes", "deletes", "overwrites", "clears")
ANY = (("", "ListObjectsV2"), ("", "PutObject"))
"""Of any key: pages of listings, and results."""
HEADS = (("in/", "HeadObject"), ("out/", "HeadObject"))
SMALL = (("out/", "CopyObject"),)
SMALL_RELAYED = (("in/", "GetObjectTagging"), ("in/", "GetObject"), ("out/", "PutObject"))
LARGE = (
    ("in/", "GetObjectTagging"),
    ("out/", "CreateMultipartUpload"),
    ("out/", "CompleteMultipartUpload"),
    ("out/", "AbortMultipartUpload"),
)
PARTS = (("out/", "UploadPartCopy"),)
PARTS_RELAYED = (("in/", "GetObject"), ("out/", "UploadPart"))


@dataclass(frozen=True)
class One:
    """An object of the source, and what the destination has in its place."""

    suffix: str
    size: int
    parts: int
    age: float
    checksummed: bool
    tagged: bool
    there: str


@dataclass(frozen=True)
class Strike:
    """A fault by name, and the requests that it strikes: those of one object, or listings."""

    fault: str
    suffix: str
    side: str
    kind: str
    nth: int
    times: int


@dataclass(frozen=True)
class Schedule:
    """A job, its objects, and what happens to it; with columns, a list names the objects."""

    objects: tuple[One, ...]
    strikes: tuple[Strike, ...]
    overwrite: Overwrite
    verify: str
    relayed: bool
    concurrency: int | Literal["auto"]
    batch_objects: int
    page_keys: int
    step: float
    killed_at: int | None
    retried: bool
    fast: bool
    columns: tuple[Column, ...]


ONES = st.builds(
    One,
    suffix=st.sampled_from(("a", "b", "c/d", "e f", "g+%")),
    size=st.sampled_from([0, 10, 100, 101, 300]),
    parts=st.sampled_from([0, 0, 3]),
    age=st.sampled_from([1e6, 100.0]),
    checksummed=st.booleans(),
    tagged=st.booleans(),
    there=st.sampled_from(["nothing", "nothing", "same", "older", "older of its size"]),
)
NAMES = st.sampled_from([*FAULTS, *OTHERS * 3])
TIMES = st.sampled_from([1, 1, 2, 3, 99])


@st.composite
def strikes(draw: st.DrawFn, objects: tuple[One, ...], *, relayed: bool) -> Strike:
    """Return a fault that strikes a request that the job is likely to send."""
    one = draw(st.sampled_from(objects))
    large = LARGE + (PARTS_RELAYED if relayed else PARTS)
    small = SMALL_RELAYED if relayed else SMALL
    in_parts = relayed or takes_parts(one.size, LIMITS, is_multipart=bool(one.parts))
    in_one = relayed or one.size <= LIMITS.single_copy_bytes
    wanted = (large if in_parts else ()) + (small if in_one else ())
    side, kind = draw(st.sampled_from([*wanted, *wanted, *HEADS, *ANY]))
    nth = draw(st.integers(1, 4 if side else 8))
    return Strike(draw(NAMES), one.suffix, side, kind, nth, draw(TIMES))


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    """Return a schedule."""
    objects = tuple(draw(st.lists(ONES, min_size=2, max_size=5, unique_by=lambda one: one.suffix)))
    relayed = draw(st.sampled_from([False, False, True]))
    return Schedule(
        objects=objects,
        strikes=tuple(draw(st.lists(strikes(objects, relayed=relayed), min_size=2, max_size=8))),
        overwrite=draw(st.sampled_from(Overwrite)),
        verify=draw(st.sampled_from(["size", "checksum"])),
        relayed=relayed,
        concurrency=draw(st.sampled_from([1, 4, *[AUTO] * 9, IN_FLIGHT_MOST])),
        batch_objects=draw(st.sampled_from([2, 10_000])),
        page_keys=draw(st.sampled_from([2, 1_000])),
        step=draw(st.sampled_from([0.0, 0.3, 2.0])),
        killed_at=draw(st.none() | st.none() | st.integers(1, 20)),
        retried=draw(st.booleans()),
        fast=draw(st.booleans()),
        columns=draw(st.sampled_from([(), (), (Column.KEY,), ENOUGH])),
    )


def prepare(schedule: Schedule, proxy: FaultProxy, client: S3Client) -> FaultBench:
    """Return a bench with the schedule's objects on both sides."""
    bench = FaultBench(
        proxy,
        client,
        step=schedule.step,
        fast=schedule.fast,
        page_keys=schedule.page_keys,
        single_copy_bytes=100,
        part_bytes_min=1,
    )
    for one in schedule.objects:
        made = bench.put(
            one.suffix,
            one.size,
            age=one.age,
            parts=one.parts if one.size else 0,
            checksummed=one.checksummed,
            headers={"x-amz-meta-of": "the first version", "content-type": "image/tiff"},
            tags={"tag": "a b"} if one.tagged else {},
        )
        key = f"out/{one.suffix}"
        if one.there == "same":
            kept: dict[str, Any] = {
                "headers": made.headers,
                "tags": made.tags,
                "modified": made.modified + 50,
            }
            bench.server.put(DESTINATION, key, made.spans, checksummed=one.checksummed, **kept)
        elif one.there != "nothing":
            size = one.size + (one.there == "older")
            bench.server.put(DESTINATION, key, size, modified=made.modified - 50)
    return bench


def arm(bench: FaultBench, schedule: Schedule) -> None:
    """Set the rules."""
    sizes = {one.suffix: one.size for one in schedule.objects}
    for strike in schedule.strikes:
        if strike.fault == "changes":
            fault = bench.changes(strike.suffix, sizes[strike.suffix] or 1)
        else:
            fault = FAULTS.get(strike.fault) or getattr(bench, strike.fault)(strike.suffix)
        key = strike.side + strike.suffix if strike.side else None
        bench.proxy.add(fault, strike.kind, key, nth=strike.nth, times=strike.times)


def carry_out(bench: FaultBench, schedule: Schedule, job: EffectiveJob, plan: Plan) -> TransferMetrics:
    """Copy every batch, retry it if the schedule says so, and add up the last attempts."""
    senders: list[Sender] = []
    if schedule.killed_at is not None:

        def kill() -> None:
            senders[-1].stop()

        bench.proxy.add(meanwhile("killed", kill), nth=schedule.killed_at)
    batch_metrics = {}
    for batch in plan.batches:
        killed = False
        for retried in (False, True):
            senders.append(impatient_for(job))
            try:
                copied = bench.copy(job, batch, limits=LIMITS, retried=retried, sender=senders[-1])
            except InterruptedError:
                killed = True
                continue
            batch_metrics[batch.id] = copied
            if not schedule.retried:
                break
        assert not killed or batch.id in batch_metrics
    return bench.add_up(job, plan, batch_metrics)


@settings(
    max_examples=EXAMPLES,
    report_multiple_bugs=False,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(schedule=schedules())
def test_any_faults_end_in_exact_metrics(
    schedule: Schedule, fault_proxy: FaultProxy, fault_client: S3Client
) -> None:
    """No wrong, lost or miscounted object, and no orphaned upload; without faults, everything arrives."""
    with prepare(schedule, fault_proxy, fault_client) as bench:
        judge(schedule, bench)


def judge(schedule: Schedule, bench: FaultBench) -> None:
    """Carry out a schedule, and compare what is reported with what happened."""
    transfer = TransferOptions(concurrency=schedule.concurrency, batch_objects=schedule.batch_objects)
    options: dict[str, Any] = {
        "overwrite": schedule.overwrite,
        "verify": schedule.verify,
        "relayed": schedule.relayed,
        "results": PLACE,
    }
    keys_from = bench.put_list(schedule.columns) if schedule.columns else None
    job = bench.started(transfer=transfer, keys_from=keys_from, **options)
    plan = bench.plan(job)
    arm(bench, schedule)
    metrics = carry_out(bench, schedule, job, plan)
    there = {one.suffix for one in schedule.objects if one.there != "nothing"}
    same = {one.suffix for one in schedule.objects if one.there == "same"}
    skippable = {Overwrite.NEVER: there, Overwrite.CHANGED: same, Overwrite.ALWAYS: set()}[schedule.overwrite]
    oracle = Oracle(bench, job, tuple(one.suffix for one in schedule.objects), frozenset(skippable))
    oracle.check(metrics, retried=schedule.retried or schedule.killed_at is not None)

    bench.proxy.rules.clear()
    bench.clock.tick()
    healed = bench.started(transfer=transfer, **options)
    after = bench.run(healed, limits=LIMITS)
    assert verdict(after, 0) is None
    if schedule.overwrite is not Overwrite.NEVER:
        for key, current in bench.server.contents("the-source").items():
            assert bench.server.same(bench.written[key.removeprefix("in/")], current), key
