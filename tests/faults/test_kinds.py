"""Each kind of fault alone, at each kind of request: the object's outcome, after how many requests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from s3copy_tasks.core.job import Overwrite
from s3copy_tasks.core.multipart import Limits
from s3copy_tasks.core.options import ObjectOptions, TransferOptions
from tests.faults.bench import ANOTHER_CLIENT, DESTINATION, FaultBench
from tests.faults.kinds import FAULTS, meanwhile
from tests.faults.proxy import Fault, Forward
from tests.support.builders.bench import impatient
from tests.support.s3.proxy import Reply, Request

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mypy_boto3_s3.client import S3Client

    from s3copy_tasks.core.metrics import TransferMetrics
    from tests.faults.proxy import FaultProxy

LIMITS = Limits(single_copy_bytes=100, part_bytes=64)
SMALL, LARGE = 10, 300
"""Bytes; a large one has five parts."""
HIDING = frozenset(
    {
        "reset after the act",
        "InternalError after the act",
        "200 with InternalError after the act",
        "200 with nothing after the act",
        "truncated body",
        "XML cut off",
    }
)
"""After these, the client can't know what the server did."""


@dataclass(frozen=True)
class Outcome:
    """What an object counts as, how many requests of the struck kind that took, and what is left open."""

    fate: str = "copied"
    requests: int | None = None
    code: str | None = None
    uploads: int = 0


@dataclass(frozen=True)
class Target:
    """A kind of request that copying an object takes.

    Attributes:
        kind: of the request.
        key: that it names; None for a listing.
        size: of the object.
        requests: of this kind, without a fault.
        relayed: the object goes through the worker.
        others: outcomes of faults that another request does not fix.
        leaves_out: faults that this kind of request can't have. A HEAD has no body whose sending could time
            out, and credentials that have expired do not pass by themselves.
    """

    kind: str
    key: str | None
    size: int
    requests: int = 1
    relayed: bool = False
    others: Mapping[str, Outcome] = field(default_factory=dict)
    leaves_out: frozenset[str] = frozenset()

    def outcome(self, fault: str) -> Outcome:
        untouched = Outcome(requests=self.requests)
        fixed = Outcome(requests=self.requests + 1)
        return self.others.get(fault, untouched if fault == "delay" else fixed)


DENIED = Outcome("failed", 1, "AccessDenied")
NO_UPLOAD = Outcome("failed", 1, "NoSuchUpload")
REFUSED = {"AccessDenied": DENIED, "NoSuchUpload": NO_UPLOAD}
OF_A_PART = {
    "AccessDenied": Outcome("failed", code="AccessDenied"),
    "NoSuchKey": Outcome(),
    "NoSuchUpload": Outcome(),
    "PreconditionFailed": Outcome(),
}
"""How many parts are in progress when one of them fails depends on timing."""
NO_BODY = {name: Outcome(requests=1) for name in ("truncated body", "XML cut off")}
TARGETS = (
    Target("CopyObject", "out/a", SMALL, others=REFUSED),
    Target(
        "HeadObject",
        "in/a",
        LARGE,
        others={
            "AccessDenied": Outcome("failed", 2, "403"),
            **dict.fromkeys(("NoSuchKey", "NoSuchUpload", "PreconditionFailed"), Outcome()),
            **NO_BODY,
        },
        leaves_out=frozenset(
            name
            for name in FAULTS
            if name.startswith(("200", "Conditional", "ExpiredToken", "RequestTimeout"))
        ),
    ),
    Target("GetObjectTagging", "in/a", LARGE, others=REFUSED),
    Target(
        "CreateMultipartUpload",
        "out/a",
        LARGE,
        others=REFUSED | {name: Outcome(requests=2, uploads=1) for name in HIDING},
        leaves_out=frozenset({"NoSuchKey"}),
    ),
    Target("UploadPartCopy", "out/a", LARGE, requests=5, others=OF_A_PART),
    Target(
        "CompleteMultipartUpload",
        "out/a",
        LARGE,
        others={"AccessDenied": DENIED},
        leaves_out=frozenset({"NoSuchKey"}),
    ),
    Target(
        "ListObjectsV2",
        None,
        SMALL,
        requests=2,
        others={
            name: Outcome("unknown", code=name)  # the other side is listed at the same time, or was not yet
            for name in ("AccessDenied", "NoSuchKey", "NoSuchUpload", "PreconditionFailed")
        },
    ),
    Target("GetObject", "in/a", LARGE, requests=5, relayed=True, others=OF_A_PART),
    Target(
        "UploadPart",
        "out/a",
        LARGE,
        requests=5,
        relayed=True,
        others=OF_A_PART | {name: Outcome(requests=5) for name in NO_BODY},
        leaves_out=frozenset({"NoSuchKey"}),
    ),
    Target(
        "PutObject", "out/a", 0, relayed=True, others=REFUSED | NO_BODY, leaves_out=frozenset({"NoSuchKey"})
    ),
)
ONCE = [
    pytest.param(target, fault, id=f"{target.kind}: {name}")
    for target in TARGETS
    for name, fault in FAULTS.items()
    if name not in target.leaves_out
]
FOR_GOOD = {
    "InternalError": Outcome("failed", 3, "InternalError"),
    "SlowDown": Outcome("failed", 12, "SlowDown"),
    "ServiceUnavailable": Outcome("failed", 3, "ServiceUnavailable"),
    "TooManyRequests": Outcome("failed", 12, "TooManyRequests"),
    "RequestTimeout": Outcome("failed", 3, "RequestTimeout"),
    "ExpiredToken": Outcome("failed", 3, "ExpiredToken"),
    "PreconditionFailed": Outcome("failed", 3, "SourceChanged"),
    "ConditionalRequestConflict": Outcome("failed", 3, "ConditionalRequestConflict"),
    "AccessDenied": DENIED,
    "NoSuchKey": Outcome("failed", 3, "NoSuchKey"),
    "NoSuchUpload": NO_UPLOAD,
    "200 with InternalError": Outcome("failed", 3, "InternalError"),
    "200 with SlowDown": Outcome("failed", 12, "SlowDown"),
    "200 with nothing": Outcome("failed", 3, "EmptyReply"),
    "reset": Outcome("failed", 3, "ConnectionClosedError"),
    "delay": Outcome("copied", 1),
    "reset after the act": Outcome("failed", 3, "ConnectionClosedError"),
    "InternalError after the act": Outcome("failed", 3, "InternalError"),
    "200 with InternalError after the act": Outcome("failed", 3, "InternalError"),
    "200 with nothing after the act": Outcome("failed", 3, "EmptyReply"),
    "truncated body": Outcome("copied", 2),
    "XML cut off": Outcome("copied", 2),
}
"""Half a refusal still has a status: the 412 at the second attempt shows that the first one copied."""
FAST_FOR_GOOD = {"truncated body": Outcome("failed", 3, "ConnectionClosedError")}
"""libcurl ignores a truncated reply."""


@pytest.fixture(params=[True, False], ids=["fast", "boto3"])
def fast(request: pytest.FixtureRequest) -> bool:
    """Whether requests go over libcurl."""
    return bool(request.param)


@pytest.fixture
def bench(fault_proxy: FaultProxy, fault_client: S3Client, fast: bool) -> Iterator[FaultBench]:  # noqa: FBT001
    """Two empty buckets; above 100 bytes an object is a large one."""
    limits = {"single_copy_bytes": 100, "part_bytes_min": 1}
    with FaultBench(fault_proxy, fault_client, fast=fast, **limits) as bench:
        yield bench


def put(bench: FaultBench, size: int) -> None:
    """Put an object that carries metadata and tags."""
    bench.put("a", size, headers={"content-type": "image/tiff", "x-amz-meta-k": "v"}, tags={"k": "v"})


def struck(
    bench: FaultBench, fault: Fault, kind: str, key: str | None = "out/a", **options: object
) -> TransferMetrics:
    """Run a job; after its plan, requests of a kind are struck."""
    which = {name: int(str(options.pop(name))) for name in ("nth", "times") if name in options}
    job = bench.started(**options)
    plan = bench.plan(job)
    bench.proxy.forget()
    bench.proxy.add(fault, kind, key, **which)
    return bench.run(job, plan, limits=LIMITS)


def fate(metrics: TransferMetrics) -> str:
    """Return what the single object of a run counts as."""
    assert metrics.total_files_found == 1
    counts = {
        "copied": metrics.files_copied_successfully,
        "failed": metrics.files_failed,
        "vanished": metrics.files_vanished,
        "unknown": metrics.files_unknown,
        "skipped": sum(metrics.files_skipped.values()),
    }
    return next(name for name, count in counts.items() if count == 1)


def assert_arrived(bench: FaultBench, metrics: TransferMetrics) -> None:
    """The object is what the source has now, counted with its bytes, and another run finds nothing to do."""
    current = bench.versions("a")[-1]
    assert bench.server.same(bench.written["a"], current)
    assert (fate(metrics), metrics.total_bytes_transferred) == ("copied", current.size)
    bench.proxy.rules.clear()
    bench.clock.tick()
    assert bench.plan(bench.started()).batches == ()


@pytest.mark.parametrize(("target", "fault"), ONCE)
def test_a_fault_that_passes(bench: FaultBench, target: Target, fault: Fault) -> None:
    """Requests worth another attempt get one, and the object arrives; a refusal fails it with its code."""
    put(bench, target.size)
    expected = target.outcome(fault.name)
    metrics = struck(bench, fault, target.kind, target.key, relayed=target.relayed)
    assert fate(metrics) == expected.fate
    assert list(metrics.errors_encountered.by_code) == ([expected.code] if expected.code else [])
    assert expected.requests in {None, bench.proxy.kinds()[target.kind]}
    assert len(bench.server.uploads) == expected.uploads
    if expected.fate == "copied":
        assert_arrived(bench, metrics)
    else:
        assert bench.written == {}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_that_stays(bench: FaultBench, fast: bool, name: str) -> None:  # noqa: FBT001
    """Attempts are limited: 3 when S3 fails, 12 when it asks to slow down, 1 when it refuses (FR-005)."""
    put(bench, SMALL)
    expected = (FOR_GOOD | (FAST_FOR_GOOD if fast else {}))[name]
    metrics = struck(bench, FAULTS[name], "CopyObject", times=99)
    assert fate(metrics) == expected.fate
    assert bench.proxy.kinds()["CopyObject"] == expected.requests
    if expected.fate == "failed":
        (failure,) = metrics.errors_encountered.first
        assert (failure.key, failure.code) == ("in/a", expected.code)
    assert set(bench.written) == ({"a"} if name in {*HIDING, "delay"} else set())
    bench.proxy.rules.clear()
    bench.clock.tick()
    assert_arrived_at_last(bench)


def assert_arrived_at_last(bench: FaultBench) -> None:
    """Once the fault is gone, another run copies what is missing."""
    bench.run(bench.started(), limits=LIMITS)
    assert bench.server.same(bench.written["a"], bench.versions("a")[-1])


@pytest.mark.parametrize(
    ("size", "kind", "nth"),
    [
        pytest.param(SMALL, "CopyObject", 1, id="between list and copy"),
        pytest.param(LARGE, "HeadObject", 1, id="before the HEAD of a large one"),
        pytest.param(LARGE, "GetObjectTagging", 1, id="before its tags are read"),
        pytest.param(LARGE, "UploadPartCopy", 2, id="between two parts"),
        pytest.param(LARGE, "UploadPartCopy", 5, id="before the last part"),
    ],
)
@pytest.mark.parametrize("newer", [SMALL, LARGE], ids=["now small", "now large"])
def test_a_source_that_changes(bench: FaultBench, size: int, kind: str, nth: int, newer: int) -> None:
    """The current version arrives whole, with its own metadata and tags: never a mix (rule 2)."""
    put(bench, size)
    key = "in/a" if kind in {"HeadObject", "GetObjectTagging"} else "out/a"
    metrics = struck(bench, bench.changes("a", newer), kind, key, nth=nth)
    assert len(bench.versions("a")) == 2
    assert bench.server.uploads == {}
    assert_arrived(bench, metrics)


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["small", "large"])
def test_a_source_that_keeps_changing(bench: FaultBench, size: int) -> None:
    """It is checked again at most twice, then reported; nothing of it is written (rule 2)."""
    put(bench, size)
    kind = "CopyObject" if size == SMALL else "UploadPartCopy"
    metrics = struck(bench, bench.changes("a", size), kind, times=99)
    assert (fate(metrics), dict(metrics.errors_encountered.by_code)) == ("failed", {"SourceChanged": 1})
    assert (bench.written, bench.server.uploads) == ({}, {})


@pytest.mark.parametrize(
    ("size", "kind", "key"),
    [
        pytest.param(SMALL, "CopyObject", "out/a", id="between list and copy"),
        pytest.param(LARGE, "HeadObject", "in/a", id="before the HEAD of a large one"),
        pytest.param(LARGE, "GetObjectTagging", "in/a", id="before its tags are read"),
        pytest.param(LARGE, "UploadPartCopy", "out/a", id="before a part"),
    ],
)
def test_a_source_that_is_deleted(bench: FaultBench, size: int, kind: str, key: str) -> None:
    """It has vanished, which is not a failure; no upload of it is left."""
    put(bench, size)
    metrics = struck(bench, bench.deletes("a"), kind, key)
    assert fate(metrics) == "vanished"
    assert (bench.written, bench.server.uploads) == ({}, {})


@pytest.mark.parametrize(
    ("size", "kind"), [(SMALL, "CopyObject"), (LARGE, "CompleteMultipartUpload")], ids=["small", "large"]
)
class TestDestination:
    """Another client writes or deletes the destination's object at the last moment."""

    def test_never_leaves_it(self, bench: FaultBench, size: int, kind: str) -> None:
        """`never` skips an object that was written meanwhile, and keeps it (rule 3)."""
        put(bench, size)
        metrics = struck(bench, bench.overwrites("a"), kind, overwrite=Overwrite.NEVER)
        assert (fate(metrics), dict(metrics.files_skipped)) == ("skipped", {"exists": 1})
        assert bench.written["a"].by == "test"
        assert bench.server.uploads == {}

    def test_changed_checks_it_first(self, bench: FaultBench, size: int, kind: str) -> None:
        """`changed` replaces what was written meanwhile only after a check, and exactly that (rule 3)."""
        put(bench, size)
        metrics = struck(bench, bench.overwrites("a"), kind)
        (newer,) = [one for one in bench.server.history(DESTINATION, "out/a") if one.by == ANOTHER_CLIENT]
        guards = [
            (one.headers.get("if-none-match"), one.headers.get("if-match"))
            for one in bench.proxy.of_kind(kind)
        ]
        assert guards == [("*", None), (None, newer.etag)]
        assert_arrived(bench, metrics)

    def test_changed_guards_what_it_replaces(self, bench: FaultBench, size: int, kind: str) -> None:
        """An object that another client replaced after it was listed is checked first, too."""
        put(bench, size)
        listed = bench.server.put(DESTINATION, "out/a", 7, modified=bench.clock() - 2e6)
        metrics = struck(bench, bench.overwrites("a"), kind)
        newer = bench.server.history(DESTINATION, "out/a")[1]
        assert [one.headers["if-match"] for one in bench.proxy.of_kind(kind)] == [listed.etag, newer.etag]
        assert_arrived(bench, metrics)

    def test_a_missing_one_is_written(self, bench: FaultBench, size: int, kind: str) -> None:
        """S3 answers 404 when the object to replace is gone: that does not mean the source (rule 3)."""
        put(bench, size)
        bench.server.put(DESTINATION, "out/a", 7, modified=bench.clock() - 2e6)
        metrics = struck(bench, bench.clears("a"), kind)
        assert_arrived(bench, metrics)


def test_a_small_relay_does_not_miss_a_change(bench: FaultBench) -> None:
    """A source that changes while its bytes are in memory is newer than its copy, or copied again."""
    put(bench, SMALL)
    kinds = ("PutObject", "UploadPart")
    job = bench.started(relayed=True)
    plan = bench.plan(job)
    for kind in kinds:
        bench.proxy.add(bench.changes("a", SMALL), kind)
    bench.clock.tick(60)
    bench.run(job, plan, limits=LIMITS)
    bench.proxy.rules.clear()
    bench.clock.tick(60)
    assert_arrived_at_last(bench)


def test_an_empty_relayed_object_is_one_version(bench: FaultBench) -> None:
    """An empty object has no bytes whose ETag is checked; its tags and metadata still are of one version."""
    put(bench, 0)
    job = bench.started(relayed=True)
    plan = bench.plan(job)
    bench.proxy.add(bench.changes("a", 1), "GetObjectTagging")
    bench.run(job, plan, limits=LIMITS)
    assert any(bench.server.same(bench.written["a"], version) for version in bench.versions("a"))


def test_expired_credentials_at_a_head_are_renewed(bench: FaultBench) -> None:
    """S3 answers a HEAD with a plain 400 when credentials have expired: they are renewed (rule 15)."""
    put(bench, LARGE)

    def strike(request: Request, forward: Forward) -> Reply:
        if bench.renewed:
            return forward(request)
        return Reply(400) if request.method == "HEAD" else Reply.error(400, "ExpiredToken")

    job = bench.started(options=ObjectOptions(tags="drop"))  # else the request for tags would come first
    plan = bench.plan(job)
    expired = Fault("expired", strike)
    after_the_listings = bench.proxy.add(expired, nth=3, times=10_000)
    metrics = bench.run(job, plan, limits=LIMITS)
    assert after_the_listings.seen > 3
    assert bench.renewed >= 1
    assert fate(metrics) == "copied"


@pytest.mark.parametrize("nth", [1, 3, 5])
def test_a_kill_between_two_parts_leaves_no_upload(bench: FaultBench, nth: int) -> None:
    """A batch that is stopped aborts what it started, and its retry copies the object (rule 7)."""
    put(bench, LARGE)
    job = bench.started(transfer=TransferOptions(concurrency=1))
    plan, sender = bench.plan(job), impatient(1)
    bench.proxy.add(meanwhile("killed", sender.stop), "UploadPartCopy", nth=nth)
    with pytest.raises(InterruptedError):
        bench.copy(job, plan.batches[0], limits=LIMITS, sender=sender)
    assert bench.server.uploads == {}
    metrics = bench.copy(job, plan.batches[0], limits=LIMITS, retried=True)
    assert_arrived(bench, metrics)


def test_an_upload_whose_abort_was_denied_is_aborted_by_the_retry(bench: FaultBench) -> None:
    """An attempt remembers what it could not clean up, and the next attempt does (rule 7)."""
    put(bench, LARGE)
    job = bench.started()
    plan = bench.plan(job)
    bench.proxy.add(FAULTS["InternalError"], "UploadPartCopy", nth=3, times=99)
    bench.proxy.add(FAULTS["AccessDenied"], "AbortMultipartUpload")
    first = bench.copy(job, plan.batches[0], limits=LIMITS)
    assert (fate(first), len(bench.server.uploads)) == ("failed", 1)
    bench.proxy.rules.clear()
    metrics = bench.copy(job, plan.batches[0], limits=LIMITS, retried=True)
    assert bench.server.uploads == {}
    assert_arrived(bench, metrics)


def test_a_failed_verification_names_the_object(bench: FaultBench) -> None:
    """If another client overwrites a fresh copy, the object fails, and is named (rule 13)."""
    put(bench, LARGE)
    metrics = struck(bench, bench.overwrites("a"), "ListObjectsV2", None, nth=3)
    (failure,) = metrics.errors_encountered.first
    assert (failure.key, failure.code) == ("in/a", "VerificationFailed")
    assert (fate(metrics), metrics.files_mismatched) == ("failed", 1)


def test_every_fault_has_an_expectation() -> None:
    """At least twenty kinds, each with a name and a test."""
    assert len(FAULTS) >= 20
    assert FOR_GOOD.keys() == FAULTS.keys()
