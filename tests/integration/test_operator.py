"""The operator, in Airflow and called directly, with a real S3 server over HTTP."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import quote

import pytest
from airflow.sdk import DAG

from s3copy_tasks import OperationState, S3CrossAccountCopyOperator
from s3copy_tasks.dag.airflow_versions import HAS_TASK_STATE, AirflowException, AirflowFailException
from s3copy_tasks.errors import MissingError
from s3copy_tasks.s3 import connections
from tests.support.airflow.operators import Attempt, Kept, empty, make_operator
from tests.support.s3.proxy import Proxy, Reply, Request
from tests.support.s3.servers import READER, WRITER, Endpoint, put_many
from tests.support.s3.sides import Sides

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from s3copy_tasks.interfaces import CopyResult
    from tests.integration.conftest import RunDag

DENIED = Reply.error(403, "AccessDenied", "Access Denied")
BROKEN = Reply.error(500, "InternalError")


def failing(key: str, reply: Reply, times: int = 99) -> Callable[[Request], Reply | None]:
    """Answer the first copies of one key with `reply`."""
    seen: Counter[str] = Counter()

    def answer(request: Request) -> Reply | None:
        if (request.kind, request.key) != ("CopyObject", key):
            return None
        seen[key] += 1
        return reply if seen[key] <= times else None

    return answer


def early_clock(proxy: Proxy, answer: Callable[[Request], Reply | None]) -> None:
    """Let the run start earlier by the server's clock: no copy has the date of its start."""

    def earlier(request: Request) -> Reply | None:
        if request.kind != "ListObjectsV2":
            return answer(request)
        reply = proxy.forward(request)
        return replace(reply, headers={**reply.headers, "Date": "Thu, 01 Jan 2026 00:00:00 GMT"})

    proxy.answer = earlier


def copies(proxy: Proxy) -> Counter[str]:
    """Return the number of copy requests by key."""
    return Counter(request.key for request in proxy.of_kind("CopyObject"))


def outcome(metrics: Any) -> tuple[int, int, int, int]:
    """Return found, copied, failed and unknown."""
    return (
        metrics["total_files_found"],
        metrics["files_copied_successfully"],
        metrics["files_failed"],
        metrics["files_unknown"],
    )


@pytest.fixture(scope="module")
def shared(server: Endpoint) -> Iterator[tuple[Proxy, Sides]]:
    """One proxy and two buckets for all tests here: their sessions are the most expensive part."""
    with Proxy(server.url) as proxy:
        yield proxy, Sides(server, server.behind(proxy.url))


@pytest.fixture
def proxy(shared: tuple[Proxy, Sides]) -> Proxy:
    """The proxy, which forwards every request."""
    proxy, _ = shared
    proxy.answer = lambda _: None
    return proxy


@pytest.fixture
def sides(shared: tuple[Proxy, Sides], proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> Sides:
    """The empty buckets; earlier requests are forgotten."""
    _, sides = shared
    empty(sides)
    for name, value in sides.environment.items():
        monkeypatch.setenv(name, value)
    proxy.forget()
    return sides


@pytest.mark.one_server
class TestInAirflow:
    """Templates, mapping, XComs and retries by Airflow."""

    def test_single_object(self, sides: Sides, run_dag: RunDag) -> None:
        """One object arrives with its metadata; return value and XCom count it (FR-011, FR-012)."""
        sides.put("data/a.nc", b"granule", Metadata={"orbit": "7"}, ContentType="application/x-netcdf")
        with DAG("single", schedule=None) as dag:
            make_operator(sides, source_key="data/a.nc", destination_key="b/c.nc", recursive=False)
        done = run_dag(dag)
        assert (done.state, sides.copied()) == ("success", {"b/c.nc": b"granule"})
        head = sides.destination.head_object(Bucket=sides.destination_bucket, Key="b/c.nc")
        assert (head["Metadata"], head["ContentType"]) == ({"orbit": "7"}, "application/x-netcdf")
        returned = done.xcom("copy")
        assert returned["operation_id"] == f"{done.run_id}.copy"
        assert outcome(returned) == (1, 1, 0, 0)
        assert (returned["total_bytes_transferred"], returned["errors"]) == (7, [])
        parts = {name: done.xcom("copy", name) for name in ("entries", "batches")}
        assert returned == {**done.xcom("copy", "metrics"), **parts}

    def test_templates(self, sides: Sides, run_dag: RunDag) -> None:
        """The four places and both connection ids are rendered."""
        sides.put("daily/2026/a")
        names = {
            "from": sides.source_bucket,
            "to": sides.destination_bucket,
            "year": "2026",
            "reader": "aws_source",
            "writer": "aws_destination",
        }
        with DAG("templates", schedule=None, params=names) as dag:
            make_operator(
                sides,
                source_bucket="{{ params['from'] }}",
                source_key="daily/{{ params.year }}/",
                destination_bucket="{{ params.to }}",
                destination_key="{{ dag.dag_id }}/{{ params.year }}/",
                source_aws_conn_id="{{ params.reader }}",
                dest_aws_conn_id="{{ params.writer }}",
            )
        assert run_dag(dag).state == "success"
        assert set(sides.copied()) == {"templates/2026/a"}

    @pytest.mark.parametrize("native", [False, True], ids=["text", "native"])
    @pytest.mark.parametrize(
        ("field", "template"),
        [
            ("source_key", "{{ ti.xcom_pull('nothing') }}"),
            ("source_key", "{{ params.empty }}"),
            ("destination_key", "daily/{{ ti.xcom_pull('nothing') }}/"),
            ("dest_aws_conn_id", "{{ ti.xcom_pull('nothing') }}"),
        ],
    )
    def test_a_template_without_its_value(
        self, sides: Sides, run_dag: RunDag, field: str, template: str, *, native: bool
    ) -> None:
        """The whole bucket, or a folder `None`, is not what was meant: nothing is copied."""
        sides.put("daily/2026/a")
        names, changes = {"empty": ""}, dict[str, Any]({field: template})
        with DAG("no_value", schedule=None, params=names, render_template_as_native_obj=native) as dag:
            make_operator(sides, **changes)
        done = run_dag(dag)
        assert (done.state, sides.copied()) == ("failed", {})
        (error,) = done.xcom("copy", "metrics")["errors"]
        assert f"{field}: {template!r} rendered to " in error
        assert "a value that it uses is missing" in error

    def test_mapped(self, sides: Sides, proxy: Proxy, run_dag: RunDag) -> None:
        """Mapped operators are separate operations; only the one that finds nothing fails."""
        sides.put("a/1")
        with DAG("mapped", schedule=None) as dag:
            S3CrossAccountCopyOperator.partial(
                task_id="copy",
                source_bucket=sides.source_bucket,
                destination_bucket=sides.destination_bucket,
                destination_key="all/",
                recursive=True,
                source_aws_conn_id="aws_source",
                dest_aws_conn_id="aws_destination",
            ).expand(source_key=["a/", "nowhere/"])
        done = run_dag(dag)
        assert done.states == {("copy", 0): "success", ("copy", 1): "failed"}
        metrics = [done.xcom("copy", "metrics", map_index=index) for index in range(2)]
        assert [each["operation_id"] for each in metrics] == [f"{done.run_id}.copy[{i}]" for i in range(2)]
        assert [outcome(each) for each in metrics] == [(1, 1, 0, 0), (0, 0, 0, 0)]
        assert metrics[1]["errors_by_code"] == {"NothingFound": 1}
        returned = [done.xcom("copy", map_index=index) for index in range(2)]
        assert returned[0].items() >= metrics[0].items()
        assert returned[1] is None
        assert copies(proxy) == {"all/1": 1}

    @pytest.mark.parametrize("overwrite", [True, False], ids=["always", "never"])
    def test_retries(self, sides: Sides, proxy: Proxy, run_dag: RunDag, *, overwrite: bool) -> None:
        """A retry copies only what is missing; its metrics count every object once."""
        for number in range(5):
            sides.put(f"data/{number}", b"xy")
        early_clock(proxy, failing("copy/3", BROKEN, times=3))
        with DAG(f"retries_{overwrite}", schedule=None) as dag:
            make_operator(sides, retries=1, overwrite=overwrite)
        done = run_dag(dag)
        assert done.state == "success"
        assert copies(proxy) == {"copy/0": 1, "copy/1": 1, "copy/2": 1, "copy/3": 4, "copy/4": 1}
        metrics = done.xcom("copy", "metrics")
        assert metrics["operation_id"] == f"{done.run_id}.copy"
        assert outcome(metrics) == (5, 5, 0, 0)
        assert (metrics["files_copied_earlier"], metrics["files_skipped"]) == (4, {})
        assert metrics["total_bytes_transferred"] == 10

    def test_timeout(self, sides: Sides, proxy: Proxy, run_dag: RunDag) -> None:
        """After Airflow's timeout, sending stops, and every object is counted."""
        put_many(sides.source_bucket, {f"data/{number:02}": b"x" for number in range(40)})
        with DAG("timeout", schedule=None) as dag:
            make_operator(sides, batch_size=20, execution_timeout=timedelta(hours=1))

        def strike(request: Request) -> Reply | None:
            if (request.kind, request.key) == ("CopyObject", "copy/25"):
                os.kill(os.getpid(), signal.SIGALRM)  # as after an hour
            return None

        proxy.answer = strike
        done = run_dag(dag)
        assert done.state == "failed"
        metrics, copied = done.xcom("copy", "metrics"), len(sides.copied())
        assert 0 < copied <= 40
        assert outcome(metrics) == (40, copied, 0, 40 - copied)
        assert "AirflowTaskTimeout" in metrics["errors_by_code"]
        assert sides.open_uploads() == []

    def test_no_secret_is_shown(
        self,
        sides: Sides,
        proxy: Proxy,
        run_dag: RunDag,
        log_events: list[dict[str, Any]],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """Neither the worker's keys nor those of the assumed roles are in a log line or an XCom (FR-002)."""
        for key in ("a", "b", "c"):
            sides.put(f"data/{key}")
        keys: set[str] = {"AKIAWORKER0000000000", "not-a-secret-of-anybody"}
        broken = failing("copy/b", DENIED)

        def overhear(request: Request) -> Reply | None:
            if request.target != "/":
                return broken(request)
            reply = proxy.forward(request)
            tags = "AccessKeyId|SecretAccessKey|SessionToken"
            keys.update(re.findall(rf"<(?:{tags})>(.+?)</(?:{tags})>", reply.body.decode()))
            return reply

        proxy.answer = overhear
        caplog.set_level(logging.INFO)
        with DAG("secrets", schedule=None) as dag:
            make_operator(sides, new_sessions=True)
        done = run_dag(dag)
        assert len(keys) == 2 + 2 * 3
        pushed = [done.xcom("copy", key) for key in ("return_value", "metrics")]
        assert (pushed[0], outcome(pushed[1])) == (None, (3, 2, 1, 0))
        logged = {line["event"] for line in log_events}
        assert {"operation started", "object failed", "operation failed"} <= logged
        lines = [line for line in log_events if line["level"] != "debug"]  # Airflow's own debug lines
        shown = "\n".join([repr(lines), caplog.text, json.dumps(pushed)])
        assert [key for key in keys if key in shown] == []


class TestCopies:
    """What is copied, and what is counted."""

    def test_prefix(self, sides: Sides) -> None:
        """Everything below the prefix arrives with its structure, metadata and markers (FR-004, FR-009)."""
        for key in ("data/", "data/a", "data/deep/er/b", "data/deep/"):
            sides.put(key, key.encode(), Metadata={"name": key})
        sides.put("data-of-others/c")
        metrics = Attempt().execute(make_operator(sides))
        found = {"copy/": b"data/", "copy/a": b"data/a", "copy/deep/": b"data/deep/"}
        assert sides.copied() == {**found, "copy/deep/er/b": b"data/deep/er/b"}
        head = sides.destination.head_object(Bucket=sides.destination_bucket, Key="copy/deep/er/b")
        assert head["Metadata"] == {"name": "data/deep/er/b"}
        assert (outcome(metrics), metrics["total_bytes_transferred"]) == ((4, 4, 0, 0), 35)

    def test_server_side(self, sides: Sides, proxy: Proxy) -> None:
        """No object passes through the worker: one byte is read as a check, and no body is sent (FR-001)."""
        sides.put("data/a", b"x" * 2**20)
        Attempt().execute(make_operator(sides))
        assert len(sides.copied()["copy/a"]) == 2**20
        assert [request.headers["range"] for request in proxy.of_kind("GetObject")] == ["bytes=0-0"]
        assert {request.body for request in proxy.requests if request.target != "/"} == {b""}

    def test_overwrite_never(self, sides: Sides, proxy: Proxy) -> None:
        """`overwrite=False` keeps existing objects, even if they differ, counted as `exists` (FR-015)."""
        sides.put("data/a", b"new")
        sides.put("data/b", b"new")
        sides.destination.put_object(Bucket=sides.destination_bucket, Key="copy/a", Body=b"older")
        metrics = Attempt().execute(make_operator(sides, overwrite=False))
        assert sides.copied() == {"copy/a": b"older", "copy/b": b"new"}
        assert (outcome(metrics), metrics["files_skipped"]) == ((2, 1, 0, 0), {"exists": 1})
        assert copies(proxy) == {"copy/b": 1}

    def test_overwrite_always(self, sides: Sides, proxy: Proxy) -> None:
        """By default a second operation copies everything again (FR-015)."""
        sides.put("data/a")
        for run_id in ("run-1", "run-2"):
            metrics = Attempt(run_id=run_id).execute(make_operator(sides))
            assert outcome(metrics) == (1, 1, 0, 0)
        assert (copies(proxy), metrics["files_copied_earlier"]) == ({"copy/a": 2}, 0)

    @pytest.mark.needs("back_door")
    def test_batches(self, sides: Sides, log_events: list[dict[str, Any]]) -> None:
        """`batch_size` is the unit of progress: batch i of n starts and ends with its counts (FR-014)."""
        put_many(sides.source_bucket, {f"data/{number:03}": b"x" for number in range(250)})
        metrics = Attempt().execute(make_operator(sides, batch_size=100))
        assert outcome(metrics) == (250, 250, 0, 0)
        progress = [
            (line["event"], line["batch"], line["of"], line.get("copied", line.get("objects")))
            for line in log_events
            if str(line["event"]).startswith("batch ")
        ]
        for batch, objects in ((1, 100), (2, 100), (3, 50)):
            assert [line for line in progress if line[1] == batch] == [
                (event, batch, 3, objects) for event in ("batch started", "batch finished")
            ]

    @pytest.mark.needs("accounts")
    def test_two_accounts(self, sides: Sides, proxy: Proxy) -> None:
        """Each connection assumes its role: the source's role lists, the destination's copies (FR-002)."""
        sides.put("data/a")
        Attempt().execute(make_operator(sides, new_sessions=True))

        def signer(request: Request) -> str:
            return request.headers["authorization"].partition("Credential=")[2].partition("/")[0]

        listing = {signer(r) for r in proxy.of_kind("ListObjectsV2") if sides.source_bucket in r.target}
        copying = {signer(r) for r in proxy.of_kind("CopyObject")}
        assert (len(listing), len(copying)) == (1, 1)
        assert listing.isdisjoint(copying)
        assumed = [request.body for request in proxy.requests if b"AssumeRole" in request.body]
        assert len(assumed) == 2  # at once, in either order
        for role in (READER, WRITER):
            assert sum(quote(role, "").encode() in body for body in assumed) == 1

    @pytest.mark.needs("any_key")
    def test_own_credentials(self, sides: Sides, proxy: Proxy, monkeypatch: pytest.MonkeyPatch) -> None:
        """Without a connection the environment's own credentials are used, and no role is assumed."""
        sides.put("data/a")
        for name, value in {
            "AWS_ACCESS_KEY_ID": "AKIAENVIRONMENT00000",
            "AWS_SECRET_ACCESS_KEY": "not-a-secret",
            "AWS_ENDPOINT_URL": proxy.url,
        }.items():
            monkeypatch.setenv(name, value)
        Attempt().execute(make_operator(sides, source_aws_conn_id=None, dest_aws_conn_id=None))
        assert set(sides.copied()) == {"copy/a"}
        (copy,) = proxy.of_kind("CopyObject")
        assert "Credential=AKIAENVIRONMENT00000/" in copy.headers["authorization"]
        assert b"AssumeRole" not in b"".join(request.body for request in proxy.requests)

    def test_states(self, sides: Sides) -> None:
        """The operator has the operation's state: none before `execute`, COMPLETED at the end."""
        sides.put("data/a")
        operator = make_operator(sides)
        assert operator.operation is None
        Attempt().execute(operator)
        assert operator.operation is not None
        assert operator.operation.state is OperationState.COMPLETED


MISSING: dict[str, tuple[dict[str, Any], str, str]] = {
    "source bucket": (
        {"source_bucket": "no-such-bucket"},
        "NoSuchBucket",
        r"source\.bucket: bucket 'no-such-bucket' does not exist",
    ),
    "destination bucket": (
        {"destination_bucket": "no-such-bucket"},
        "NoSuchBucket",
        r"destination\.bucket: bucket 'no-such-bucket' does not exist",
    ),
    "key": (
        {"recursive": False, "source_key": "data/gone", "destination_key": "copy/gone"},
        "NoSuchKey",
        r"object s3://source-\d+/data/gone does not exist",
    ),
    "prefix": ({"source_key": "gone/"}, "NothingFound", r"no object below s3://source-\d+/gone/"),
    "connection": (
        {"dest_aws_conn_id": "missing"},
        "RoleNotAssumed",
        "destination.connection: Airflow has no connection 'missing'",
    ),
}


@pytest.mark.one_server
class TestRefusals:
    """Problems that are found before the first copy: nothing starts, and the error has the reason."""

    @pytest.mark.parametrize(("changes", "code", "message"), MISSING.values(), ids=MISSING)
    def test_missing(
        self, sides: Sides, proxy: Proxy, changes: dict[str, Any], code: str, message: str
    ) -> None:
        """The error names what is missing, nothing is copied, and XCom `metrics` has the code (FR-013)."""
        sides.put("data/a")
        operator, attempt = make_operator(sides, **changes), Attempt()
        with pytest.raises(AirflowFailException, match=message):
            attempt.execute(operator)
        assert proxy.kinds()["CopyObject"] == 0
        assert sides.copied() == {}
        assert sides.open_uploads() == []
        assert outcome(attempt.metrics) == (0, 0, 0, 0)
        assert attempt.metrics["errors_by_code"] == {code: 1}
        assert attempt.metrics["operation_id"] == "run-1.copy"
        assert operator.operation is not None
        assert operator.operation.state is OperationState.VALIDATION_FAILED

    def test_destination_not_writable(self, sides: Sides, proxy: Proxy) -> None:
        """Before the first copy, the error says who lacks which permission at the destination (FR-013)."""
        sides.put("data/a")
        proxy.answer = lambda request: DENIED if request.kind == "CreateMultipartUpload" else None
        attempt = Attempt()
        with pytest.raises(AirflowFailException) as refused:
            attempt.execute(make_operator(sides))
        principal = WRITER.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/")
        assert f"{principal}/" in str(refused.value)
        assert "is not allowed to perform s3:PutObject" in str(refused.value)
        assert f"arn:aws:s3:::{sides.destination_bucket}/copy/*" in str(refused.value)
        assert proxy.kinds()["CopyObject"] == 0
        assert attempt.metrics["errors_by_code"] == {"AccessDenied": 1}
        assert principal in attempt.metrics["errors"][0]

    def test_bad_inputs(self, sides: Sides, proxy: Proxy, log_events: list[dict[str, Any]]) -> None:
        """The error names all bad inputs, and no request is sent (FR-010)."""
        operator, attempt = make_operator(sides, source_bucket="A", batch_size=0, overwrite="no"), Attempt()
        with pytest.raises(AirflowFailException) as refused:
            attempt.execute(operator)
        assert all(name in str(refused.value) for name in ("source_bucket", "batch_size", "overwrite"))
        assert proxy.requests == []
        assert attempt.metrics["errors_by_code"] == {"InvalidConfig": 1}
        assert [line["event"] for line in log_events if "operation" in line["event"]] == ["operation failed"]

    def test_bad_inputs_after_a_good_run(self, sides: Sides) -> None:
        """An operator can be used again: the result of its last run does not matter."""
        sides.put("data/a")
        operator, attempt = make_operator(sides), Attempt()
        attempt.execute(operator)
        operator.source_key = "data"
        with pytest.raises(AirflowFailException, match="source_key"):
            attempt.execute(operator)
        assert attempt.metrics["errors_by_code"] == {"InvalidConfig": 1}

    def test_unexpected_errors(self, sides: Sides) -> None:
        """An error of another package ends with metrics and a log line, too."""

        class Broken(connections.Sides):
            @property
            def stores(self) -> NoReturn:
                raise TypeError("of no use")

        operator, attempt = make_operator(sides), Attempt()
        ((places, known),) = operator._known.items()
        operator._known[places] = Broken(source=known.source, destination=known.destination)
        with pytest.raises(TypeError, match="of no use"):
            attempt.execute(operator)
        assert attempt.metrics["errors_by_code"] == {"TypeError": 1}
        assert operator.operation is not None
        assert operator.operation.state is OperationState.VALIDATION_FAILED


@pytest.mark.one_server
class TestFaults:
    """Failures while objects are copied."""

    def test_attempts(self, sides: Sides, proxy: Proxy) -> None:
        """A transient error gets three attempts; Airflow may retry the rest (FR-005)."""
        for key in ("a", "b", "c"):
            sides.put(f"data/{key}", b"xyz")
        passing, lasting = failing("copy/a", BROKEN, times=2), failing("copy/b", BROKEN)
        proxy.answer = lambda request: passing(request) or lasting(request)
        operator, attempt = make_operator(sides), Attempt()
        with pytest.raises(AirflowException, match="1 objects failed") as failed:
            attempt.execute(operator)
        assert not isinstance(failed.value, AirflowFailException)
        assert copies(proxy) == {"copy/a": 3, "copy/b": 3, "copy/c": 1}
        assert outcome(attempt.metrics) == (3, 2, 1, 0)
        assert attempt.metrics["total_bytes_transferred"] == 6
        assert attempt.metrics["errors_by_code"] == {"InternalError": 1}
        assert attempt.metrics["errors"][0].startswith("data/b: InternalError after 3 attempts: ")
        assert operator.operation is not None
        assert operator.operation.state is OperationState.COPY_FAILED

    def test_denied_object(self, sides: Sides, proxy: Proxy, log_events: list[dict[str, Any]]) -> None:
        """A denied object stops no others; the task fails for good, with exact metrics (FR-006 to FR-008)."""
        for number in range(10):
            sides.put(f"data/{number}", b"xyz")
        proxy.answer = failing("copy/4", DENIED)
        attempt = Attempt()
        with pytest.raises(AirflowFailException, match=r"1 objects failed .* 9 copied of 10 found"):
            attempt.execute(make_operator(sides, batch_size=3))
        assert len(sides.copied()) == 9
        assert outcome(attempt.metrics) == (10, 9, 1, 0)
        assert attempt.metrics["total_bytes_transferred"] == 27
        assert len(attempt.metrics["errors"]) == 1
        (line,) = [line for line in log_events if line["event"] == "object failed"]
        assert (line["key"], line["code"], line["attempts"]) == ("data/4", "AccessDenied", 1)

    def test_a_plan_that_fails(self, sides: Sides, proxy: Proxy) -> None:
        """A listing that fails after the checks is an error with its code, and nothing is copied."""
        put_many(sides.source_bucket, {f"data/{number:04}": b"" for number in range(1_001)})

        def answer(request: Request) -> Reply | None:
            is_second = request.kind == "ListObjectsV2" and "continuation-token" in request.query
            return DENIED if is_second else None

        proxy.answer = answer
        operator, attempt = make_operator(sides), Attempt()
        with pytest.raises(AirflowFailException, match="AccessDenied"):
            attempt.execute(operator)
        sides.source.delete_object(Bucket=sides.source_bucket, Key="data/1000")  # a test empties one page
        assert attempt.metrics["errors_by_code"] == {"AccessDenied": 1}
        assert proxy.kinds()["CopyObject"] == 0
        assert operator.operation is not None
        assert operator.operation.state is OperationState.COPY_FAILED


@pytest.mark.one_server
class TestRetries:
    """What one attempt leaves for the next."""

    @staticmethod
    def fail_first(sides: Sides, proxy: Proxy, kept: Kept) -> None:
        """Let a first attempt copy `data/a` and fail at `data/b`, with a transient error."""
        sides.put("data/a")
        sides.put("data/b")
        early_clock(proxy, failing("copy/b", Reply.error(500, "InternalError")))
        with pytest.raises(AirflowException, match="InternalError"):
            Attempt(kept).execute(make_operator(sides))
        early_clock(proxy, lambda _: None)
        proxy.forget()

    @pytest.mark.skipif(not HAS_TASK_STATE, reason="this Airflow has no memory for tasks")
    def test_state_is_kept_until_it_succeeds(self, sides: Sides, proxy: Proxy) -> None:
        """A second attempt counts what the first copied; after a success, a third starts afresh."""
        kept = Kept()
        self.fail_first(sides, proxy, kept)
        second = Attempt(kept).execute(make_operator(sides))
        assert (outcome(second), second["files_copied_earlier"]) == ((2, 2, 0, 0), 1)
        assert copies(proxy) == {"copy/b": 1}
        assert kept == {}
        third = Attempt(kept).execute(make_operator(sides))
        assert (outcome(third), third["files_copied_earlier"]) == ((2, 2, 0, 0), 0)

    def test_a_final_failure_is_forgotten(self, sides: Sides, proxy: Proxy) -> None:
        """A task that is cleared after a final failure starts afresh: copies may have another origin."""
        kept = Kept()
        sides.put("data/a")
        early_clock(proxy, failing("copy/a", DENIED))
        with pytest.raises(AirflowFailException):
            Attempt(kept).execute(make_operator(sides))
        assert kept == {}

    def test_other_inputs(self, sides: Sides, proxy: Proxy) -> None:
        """An attempt with other inputs does not count what an earlier one copied."""
        kept = Kept()
        self.fail_first(sides, proxy, kept)
        metrics = Attempt(kept).execute(make_operator(sides, batch_size=7))
        assert (outcome(metrics), metrics["files_copied_earlier"]) == ((2, 2, 0, 0), 0)
        assert copies(proxy) == {"copy/a": 1, "copy/b": 1}

    def test_attempts_that_fail_the_checks_leave_nothing(self, sides: Sides) -> None:
        """An attempt that never started copying does not count as an earlier one."""
        kept = Kept()
        with pytest.raises(AirflowFailException):
            Attempt(kept).execute(make_operator(sides))
        assert kept == {}


def kill_and_wait(operator: S3CrossAccountCopyOperator) -> None:
    """Call `on_kill`, and return after it has taken effect."""
    operator.on_kill()
    if operator._sender is not None:
        operator._sender._pacer._stopping.wait(10)


@pytest.mark.one_server
class TestKill:
    """Airflow calls `on_kill` in the thread that copies, which then goes on."""

    def test_in_mid_copy(self, sides: Sides, proxy: Proxy) -> None:
        """After `on_kill` no copy starts, no upload stays open, and every object is counted."""
        put_many(sides.source_bucket, {f"data/{number:02}": b"x" for number in range(60)})
        operator, attempt = make_operator(sides, batch_size=20), Attempt()

        def kill(request: Request) -> Reply | None:
            if request.kind == "CopyObject" and request.key >= "copy/20":
                kill_and_wait(operator)
            return None

        proxy.answer = kill
        with pytest.raises(InterruptedError):
            attempt.execute(operator)
        sent = proxy.kinds()["CopyObject"]
        assert 0 < sent <= 40  # two batches run at a time
        assert outcome(attempt.metrics) == (60, sent, 0, 60 - sent)
        assert len(sides.copied()) == sent
        codes = attempt.metrics["errors_by_code"]
        assert (set(codes) <= {"BatchLost", "InterruptedError"}, sum(codes.values())) == (True, 60 - sent)
        assert sides.open_uploads() == []
        assert operator.operation is not None
        assert operator.operation.state is OperationState.COPY_FAILED

    def test_before_the_first_copy(self, sides: Sides, proxy: Proxy) -> None:
        """A task that is killed during its checks copies nothing, and reports why."""
        sides.put("data/a")
        operator, attempt = make_operator(sides), Attempt()

        def kill(request: Request) -> Reply | None:
            if request.kind == "CreateMultipartUpload":
                kill_and_wait(operator)
            return None

        proxy.answer = kill
        with pytest.raises(InterruptedError):
            attempt.execute(operator)
        assert proxy.kinds()["CopyObject"] == 0
        assert attempt.metrics["errors_by_code"] == {"InterruptedError": 1}
        assert sides.open_uploads() == []

    def test_before_it_runs(self, sides: Sides) -> None:
        """An operator that does not run can be killed."""
        operator = make_operator(sides)
        operator.on_kill()
        assert operator.operation is None


class TestMethods:
    """The other methods of the operator, called directly."""

    def test_validate_inputs(self, sides: Sides, proxy: Proxy) -> None:
        """Valid inputs return True, without a request."""
        assert make_operator(sides).validate_inputs() is True
        assert proxy.requests == []

    def test_validate_inputs_names_all(self, sides: Sides) -> None:
        """Bad inputs raise one ValueError that names all of them."""
        operator = make_operator(
            sides, source_bucket="Bad Name", source_key="data", destination_key=None, batch_size=1_001
        )
        with pytest.raises(ValueError, match="source_bucket") as refused:
            operator.validate_inputs()
        named = [line.partition(":")[0] for line in str(refused.value).splitlines()]
        assert named == ["source_bucket", "source_key", "destination_key", "batch_size"]

    def test_objects_to_copy(self, sides: Sides, proxy: Proxy) -> None:
        """The objects below the prefix come in key order, with size, date and ETag; nothing is written."""
        for key in ("data/b", "data/a/z", "data/", "data/ü"):
            sides.put(key, key.encode())
        listed = make_operator(sides).get_s3_objects_to_copy()
        assert [row["key"] for row in listed] == ["data/", "data/a/z", "data/b", "data/ü"]
        head = sides.source.head_object(Bucket=sides.source_bucket, Key="data/b")
        row = listed[2]
        assert set(row) == {"bucket", "key", "size", "last_modified", "etag"}
        assert (row["bucket"], row["size"], row["etag"]) == (sides.source_bucket, 6, head["ETag"])
        assert isinstance(row["last_modified"], datetime)
        assert row["last_modified"].utcoffset() is not None
        assert row["last_modified"].replace(microsecond=0) == head["LastModified"]
        assert {request.method for request in proxy.requests if request.target != "/"} == {"GET"}

    def test_objects_to_copy_leaves_out_what_exists(self, sides: Sides) -> None:
        """With `overwrite=False`, objects that exist at the destination are left out."""
        sides.put("data/a")
        sides.put("data/b")
        sides.destination.put_object(Bucket=sides.destination_bucket, Key="copy/a", Body=b"")
        never, always = (make_operator(sides, overwrite=value) for value in (False, True))
        assert [row["key"] for row in never.get_s3_objects_to_copy()] == ["data/b"]
        assert [row["key"] for row in always.get_s3_objects_to_copy()] == ["data/a", "data/b"]

    def test_objects_to_copy_of_an_empty_prefix(self, sides: Sides) -> None:
        """Below a prefix without objects there is nothing to copy."""
        assert make_operator(sides).get_s3_objects_to_copy() == []

    def test_object_to_copy(self, sides: Sides) -> None:
        """A single object is one row; a missing one is an error."""
        sides.put("data/a", b"xyz")
        one: dict[str, Any] = {"recursive": False, "destination_key": "a"}
        (row,) = make_operator(sides, source_key="data/a", **one).get_s3_objects_to_copy()
        assert (row["key"], row["size"]) == ("data/a", 3)
        with pytest.raises(MissingError, match=rf"s3://{sides.source_bucket}/data/b"):
            make_operator(sides, source_key="data/b", **one).get_s3_objects_to_copy()

    def test_objects_to_copy_of_bad_inputs(self, sides: Sides, proxy: Proxy) -> None:
        """Bad inputs are refused before any request."""
        with pytest.raises(ValueError, match="batch_size"):
            make_operator(sides, batch_size=0).get_s3_objects_to_copy()
        assert proxy.requests == []


def copy_one(sides: Sides, key: str = "data/a", bucket: str | None = None, **changes: Any) -> CopyResult:
    operator = make_operator(sides, **changes)
    return operator.copy_single_object(bucket or sides.source_bucket, key, sides.destination_bucket, "b")


class TestCopySingleObject:
    """One object, at given places: an error of S3 is returned, not raised."""

    def test_success(self, sides: Sides) -> None:
        """A copied object is a success with its size, and keeps its metadata."""
        sides.put("data/a", b"xyz", Metadata={"k": "v"})
        assert copy_one(sides) == {"success": True, "bytes_transferred": 3, "error_message": None}
        assert sides.copied() == {"b": b"xyz"}
        head = sides.destination.head_object(Bucket=sides.destination_bucket, Key="b")
        assert head["Metadata"] == {"k": "v"}

    def test_existing(self, sides: Sides, proxy: Proxy) -> None:
        """With `overwrite=False`, an existing object is kept: a success of 0 bytes, without a copy."""
        sides.put("data/a", b"xyz")
        sides.destination.put_object(Bucket=sides.destination_bucket, Key="b", Body=b"old")
        result = copy_one(sides, overwrite=False)
        assert result == {"success": True, "bytes_transferred": 0, "error_message": None}
        assert sides.copied() == {"b": b"old"}
        assert proxy.kinds()["CopyObject"] == 0

    def test_overwritten(self, sides: Sides) -> None:
        """By default an existing object is replaced."""
        sides.put("data/a", b"xyz")
        sides.destination.put_object(Bucket=sides.destination_bucket, Key="b", Body=b"xyz")
        assert copy_one(sides)["bytes_transferred"] == 3

    def test_missing(self, sides: Sides) -> None:
        """The message names a missing key."""
        result = copy_one(sides, "data/gone")
        assert (result["success"], result["bytes_transferred"]) == (False, 0)
        place = f"s3://{sides.source_bucket}/data/gone"
        assert result["error_message"] == f"NoSuchKey: the object {place} does not exist"

    def test_missing_bucket(self, sides: Sides) -> None:
        """The message names a missing bucket, which is more than a missing key."""
        result = copy_one(sides, "data/gone", "no-such-bucket")
        assert (result["success"], result["bytes_transferred"]) == (False, 0)
        assert str(result["error_message"]).startswith("NoSuchBucket: s3://no-such-bucket: ")

    def test_vanished(self, sides: Sides, proxy: Proxy) -> None:
        """An object that is deleted while it is copied is a failure."""
        sides.put("data/a")

        def delete_source(request: Request) -> Reply | None:
            if request.kind != "CopyObject":
                return None
            sides.source.delete_object(Bucket=sides.source_bucket, Key="data/a")
            return Reply.error(404, "NoSuchKey")

        proxy.answer = delete_source
        result = copy_one(sides)
        assert (result["success"], result["bytes_transferred"]) == (False, 0)
        assert result["error_message"] == f"NoSuchKey: s3://{sides.source_bucket}/data/a is gone"

    def test_denied(self, sides: Sides, proxy: Proxy) -> None:
        """The message has S3's error code, after one request."""
        sides.put("data/a")
        proxy.answer = failing("b", DENIED)
        result = copy_one(sides)
        assert (result["success"], result["bytes_transferred"]) == (False, 0)
        assert (result["error_message"] or "").startswith("AccessDenied: CopyObject: ")
        assert copies(proxy) == {"b": 1}

    def test_bad_places(self, sides: Sides, proxy: Proxy) -> None:
        """The message names all invalid places, and no request is sent."""
        result = make_operator(sides).copy_single_object("Bad Name", "", sides.destination_bucket, "b")
        assert (result["success"], result["bytes_transferred"]) == (False, 0)
        assert all(name in (result["error_message"] or "") for name in ("source_bucket", "source_key"))
        assert proxy.requests == []

    def test_unknown_connection(self, sides: Sides) -> None:
        """The message names a connection that Airflow does not have."""
        result = copy_one(sides, source_aws_conn_id="missing")
        assert result["success"] is False
        assert "Airflow has no connection 'missing'" in (result["error_message"] or "")

    def test_terminals_are_safe(self, sides: Sides) -> None:
        """A key's control characters come back escaped."""
        result = copy_one(sides, "data/\x1b[31m")
        assert "\\x1b[31m" in (result["error_message"] or "")
