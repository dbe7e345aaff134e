"""What a killed worker left is found by a listing where Airflow remembers nothing; all else is left alone."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from s3copy_tasks.copy.runner import copy_batch
from s3copy_tasks.copy.uploads import Attempt, NoRecord
from s3copy_tasks.core.collector import MetricsCollector
from s3copy_tasks.core.job import ObjectEntry, Overwrite, TransferOptions
from s3copy_tasks.core.multipart import Limits
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
"""An older boto3 knows no guard of a copy."""
SOMEBODY = "arn:aws:iam::444455556666:user/somebody"


@pytest.fixture(scope="module")
def upload_proxy() -> Iterator[FaultProxy]:
    """A proxy that remembers every request."""
    with FaultProxy(SmallS3()) as proxy:
        yield proxy


class Tries:
    """A batch whose first try was killed between two parts, and then what a retry finds beside."""

    def __init__(self, bench: FaultBench, **changes: Any) -> None:
        self.bench = bench
        bench.put("a +b", LARGE)
        bench.put("c", 10)
        self.job: EffectiveJob = bench.started(**UNGUARDED, **changes)
        (self.batch,) = bench.plan(self.job).batches
        sender = impatient(1)
        bench.proxy.add(meanwhile("killed", sender.stop), "UploadPartCopy", nth=2)
        bench.proxy.add(FAULTS["AccessDenied"], "AbortMultipartUpload")  # who is killed aborts nothing
        with pytest.raises(InterruptedError):
            self._copy(NoRecord(), sender)
        bench.proxy.begin(bench.server)
        (self.left,) = bench.server.uploads

    def beside(self, name: str, key: str = "out/a +b", *, age: float = -1, **changes: Any) -> str:
        """Let there be an upload that was begun so many seconds before the run."""
        assert self.job.run_started is not None
        started = self.job.run_started.timestamp() - age
        changes = {"initiator": SESSION.format("killed")} | changes
        self.bench.server.uploads[name] = Upload(DESTINATION, key, started, {}, **changes)
        return name

    def retry(self) -> TransferMetrics:
        """Carry out the batch once more, as a Dag does below Airflow 3.3."""
        context: Any = {"ti": SimpleNamespace(try_number=2)}
        destination: Any = SimpleNamespace(
            store=self.bench.stores.destination, signer=lambda: normalize_principal(SESSION.format("second"))
        )
        source: Any = SimpleNamespace(store=self.bench.stores.source)
        sender = impatient(1)
        record = CountedAttempts(context).uploads(
            self.job, Sides(source=source, destination=destination), sender
        )
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


def test_a_retry_ends_what_a_killed_try_began_and_nothing_else(bench: FaultBench) -> None:
    """Of all uploads of that key, those of other principals, of nobody, and older ones stay (rule 7)."""
    tries = Tries(bench)
    others = {
        tries.beside("of another key", "out/d"),
        tries.beside("of a neighbour", "outside/c"),
        tries.beside("of somebody", initiator=SOMEBODY),
        tries.beside("of nobody", initiator=None),
        tries.beside("of an account", initiator="75aa57f09aa0c8caeab4f8c24e99d10f"),
        tries.beside("of another run", age=60),
        tries.beside("of the first second", age=0),
    }
    tries.beside("of this run")
    with log_lines() as lines:
        metrics = tries.retry()
    assert set(bench.server.uploads) == others
    assert_copied(bench, metrics)
    warned = [line for line in lines if line["level"] == "warning"]
    assert [(line["key"], line["upload_id"]) for line in warned] == [
        ("out/a +b", "of an account"),
        ("out/a +b", "of nobody"),
    ]
    aborted = [line["upload_id"] for line in lines if line["event"] == "upload of an earlier try aborted"]
    assert sorted(aborted) == sorted([tries.left, "of this run"])


def test_an_upload_to_a_key_that_the_source_lacks_is_of_another_job(bench: FaultBench) -> None:
    """Another bucket may be copied to the same prefix, by the same role, at the same time."""
    tries = Tries(bench)
    other = tries.beside("of another job", "out/b")
    with log_lines() as lines:
        metrics = tries.retry()
    assert list(bench.server.uploads) == [other]
    assert_copied(bench, metrics)
    (warning,) = (line for line in lines if line["level"] == "warning")
    assert (warning["key"], warning["upload_id"]) == ("out/b", other)


def test_a_source_that_can_not_be_seen_ends_no_upload(bench: FaultBench) -> None:
    """Where the source's object can't be looked at, the upload stays, and the batch is copied."""
    tries = Tries(bench)
    bench.proxy.add(FAULTS["AccessDenied"], "HeadObject", "in/a +b", times=1)
    tries.retry()
    assert tries.left in bench.server.uploads


def test_a_listing_that_goes_round_in_circles_ends(bench: FaultBench) -> None:
    """A server whose markers lead back to each other is not asked forever."""
    tries = Tries(bench)

    def circle(request: Request, _: Forward) -> Reply:
        there = "out/a" if request.query.get("key-marker") == "out/b" else "out/b"
        marker = f"<IsTruncated>true</IsTruncated><NextKeyMarker>{there}</NextKeyMarker>"
        return xml("ListMultipartUploadsResult", marker)

    bench.proxy.add(Fault("circle", circle), "ListMultipartUploads", times=99)
    tries.retry()
    assert bench.proxy.kinds()["ListMultipartUploads"] == 3


def test_a_listing_goes_page_by_page_and_no_further(bench: FaultBench) -> None:
    """Pages are asked for until one passes the last key of the batch; each request names the owner."""
    tries = Tries(bench)
    for number in range(PAGE_KEYS):
        tries.beside(f"before {number}", "out/a", initiator=SOMEBODY)
    for number in range(5 * PAGE_KEYS):
        tries.beside(f"past {number}", f"out/d{number:02}")
    tries.retry()
    assert tries.left not in bench.server.uploads
    assert len(bench.server.uploads) == 6 * PAGE_KEYS
    listings = bench.proxy.of_kind("ListMultipartUploads")
    assert [one.query.get("key-marker") for one in listings] == [None, "out/a"]
    assert [one.query.get("upload-id-marker") for one in listings] == [None, "before 2"]
    assert {one.query["prefix"] for one in listings} == {"out/"}
    assert {one.headers["x-amz-expected-bucket-owner"] for one in listings} == {DESTINATION_ACCOUNT}


def test_a_batch_in_the_middle_lists_from_its_first_key(bench: FaultBench) -> None:
    """Of a batch that begins after a key nothing is listed before it, and nothing there is aborted."""
    tries = Tries(bench)
    (whole,) = tries.batch.ranges
    tries.batch = replace(tries.batch, ranges=(replace(whole, after="b"),))
    tries.retry()
    assert list(bench.server.uploads) == [tries.left]
    (listing,) = bench.proxy.of_kind("ListMultipartUploads")
    assert listing.query["key-marker"] == "out/b"


def test_single_objects(bench: FaultBench) -> None:
    """An object that the job names is looked for by its key; a longer key is another one's."""
    named = tuple(ObjectEntry(source=f"in/{key}", destination=f"out/{key}") for key in ("a +b", "c"))
    tries = Tries(bench, prefixes=(), objects=named)
    other = tries.beside("of a longer key", "out/a +b/c")
    assert_copied(bench, tries.retry())
    assert list(bench.server.uploads) == [other]


@pytest.mark.parametrize(
    ("fault", "said"),
    [("AccessDenied", '"s3:ListBucketMultipartUploads"'), ("InternalError", "InternalError")],
)
def test_who_may_not_list_copies_all_the_same(bench: FaultBench, fault: str, said: str) -> None:
    """One warning says what is missing; the upload is left to the bucket's lifecycle."""
    tries = Tries(bench)
    bench.proxy.add(FAULTS[fault], "ListMultipartUploads", times=99)
    with log_lines() as lines:
        metrics = tries.retry()
    assert_copied(bench, metrics)
    assert list(bench.server.uploads) == [tries.left]
    (warning,) = (line for line in lines if line["level"] == "warning")
    assert warning["event"] == "uploads of earlier tries are not known"
    assert said in f"{warning['code']} {warning['error']}"


def test_a_first_try_lists_nothing(bench: FaultBench) -> None:
    """What is there before a task's first try is not its own."""
    bench.put("a", 10)
    job = bench.started(**UNGUARDED)
    (batch,) = bench.plan(job).batches
    copied = first_try(bench, job, batch)
    assert copied.files_copied_successfully == 1
    assert bench.proxy.kinds()["ListMultipartUploads"] == 0


def first_try(bench: FaultBench, job: EffectiveJob, batch: Batch) -> TransferMetrics:
    context: Any = {"ti": SimpleNamespace(try_number=1)}
    destination: Any = SimpleNamespace(store=bench.stores.destination)
    sides = Sides(source=destination, destination=destination)
    bench.uploads = CountedAttempts(context).uploads(job, sides, impatient())
    return bench.copy(job, batch)
