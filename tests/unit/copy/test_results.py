"""A batch writes a row for each object that it counts, and a list of the failed ones, however it ends.

That rows agree with the metrics is checked for every batch of `Bench`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from s3copy_tasks.copy.runner import copy_batch, count_batch
from s3copy_tasks.core.job import Filters, ObjectEntry
from s3copy_tasks.core.multipart import Limits
from s3copy_tasks.core.options import TransferOptions
from s3copy_tasks.core.results_folder import find_results_folder
from s3copy_tasks.errors import AccessError, CopyError, MissingError, RequestError, TransientError
from s3copy_tasks.report.summary import verdict
from tests.support.builders.bench import DESTINATION, Bench, impatient_for
from tests.support.builders.logs import log_lines
from tests.support.builders.results import RESULTS, check_rows, find_prefix, read_failed, read_rows
from tests.support.s3.memory import fails, on

if TYPE_CHECKING:
    from s3copy_tasks.core.batch import Batch
    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.metrics import TransferMetrics

DENIED = AccessError("no", code="AccessDenied")
RESET = TransientError("reset", code="InternalError")
GONE = MissingError("gone", code="NoSuchKey")
PARTS = Limits(single_copy_bytes=4, part_bytes=4)


class Place:
    """A job with one batch of the objects a to e."""

    def __init__(self, **changes: Any) -> None:
        self.bench = Bench()
        self.bench.put(*(f"in/{name}" for name in "abcde"), content=b"123456")
        self.bench.clock.tick(60)
        self.job: EffectiveJob = self.bench.started(**changes)
        (self.batch,) = self.bench.plan(self.job).batches

    def fail(self, key: str, error: CopyError, *, times: int = 99) -> None:
        self.bench.server.before.append(on("copy_object", fails(error), key=key, times=times))

    def copy(self, **how: Any) -> TransferMetrics:
        return self.bench.copy(self.job, self.batch, **how)

    @property
    def rows(self) -> dict[str, dict[str, str]]:
        """The rows by source key."""
        prefix = find_prefix(self.job, [self.batch])
        return {row["key"]: row for row in read_rows(self.bench.results[f"{prefix}batch-0001.csv.gz"])}

    @property
    def failed(self) -> list[str] | None:
        """The keys of the list of failed objects; None if none was written."""
        content = self.bench.results.get(f"{find_prefix(self.job, [self.batch])}failed/batch-0001.csv")
        return None if content is None else sorted(row["key"] for row in read_failed(content))


def test_a_row_for_each_object() -> None:
    """Copied, skipped, failed and vanished objects of a range are in it, with reason, code and attempts."""
    place = Place()
    place.bench.server.put(DESTINATION, "out/b", b"123456")
    place.fail("out/c", DENIED)
    place.fail("out/d", RESET)
    place.bench.server.before.append(on("copy_object", lambda: place.bench.delete("in/e"), key="out/e"))
    place.copy()
    rows = place.rows
    found = {
        key: (row["outcome"], row["reason"], row["verified"], row["attempts"]) for key, row in rows.items()
    }
    assert found == {
        "in/a": ("copied", "", "true", ""),
        "in/b": ("skipped", "unchanged", "", ""),
        "in/c": ("failed", "AccessDenied", "", "1"),
        "in/d": ("failed", "InternalError", "", "3"),
        "in/e": ("vanished", "", "", ""),
    }
    assert rows["in/a"]["etag"] == rows["in/a"]["destination_etag"] == rows["in/b"]["destination_etag"]
    assert {row["size"] for row in rows.values()} == {"6"}
    assert place.failed == ["in/c", "in/d"]


def test_a_copy_that_differs_is_a_row_that_failed() -> None:
    """Its row waits for the verification: it never says copied of what is something else."""
    place = Place()
    change = on(
        "list_page",
        lambda: place.bench.server.put(DESTINATION, "out/b", b"others"),
        bucket=DESTINATION,
        spare=1,
    )
    place.bench.server.before.append(change)
    place.copy(limits=PARTS)
    assert {key: (row["outcome"], row["verified"]) for key, row in place.rows.items()} == {
        f"in/{name}": ("failed", "") if name == "b" else ("copied", "true") for name in "abcde"
    }
    assert place.rows["in/b"]["reason"] == "VerificationFailed"
    assert place.failed == ["in/b"]


def test_a_copy_that_can_not_be_listed_is_a_row_that_is_not_verified() -> None:
    """It is copied, as the metrics say, and nothing proved it."""
    place = Place()
    place.bench.server.before.append(on("list_page", fails(DENIED), bucket=DESTINATION, spare=1))
    place.copy(limits=PARTS)
    assert {(row["outcome"], row["verified"]) for row in place.rows.values()} == {("copied", "false")}


@pytest.mark.parametrize(
    ("errors", "retried", "failed"),
    [
        ([], False, None),
        ([], True, []),
        ([DENIED], False, ["in/c"]),
        ([DENIED], True, ["in/c"]),
        ([GONE], False, None),
    ],
    ids=["none failed", "none failed in a retry", "one failed", "one failed in a retry", "one vanished"],
)
def test_when_there_is_a_list_of_failed_objects(
    errors: list[CopyError],
    retried: bool,  # noqa: FBT001 - a table's column
    failed: list[str] | None,
) -> None:
    """If any failed; and in a retry, whose empty list replaces that of an earlier attempt."""
    place = Place()
    for error in errors:
        place.fail("out/c", error)
        if error is GONE:
            place.bench.delete("in/c")
    place.copy(retried=retried)
    assert place.failed == failed


def test_a_retry_replaces_the_rows_of_an_earlier_attempt() -> None:
    """Its rows are those of all objects: what the first attempt copied is copied earlier."""
    place = Place()
    place.fail("out/c", DENIED, times=1)
    place.copy()
    assert place.failed == ["in/c"]
    place.copy(retried=True)
    assert {key: row["reason"] for key, row in place.rows.items()} == {
        f"in/{name}": "" if name == "c" else "earlier" for name in "abcde"
    }
    assert place.failed == []


def test_objects_that_were_not_attempted_are_failed_rows() -> None:
    """After 100 denied objects in a row the others are listed as failed, too, so that they are run again."""
    bench = Bench()
    bench.put(*(f"in/{number:03}" for number in range(150)))
    job = bench.started()
    (batch,) = bench.plan(job).batches
    bench.server.before.append(on("copy_object", fails(DENIED), times=150))
    metrics = bench.copy(job, batch)
    assert metrics.errors_encountered.by_code["NotAttempted"] > 0
    failed = read_failed(bench.results[f"{find_prefix(job, [batch])}failed/batch-0001.csv"])
    assert len(failed) == 150


def test_single_objects() -> None:
    """A single object that is gone, or can't be headed, has a row with what the job says of it."""
    bench = Bench()
    bench.put("x", "y", "z")
    job = bench.started(objects=tuple(ObjectEntry(source=name, destination=f"to/{name}") for name in "xyz"))
    (batch,) = bench.plan(job).batches
    bench.delete("x")
    bench.server.before.append(on("head_object", fails(DENIED), key="y", times=9))
    bench.copy(job, batch)
    prefix = find_prefix(job, [batch])
    rows = read_rows(bench.results[f"{prefix}batch-0001.csv.gz"])
    assert {(row["key"], row["destination_key"]): row["outcome"] for row in rows} == {
        ("x", "to/x"): "vanished",
        ("y", "to/y"): "failed",
        ("z", "to/z"): "copied",
    }
    (failed,) = read_failed(bench.results[f"{prefix}failed/batch-0001.csv"])
    assert (failed["key"], failed["destination"], failed["etag"], failed["size"]) == ("y", "to/y", "", "")


@pytest.mark.parametrize(
    ("error", "transient"), [(DENIED, 0), (RESET, 1)], ids=["denied", "worth another attempt"]
)
def test_results_that_can_not_be_written_fail_the_batch(error: CopyError, transient: int) -> None:
    """The metrics stay exact; the run fails for it, and says where, why, and whether a retry may help."""
    place = Place()
    place.bench.server.before.append(on("put_bytes", fails(error), times=9))
    with log_lines() as logs:
        metrics = place.copy()
    assert metrics.files_copied_successfully == metrics.total_files_found == 5
    assert metrics.errors_encountered.by_code == {"ResultsNotWritten": 1}
    assert metrics.errors_encountered.transient == transient
    assert verdict(metrics, 1_000) is not None
    (named,) = metrics.errors_encountered.first
    assert f"s3://{RESULTS}/{find_prefix(place.job, [place.batch])}batch-0001.csv.gz" in named.message
    assert error.code in named.message
    assert [line["code"] for line in logs if line["event"] == "results not written"] == ["ResultsNotWritten"]


def test_what_is_written_is_counted_and_logged() -> None:
    """The requests are the batch's, counted for its first entry; the log has the addresses."""
    place = Place()
    place.fail("out/c", DENIED)
    with log_lines() as logs:
        metrics = place.copy()
    assert metrics.requests.by_kind["PutObject"] == 2
    assert metrics.entries[0].requests.by_kind["PutObject"] == 2
    folder = find_results_folder(place.job, [place.batch])
    assert folder is not None
    written = [line["address"] for line in logs if line["event"] == "results written"]
    assert written == [f"{folder}batch-0001.csv.gz", f"{folder}failed/batch-0001.csv"]


def test_a_stopped_batch_writes_what_it_has_counted() -> None:
    """After SIGTERM, which stops the sender, rows are still written; the rest of the objects is unknown."""
    place = Place(transfer=TransferOptions(concurrency=1))
    sender = impatient_for(place.job)
    place.bench.server.after.append(on("copy_object", sender.stop, spare=1))
    collector = place.bench.collector(place.job)
    with pytest.raises(InterruptedError), count_batch(place.job, place.batch, collector):
        copy_batch(place.job, place.batch, place.bench.stores, metrics=collector, sender=sender)
    metrics = collector.metrics()
    assert metrics.files_unknown > 0
    assert metrics.files_copied_successfully == len(place.bench.written) > 0
    check_rows(place.rows.values(), metrics)


def test_no_results_without_a_place() -> None:
    """A job without results sends no request for them."""
    place = Place(results=None)
    place.fail("out/c", RequestError("no", code="InvalidRequest"))
    place.copy()
    assert place.bench.results == {}
    assert place.bench.server.count("put_bytes") == 0


def test_odd_keys() -> None:
    """Keys with anything that S3 allows are in the rows and in the list of failed objects."""
    bench = Bench()
    odd = ['in/=1+1,"x"', "in/a\nb", "in/ é%2C", "in/-", "in/ok"]
    bench.put(*odd)
    job = bench.started(filters=Filters(exclude=("ok",)))
    (batch,) = bench.plan(job).batches
    bench.server.before.append(on("copy_object", fails(DENIED), times=99))
    bench.copy(job, batch)
    content = bench.results[f"{find_prefix(job, [batch])}failed/batch-0001.csv"]
    assert sorted(row["key"] for row in read_failed(content)) == sorted(odd[:-1])


def rows_of(bench: Bench, job: EffectiveJob, batch: Batch) -> list[dict[str, str]]:
    return read_rows(bench.results[f"{find_prefix(job, [batch])}batch-{batch.id + 1:04}.csv.gz"])


def test_each_batch_has_an_object_of_its_own() -> None:
    """Batches write side by side; each has the rows of its own ranges."""
    bench = Bench()
    bench.put(*(f"in/{number}" for number in range(9)))
    job = bench.started(transfer=TransferOptions(concurrency=2, batch_objects=4))
    plan = bench.plan(job)
    bench.run(job, plan)
    sizes = [len(rows_of(bench, job, batch)) for batch in plan.batches]
    assert sorted(sizes) == [1, 4, 4]
