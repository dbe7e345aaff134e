"""Results over HTTP: rows equal the metrics, and another run copies exactly the failed objects."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import pytest

from s3copy_tasks.copy.runner import copy_batch, count_batch
from s3copy_tasks.core.collector import MetricsCollector
from s3copy_tasks.core.key_list import ResultsPlace
from s3copy_tasks.core.multipart import Limits
from s3copy_tasks.core.options import TransferOptions
from s3copy_tasks.dag.factory import build_dag
from s3copy_tasks.engine.sender import Sender
from tests.support.builders.documents import document, job_of, write
from tests.support.builders.results import check_rows, find_prefix, read_failed, read_folder
from tests.support.s3.proxy import Proxy, Reply

if TYPE_CHECKING:
    from pathlib import Path

    from s3copy_tasks.config.job import CopyJob
    from tests.integration.conftest import RunDag
    from tests.support.s3.sides import Sides

LIMITS = Limits(single_copy_bytes=2**20, part_bytes=5 * 2**20)


def place_of(sides: Sides) -> ResultsPlace:
    """Return a place in the destination's bucket, beside the copies."""
    return ResultsPlace(location=sides.job().destination, prefix="results/")


def written(sides: Sides) -> dict[str, bytes]:
    """Return the objects of the results."""
    return {key: content for key, content in sides.copied().items() if key.startswith("results/")}


@pytest.mark.needs("parts_by_role")
@pytest.mark.parametrize("client", ["fast", "boto3"])
def test_rows_have_what_s3_said(sides: Sides, client: Literal["fast", "boto3"]) -> None:
    """A row of a small and of a large copy has the version that was made, and its ETag."""
    sides.destination.put_bucket_versioning(
        Bucket=sides.destination_bucket, VersioningConfiguration={"Status": "Enabled"}
    )
    sides.put("data/small", b"abc")
    sides.put("data/large", bytes(6 * 2**20))
    job = sides.preflight(
        sides.job(results=place_of(sides), transfer=TransferOptions(concurrency=2, client=client))
    ).job
    metrics = sides.run(job, limits=LIMITS)
    rows = read_folder(written(sides), "results/")
    check_rows(rows, metrics)
    for row in rows:
        there = sides.destination.head_object(Bucket=sides.destination_bucket, Key=row["destination_key"])
        assert row["destination_version_id"] == there["VersionId"]
        assert row["destination_etag"] == there["ETag"].strip('"')
    assert {row["key"]: row["size"] for row in rows} == {"data/small": "3", "data/large": str(6 * 2**20)}


@pytest.mark.parametrize("client", ["fast", "boto3"])
def test_a_refusal_has_its_request_id(sides: Sides, proxy: Proxy, client: Literal["fast", "boto3"]) -> None:
    """The row of an object that S3 refused has the id that AWS's support asks for."""
    sides.put("data/a")
    transfer = TransferOptions(concurrency=2, client=client)
    job = sides.preflight(sides.job(results=place_of(sides), transfer=transfer)).job
    refusal = replace(Reply.error(403, "AccessDenied"), headers={"x-amz-request-id": "4442587FB7D0A2F9"})
    proxy.answer = lambda request: refusal if request.kind == "CopyObject" else None
    metrics = sides.run(job)
    (row,) = read_folder(written(sides), "results/")
    check_rows([row], metrics)
    assert (row["outcome"], row["reason"], row["attempts"]) == ("failed", "AccessDenied", "1")
    assert row["request_id"] == "4442587FB7D0A2F9"


def test_a_stopped_batch_writes_its_rows(sides: Sides) -> None:
    """After SIGTERM no copy starts, and the rows of what was counted are still written."""
    for number in range(9):
        sides.put(f"data/{number}")
    job = sides.preflight(sides.job(results=place_of(sides))).job
    (batch,) = sides.plan(job).batches
    sender, collector = Sender(1), MetricsCollector()

    def stop(counted: int) -> None:
        if counted == 3:
            sender.stop()

    with pytest.raises(InterruptedError), count_batch(job, batch, collector):
        copy_batch(job, batch, sides.stores(job), metrics=collector, sender=sender, on_counted=stop)
    metrics = collector.metrics()
    assert metrics.files_unknown
    check_rows(read_folder(written(sides), find_prefix(job, [batch])), metrics)


@pytest.fixture
def job(sides: Sides, tmp_path: Path) -> CopyJob:
    """A job with results; one of its objects is archived, and one exists already."""
    for name in "abcde":
        sides.put(f"daily/{name}", name.encode())
    sides.put("daily/c", b"c", StorageClass="GLACIER")
    sides.destination.put_object(Bucket=sides.destination_bucket, Key="out/e", Body=b"e")
    content = document(failure={"retries": 0}, prefixes=[{"source": "daily/", "destination": "out/"}])
    return replace(
        job_of(write(tmp_path, content)),
        source=sides.job().source,
        destination=sides.job().destination,
        results=place_of(sides),
    )


def copies(proxy: Proxy) -> list[str]:
    """Return the keys that were copied since the proxy forgot."""
    return [request.key for request in proxy.requests if request.kind == "CopyObject"]


@pytest.mark.one_server
def test_the_failed_objects_of_a_dag_are_run_again(
    job: CopyJob, run_dag: RunDag, sides: Sides, proxy: Proxy
) -> None:
    """The summary names the folder; a run with its list of failed objects touches nothing else."""
    first = run_dag(build_dag(job))
    assert first.state == "failed"
    report: dict[str, Any] = first.xcom("summarize", "metrics")
    assert report["files_failed"] == 1
    prefix = report["results"].removeprefix(f"s3://{sides.destination_bucket}/")
    rows = {row["key"]: row for row in read_folder(written(sides), prefix)}
    assert {key: row["outcome"] for key, row in rows.items()} == {
        "daily/a": "copied",
        "daily/b": "copied",
        "daily/c": "failed",
        "daily/d": "copied",
        "daily/e": "skipped",
    }
    (failed,) = read_failed(written(sides)[f"{prefix}failed/batch-0001.csv"])
    assert (failed["key"], failed["destination"]) == ("daily/c", "out/c")

    sides.put("daily/c", b"restored")
    sides.put("daily/new", b"for the next run")
    proxy.forget()
    again = run_dag(build_dag(job), {"manifest": f"{report['results']}failed/"})
    assert again.state == "success"
    assert copies(proxy) == ["out/c"]
    summary = again.xcom("summarize", "metrics")
    assert (summary["total_files_found"], summary["files_copied_successfully"]) == (1, 1)
    assert summary["results"] != report["results"]
    assert sides.copied()["out/c"] == b"restored"
