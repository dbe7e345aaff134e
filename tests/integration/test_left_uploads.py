"""If Airflow has no memory of a killed worker, a listing finds its uploads; others are left alone."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from s3copy_tasks.copy.runner import copy_batch
from s3copy_tasks.copy.uploads import Attempt, NoRecord
from s3copy_tasks.core.collector import MetricsCollector
from s3copy_tasks.core.job import ObjectEntry, Overwrite
from s3copy_tasks.core.key_list import Column
from s3copy_tasks.core.multipart import Limits
from s3copy_tasks.core.options import TransferOptions
from s3copy_tasks.dag.memory import CountedAttempts
from s3copy_tasks.iam.statements import normalize_principal
from s3copy_tasks.s3.connections import Sides
from tests.faults.bench import DESTINATION, DESTINATION_ACCOUNT, FaultBench, connect
from tests.faults.kinds import FAULTS, meanwhile
from tests.faults.proxy import Fault, FaultProxy
from tests.support.builders.bench import impatient
from tests.support.builders.logs import log_lines
from tests.support.s3.small_objects import Upload
from tests.support.s3.small_s3 import SmallS3
from tests.support.s3.small_wire import xml

if TYPE_CHECKING:
    from collections.abc import Iterator

    from s3copy_tasks.copy.uploads import UploadRecord
    from s3copy_tasks.core.batch import Batch
    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.metrics import TransferMetrics
    from s3copy_tasks.engine.sender import Sender
    from tests.faults.proxy import Forward
    from tests.support.s3.proxy import Reply, Request

LIMITS = Limits(single_copy_bytes=100, part_bytes=64)
LARGE = 300
PAGE_KEYS = 3
SESSION = "arn:aws:sts::444455556666:assumed-role/writer/{}"
UNGUARDED: dict[str, Any] = {
    "transfer": TransferOptions(concurrency=1),
    "overwrite": Overwrite.ALWAYS,
}
"""An older boto3 has no conditional copies."""
OTHER_USER = "arn:aws:iam::444455556666:user/other"


@pytest.fixture(scope="module")
def upload_proxy() -> Iterator[FaultProxy]:
    """A proxy that remembers every request."""
    with FaultProxy(SmallS3()) as proxy:
        yield proxy


class Attempts:
    """A batch whose first attempt was killed between two parts, and what else a retry finds."""

    def __init__(self, bench: FaultBench, *, is_listed: bool = False, **changes: Any) -> None:
        self.bench = bench
        bench.put("a +b", LARGE)
        bench.put("c", 10)
        if is_listed:
            changes["keys_from"] = bench.put_list([Column.KEY])
        self.job: EffectiveJob = bench.started(**UNGUARDED, **changes)
        (self.batch,) = bench.plan(self.job).batches
        sender = impatient(1)
        bench.proxy.add(meanwhile("killed", sender.stop), "UploadPartCopy", nth=2)
        bench.proxy.add(FAULTS["AccessDenied"], "AbortMultipartUpload")  # a killed attempt aborts nothing
        with pytest.raises(InterruptedError):
            self._copy(NoRecord(), sender)
        bench.proxy.begin(bench.server)
        (self.left,) = bench.server.uploads

    def beside(self, name: str, key: str = "out/a +b", *, age: float = -1, **changes: Any) -> str:
        """Add an upload that was started so many seconds before the run."""
        assert self.job.run_started is not None
        started = self.job.run_started.timestamp() - age
        changes = {"initiator": SESSION.format("killed")} | changes
        self.bench.server.uploads[name] = Upload(DESTINATION, key, started, {}, **changes)
        return name

    def retry(self) -> TransferMetrics:
        """Run the batch again, as a Dag does before Airflow 3.3."""
        context: Any = {"ti": SimpleNamespace(try_number=2)}
        destination: Any = SimpleNamespace(
            store=self.bench.stores.destination, signer=lambda: normalize_principal(SESSION.format("second"))
        )
        source: Any = SimpleNamespace(store=self.bench.stores.source)
        lists: Any = SimpleNamespace(store=self.bench.stores.lists)
        sender = impatient(1)
        sides = Sides(source=source, destination=destination, lists=lists)
        record = CountedAttempts(context).uploads(self.job, sides, sender)
        return self._copy(record, sender, retried=True)

    def _copy(self, uploads: UploadRecord, sender: Sender, *, retried: bool = False) -> TransferMetrics:
        collector = MetricsCollector()
        collector.start_operation(self.job.run_id)
        copy_batch(
            self.job,
            self.batch,
            self.bench.stores,
            metrics=collector,
            attempt=Attempt(retried=retried, uploads=uploads),
            limits=LIMITS,
            sender=sender,
        )
        return collector.metrics()


@pytest.fixture(params=[True, False], ids=["curl", "boto3"])
def bench(upload_proxy: FaultProxy, request: pytest.FixtureRequest) -> Iterator[FaultBench]:
    """Both sides on a server with small pages, over either client."""
    server = {"page_keys": PAGE_KEYS, "part_bytes_min": 1}
    with FaultBench(upload_proxy, connect(upload_proxy.url), fast=request.param, **server) as bench:
        yield bench


def assert_copied(bench: FaultBench, metrics: TransferMetrics) -> None:
    assert (metrics.files_copied_successfully, metrics.files_failed) == (2, 0)
    for name in ("a +b", "c"):
        assert bench.server.same(bench.written[name], bench.versions(name)[-1])


def test_a_retry_aborts_only_the_uploads_of_a_killed_attempt(bench: FaultBench) -> None:
    """Uploads of that key by other or unknown principals, and older ones, stay (rule 7)."""
    attempts = Attempts(bench)
    others = {
        attempts.beside("of another key", "out/d"),
        attempts.beside("of a neighbour", "outside/c"),
        attempts.beside("of another user", initiator=OTHER_USER),
        attempts.beside("of an unknown user", initiator=None),
        attempts.beside("of an account", initiator="75aa57f09aa0c8caeab4f8c24e99d10f"),
        attempts.beside("of another run", age=60),
        attempts.beside("of the first second", age=0),
    }
    attempts.beside("of this run")
    with log_lines() as lines:
        metrics = attempts.retry()
    assert set(bench.server.uploads) == others
    assert_copied(bench, metrics)
    warned = [line for line in lines if line["level"] == "warning"]
    assert [(line["key"], line["upload_id"]) for line in warned] == [
        ("out/a +b", "of an account"),
        ("out/a +b", "of an unknown user"),
    ]
    aborted = [line["upload_id"] for line in lines if line["event"] == "upload of an earlier try aborted"]
    assert sorted(aborted) == sorted([attempts.left, "of this run"])


def test_an_upload_to_a_key_that_the_source_lacks_is_of_another_job(bench: FaultBench) -> None:
    """Another bucket may be copied to the same prefix, by the same role, at the same time."""
    attempts = Attempts(bench)
    other = attempts.beside("of another job", "out/b")
    with log_lines() as lines:
        metrics = attempts.retry()
    assert list(bench.server.uploads) == [other]
    assert_copied(bench, metrics)
    (warning,) = (line for line in lines if line["level"] == "warning")
    assert (warning["key"], warning["upload_id"]) == ("out/b", other)


def test_a_retry_knows_the_keys_of_its_rows(bench: FaultBench) -> None:
    """A batch of a list aborts uploads to the keys that its rows name, and no others below the prefix."""
    attempts = Attempts(bench, is_listed=True)
    other = attempts.beside("of another batch", "out/d")
    attempts.beside("of this run")
    metrics = attempts.retry()
    assert list(bench.server.uploads) == [other]
    assert_copied(bench, metrics)


def test_a_source_that_can_not_be_seen_ends_no_upload(bench: FaultBench) -> None:
    """If the source's object can't be headed, the upload stays, and the batch is copied."""
    attempts = Attempts(bench)
    bench.proxy.add(FAULTS["AccessDenied"], "HeadObject", "in/a +b", times=1)
    attempts.retry()
    assert attempts.left in bench.server.uploads


def test_a_listing_that_goes_round_in_circles_ends(bench: FaultBench) -> None:
    """A listing whose markers form a loop ends."""
    attempts = Attempts(bench)

    def circle(request: Request, _: Forward) -> Reply:
        there = "out/a" if request.query.get("key-marker") == "out/b" else "out/b"
        marker = f"<IsTruncated>true</IsTruncated><NextKeyMarker>{there}</NextKeyMarker>"
        return xml("ListMultipartUploadsResult", marker)

    bench.proxy.add(Fault("circle", circle), "ListMultipartUploads", times=99)
    attempts.retry()
    assert bench.proxy.kinds()["ListMultipartUploads"] == 4


def test_a_listing_goes_page_by_page_and_no_further(bench: FaultBench) -> None:
    """Pages are requested until one passes the last key of the batch; each request names the owner."""
    attempts = Attempts(bench)
    for number in range(PAGE_KEYS):
        attempts.beside(f"before {number}", "out/a", initiator=OTHER_USER)
    for number in range(5 * PAGE_KEYS):
        attempts.beside(f"past {number}", f"out/d{number:02}")
    attempts.retry()
    assert attempts.left not in bench.server.uploads
    assert len(bench.server.uploads) == 6 * PAGE_KEYS
    listings = bench.proxy.of_kind("ListMultipartUploads")
    assert [one.query.get("key-marker") for one in listings] == [None, "out/a"]
    assert [one.query.get("upload-id-marker") for one in listings] == [None, "before 2"]
    assert {one.query["prefix"] for one in listings} == {"out/"}
    assert {one.headers["x-amz-expected-bucket-owner"] for one in listings} == {DESTINATION_ACCOUNT}


def test_a_batch_in_the_middle_lists_from_its_first_key(bench: FaultBench) -> None:
    """A batch that starts after a key lists and aborts nothing before that key."""
    attempts = Attempts(bench)
    (whole,) = attempts.batch.ranges
    attempts.batch = replace(attempts.batch, ranges=(replace(whole, after="b"),))
    attempts.retry()
    assert list(bench.server.uploads) == [attempts.left]
    (listing,) = bench.proxy.of_kind("ListMultipartUploads")
    assert listing.query["key-marker"] == "out/b"


def test_single_objects(bench: FaultBench) -> None:
    """A named object is listed by its key; a longer key is another object's."""
    named = tuple(ObjectEntry(source=f"in/{key}", destination=f"out/{key}") for key in ("a +b", "c"))
    attempts = Attempts(bench, prefixes=(), objects=named)
    other = attempts.beside("of a longer key", "out/a +b/c")
    assert_copied(bench, attempts.retry())
    assert list(bench.server.uploads) == [other]


@pytest.mark.parametrize(
    ("fault", "said"),
    [("AccessDenied", '"s3:ListBucketMultipartUploads"'), ("InternalError", "InternalError")],
)
def test_a_role_that_may_not_list_copies_anyway(bench: FaultBench, fault: str, said: str) -> None:
    """One warning says what is missing; the upload is left to the bucket's lifecycle."""
    attempts = Attempts(bench)
    bench.proxy.add(FAULTS[fault], "ListMultipartUploads", times=99)
    with log_lines() as lines:
        metrics = attempts.retry()
    assert_copied(bench, metrics)
    assert list(bench.server.uploads) == [attempts.left]
    (warning,) = (line for line in lines if line["level"] == "warning")
    assert warning["event"] == "uploads of earlier tries are not known"
    assert said in f"{warning['code']} {warning['error']}"


def test_a_first_attempt_lists_nothing(bench: FaultBench) -> None:
    """Uploads from before a task's first attempt are not its own."""
    bench.put("a", 10)
    job = bench.started(**UNGUARDED)
    (batch,) = bench.plan(job).batches
    copied = first_attempt(bench, job, batch)
    assert copied.files_copied_successfully == 1
    assert bench.proxy.kinds()["ListMultipartUploads"] == 0


def first_attempt(bench: FaultBench, job: EffectiveJob, batch: Batch) -> TransferMetrics:
    context: Any = {"ti": SimpleNamespace(try_number=1)}
    destination: Any = SimpleNamespace(store=bench.stores.destination)
    sides = Sides(source=destination, destination=destination)
    bench.uploads = CountedAttempts(context).uploads(job, sides, impatient())
    return bench.copy(job, batch)
