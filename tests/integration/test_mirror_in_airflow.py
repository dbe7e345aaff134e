"""A mirror as a Dag: what it copies, deletes, keeps and reports, over HTTP."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest

from s3copy_tasks.dag.airflow_versions import HAS_APPROVALS
from s3copy_tasks.dag.factory import build_dag
from tests.support.builders.documents import document, job_of, write
from tests.support.s3.proxy import Reply

if TYPE_CHECKING:
    from pathlib import Path

    from s3copy_tasks.config.job import CopyJob
    from tests.integration.conftest import DagResult, RunDag
    from tests.support.s3.proxy import Proxy
    from tests.support.s3.sides import Sides

COPIES = {f"copy/{number}" for number in range(4)}
OLD = {f"copy/old{number}" for number in range(3)}


@dataclass
class Mirrored:
    """A mirror of four objects; its destination has copies of three of them, and three objects more."""

    sides: Sides
    folder: Path

    def job(self, **mirror: Any) -> CopyJob:
        """Return the job, which may delete up to half of its destination, with changes to its mirror."""
        limits = {"max_deleted_objects": 3, "max_deleted_percent": 50}
        content = document(
            failure={"retries": 0},
            on_empty="succeed",
            prefixes=[{"source": "data/", "destination": "copy/"}],
            mirror=limits | mirror,
        )
        sides = self.sides.job()
        return replace(
            job_of(write(self.folder, content)), source=sides.source, destination=sides.destination
        )

    def keys(self) -> set[str]:
        return set(self.sides.copied())


@pytest.fixture
def mirrored(sides: Sides, tmp_path: Path) -> Mirrored:
    sides.destination.put_bucket_versioning(
        Bucket=sides.destination_bucket, VersioningConfiguration={"Status": "Enabled"}
    )
    for key in COPIES:
        sides.put(key.replace("copy", "data"), b"x")
    for key in {"copy/1", "copy/2", "copy/3"} | OLD:
        sides.destination.put_object(Bucket=sides.destination_bucket, Key=key, Body=b"x")
    return Mirrored(sides, tmp_path)


def report(done: DagResult) -> dict[str, Any]:
    """Return what a run reports of its deletes, for which the law must hold."""
    found: dict[str, Any] = done.xcom("summarize", "metrics")["deletions"]
    for counts in (found, *found["groups"]):
        outcomes = [counts[name] for name in ("deleted", "gone", "failed", "unknown")]
        assert counts["extraneous"] == sum(outcomes) + sum(counts["kept"].values())
    return found


@pytest.mark.needs("versioning", "conditional_deletes")
def test_a_mirror_deletes_what_the_source_lacks(
    mirrored: Mirrored, run_dag: RunDag, log_events: list[dict[str, Any]]
) -> None:
    """It copies, then deletes, and counts and logs both; a second run deletes nothing."""
    done = run_dag(build_dag(mirrored.job()))
    assert (done.state, mirrored.keys()) == ("success", COPIES)
    metrics, found = done.xcom("summarize", "metrics"), report(done)
    assert (metrics["files_copied_successfully"], metrics["files_skipped"]) == (1, {"unchanged": 3})
    assert (found["in_scope"], found["extraneous"], found["deleted"]) == (6, 3, 3)
    assert [group["destination"] for group in found["groups"]] == ["copy/"]
    assert (found["refused"], found["at_least"], found["errors"]) == (None, False, [])
    assert metrics["requests_by_kind"]["DeleteObject"] == 3
    assert metrics["requests"] == sum(metrics["requests_by_kind"].values())
    logged = {line["event"]: line for line in log_events}
    assert (logged["objects extraneous"]["to_delete"], logged["deletes finished"]["deleted"]) == (3, 3)
    assert {line["key"] for line in log_events if line["event"] == "object deleted"} == OLD
    again = run_dag(build_dag(mirrored.job()))
    assert (again.state, again.states["delete_batch", -1], mirrored.keys()) == ("success", "skipped", COPIES)
    assert report(again)["extraneous"] == 0


@pytest.mark.one_server
def test_it_deletes_when_there_is_nothing_to_copy(mirrored: Mirrored, run_dag: RunDag) -> None:
    """Skipped copies do not skip the deletes, and what was deleted is an event of the destination."""
    mirrored.sides.destination.put_object(Bucket=mirrored.sides.destination_bucket, Key="copy/0", Body=b"x")
    done = run_dag(build_dag(mirrored.job()))
    assert (done.states["copy_batch", -1], done.states["publish", -1]) == ("skipped", "success")
    assert (report(done)["deleted"], mirrored.keys()) == (3, COPIES)


@pytest.mark.one_server
def test_a_dry_run_deletes_nothing(mirrored: Mirrored, run_dag: RunDag) -> None:
    """The run is green, and says how many it would delete."""
    done = run_dag(build_dag(mirrored.job()), {"dry_run": True})
    assert (done.state, done.states["delete_batch", -1]) == ("success", "skipped")
    assert (report(done)["kept"], report(done)["refused"]) == ({"dry_run": 3}, None)
    assert mirrored.keys() == COPIES - {"copy/0"} | OLD


@pytest.mark.one_server
def test_above_a_limit_nothing_is_deleted(mirrored: Mirrored, run_dag: RunDag) -> None:
    """What is new is copied, and the run fails with the numbers."""
    done = run_dag(build_dag(mirrored.job(max_deleted_objects=2)))
    assert (done.state, done.states["delete_batch", -1]) == ("failed", "skipped")
    assert report(done)["refused"].startswith("would delete 3 of 6, limit 2; deletes nothing: more than 2 ")
    assert report(done)["kept"] == {"refused": 3}
    assert mirrored.keys() == COPIES | OLD


@pytest.mark.one_server
def test_an_empty_source_deletes_nothing(mirrored: Mirrored, run_dag: RunDag) -> None:
    """Also where `on_empty` lets the run succeed: an empty source is more often a mistake."""
    for key in COPIES:
        mirrored.sides.source.delete_object(
            Bucket=mirrored.sides.source_bucket, Key=key.replace("copy", "data")
        )
    done = run_dag(build_dag(mirrored.job(max_deleted_objects=100, max_deleted_percent=100)))
    assert done.state == "failed"
    assert "has no object" in report(done)["refused"]
    assert mirrored.keys() == COPIES - {"copy/0"} | OLD


@pytest.mark.one_server
def test_a_failed_copy_deletes_nothing(mirrored: Mirrored, proxy: Proxy, run_dag: RunDag) -> None:
    """Repair comes first, whatever failed."""
    denied = Reply.error(403, "AccessDenied", "Access Denied")
    proxy.answer = lambda request: denied if request.kind == "CopyObject" else None
    done = run_dag(build_dag(mirrored.job()))
    assert (done.state, done.states["copy_batch", 0]) == ("failed", "failed")
    assert "1 objects were not copied" in report(done)["refused"]
    assert mirrored.keys() == COPIES - {"copy/0"} | OLD


@pytest.mark.one_server
def test_versioning_that_can_not_be_read_refuses(mirrored: Mirrored, proxy: Proxy, run_dag: RunDag) -> None:
    """It may be disabled since preflight: the summary has S3's reason."""
    denied = Reply.error(403, "AccessDenied", "Access Denied")

    def answer(request: Any) -> Reply | None:
        return denied if request.kind == "GetBucketVersioning" and proxy.kinds()["CopyObject"] else None

    proxy.answer = answer
    done = run_dag(build_dag(mirrored.job()))
    assert done.state == "failed"
    assert "versioning of s3://" in report(done)["refused"]
    assert "s3:GetBucketVersioning" in report(done)["refused"]
    assert mirrored.keys() == COPIES | OLD


@pytest.mark.one_server
def test_a_delete_that_s3_refuses_fails_the_run(mirrored: Mirrored, proxy: Proxy, run_dag: RunDag) -> None:
    """The batch reports each object, and the run fails with exact counts."""
    denied = Reply.error(403, "AccessDenied", "Access Denied")
    proxy.answer = lambda request: (
        denied if request.kind == "DeleteObject" and request.key.endswith("1") else None
    )
    done = run_dag(build_dag(mirrored.job()))
    assert (done.state, done.states["delete_batch", 0]) == ("failed", "failed")
    found = report(done)
    assert (found["deleted"], found["failed"], found["errors_by_code"]) == (2, 1, {"AccessDenied": 1})
    assert found["errors"][0].startswith("copy/old1: AccessDenied after 1 attempt: ")
    assert mirrored.keys() == COPIES | {"copy/old1"}


@pytest.mark.one_server
def test_without_a_plan_nothing_is_deleted(mirrored: Mirrored, proxy: Proxy, run_dag: RunDag) -> None:
    """A listing that fails leaves nothing to judge."""
    denied = Reply.error(403, "AccessDenied", "Access Denied")

    def answer(request: Any) -> Reply | None:
        listed = request.kind == "ListObjectsV2" and request.query.get("prefix") == "copy/"
        return denied if listed and proxy.kinds()["AbortMultipartUpload"] else None

    proxy.answer = answer
    done = run_dag(build_dag(mirrored.job()))
    assert (done.states["plan", -1], done.states["deletions", -1]) == ("failed", "success")
    assert done.xcom("deletions") == []
    metrics = done.xcom("summarize", "metrics")
    assert (metrics["deletions"], metrics["errors_by_code"]) == (None, {"AccessDenied": 1})
    assert mirrored.keys() == COPIES - {"copy/0"} | OLD


class Person:
    """Says Delete to what `approve` asks, in its process.

    Attributes:
        asked: the questions so far.
        fields: what their forms ask besides.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        from airflow.providers.standard.operators.hitl import HITLOperator  # noqa: PLC0415 - not on 3.0

        self.asked: list[str] = []
        self.fields: dict[str, Any] = {}

        def execute(operator: Any, context: Any) -> Any:
            self.asked.append(operator.body)
            self.fields |= operator.serialized_params
            return operator.execute_complete(context, {"chosen_options": operator.options[:1]})

        monkeypatch.setattr(HITLOperator, "execute", execute)


@pytest.mark.one_server
@pytest.mark.skipif(not HAS_APPROVALS, reason="Airflow 3.0 asks no one")
def test_a_folder_is_deleted_if_a_person_says_so(
    mirrored: Mirrored, run_dag: RunDag, monkeypatch: pytest.MonkeyPatch, log_events: list[dict[str, Any]]
) -> None:
    """Nothing is copied, and what the source has is deleted, too: the question says that it comes back."""
    person = Person(monkeypatch)
    mirrored.sides.put("data/old/here", b"x")
    for key in ("copy/old/", "copy/old/here", "copy/old/gone"):
        mirrored.sides.destination.put_object(Bucket=mirrored.sides.destination_bucket, Key=key, Body=b"x")
    dag = build_dag(mirrored.job(delete_folder=True))
    done = run_dag(dag, {"delete_folder": "copy/old/", "confirm": "copy/old/"})
    found = report(done)
    assert (done.state, found["refused"], found["errors"]) == ("success", None, [])
    assert mirrored.keys() == COPIES - {"copy/0"} | OLD
    assert (found["deleted"], found["delete_folder"], found["comes_back"]) == (3, "copy/old/", True)
    assert done.xcom("summarize", "metrics")["total_files_found"] == 0
    (question,) = person.asked
    assert person.fields == {}
    assert "3 of 3 objects" in question
    assert "the next copy brings them back" in question
    assert "the next copy brings back what is deleted" in {line["event"] for line in log_events}
