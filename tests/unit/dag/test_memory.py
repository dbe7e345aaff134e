"""What an attempt of a task knows about earlier attempts, with and without Airflow's memory."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from s3copy_tasks.copy.uploads import ListedUploads, NoRecord, OpenUpload
from s3copy_tasks.core.batch import Batch, KeyRange
from s3copy_tasks.core.request_counts import Requests
from s3copy_tasks.dag.airflow_versions import HAS_TASK_STATE
from s3copy_tasks.dag.memory import CountedAttempts, RememberedAttempts, TaskUploads, recall_attempts
from s3copy_tasks.s3.connections import Sides
from tests.support.builders.bench import Bench, impatient, make_job
from tests.support.builders.logs import log_lines
from tests.support.s3.memory import DAY_ONE, Clock

FIRST = OpenUpload(key="out/a", upload_id="id-1", source_etag='"e-2"')
SECOND = OpenUpload(key="out/b", upload_id="id-2", source_etag='"f-2"')

RANGE = KeyRange(entry=0, after=None, through="z", found=1, objects=1, bytes=1)
BATCH = Batch(id=0, of=1, plan_id="p", label="l", ranges=(RANGE,))
STARTED = DAY_ONE - timedelta(hours=1)
"""When the Dag run began, by Airflow's clock."""
MINUTE = timedelta(minutes=1)


class StateStore:
    """Airflow's memory of one task instance: JSON by key."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}

    def get(self, key: str) -> Any:
        return json.loads(self.kept[key]) if key in self.kept else None

    def set(self, key: str, value: Any) -> None:
        self.kept[key] = json.dumps(value)

    def delete(self, key: str) -> None:
        self.kept.pop(key, None)


class Broken:
    """A memory that can't be reached."""

    def __getattr__(self, name: str) -> Any:
        raise ConnectionError("the API server is gone")


def uploads(store: object) -> TaskUploads:
    context: Any = {"task_state_store": store}
    return TaskUploads(context)


def remembered(store: object, attempt: int) -> RememberedAttempts:
    context: Any = {"task_state_store": store, "ti": SimpleNamespace(try_number=attempt)}
    return RememberedAttempts(context)


SENT = Requests(by_kind={"CopyObject": 7}, retried=2, peak_in_flight=3, latency={40: 7})


def test_requests_of_an_attempt_that_ended_are_known() -> None:
    """A terminated or failed attempt keeps its requests, and the next attempt adds to them."""
    store = StateStore()
    assert remembered(store, 1).requests("p") is None
    remembered(store, 1).keep_requests("p", SENT)
    assert remembered(store, 2).requests("p") == SENT
    assert remembered(store, 2).requests("another plan") is None


def test_requests_of_a_killed_attempt_are_unknown() -> None:
    """What a killed attempt sent is not known: the sum is at least that of the others."""
    store = StateStore()
    remembered(store, 1).keep_requests("p", SENT)
    assert remembered(store, 3).requests("p") == replace(SENT, at_least=True)


def test_without_a_memory_earlier_requests_are_unknown() -> None:
    """If the memory fails, or Airflow has none, nothing is known, and the task goes on."""
    remembered(Broken(), 1).keep_requests("p", SENT)
    assert remembered(Broken(), 2).requests("p") is None
    context: Any = {"ti": SimpleNamespace(try_number=2)}
    counted = CountedAttempts(context)
    counted.keep_requests("p", SENT)
    assert counted.requests("p") is None


def test_a_later_attempt_knows_open_uploads() -> None:
    """Uploads that were opened and not closed are known to the next attempt, until it closes them."""
    store = StateStore()
    first_attempt = uploads(store)
    assert first_attempt.left(BATCH) == []
    first_attempt.opened(FIRST)
    first_attempt.opened(SECOND)
    first_attempt.closed(FIRST)
    second_attempt = uploads(store)
    assert second_attempt.left(BATCH) == [SECOND]
    second_attempt.closed(SECOND)
    assert store.kept == {}


def test_open_uploads_stay_known_while_others_are_opened() -> None:
    """An open upload of an earlier attempt is not forgotten when another upload begins."""
    store = StateStore()
    uploads(store).opened(FIRST)
    again = uploads(store)
    again.left(BATCH)
    again.opened(SECOND)
    again.closed(SECOND)
    assert uploads(store).left(BATCH) == [FIRST]


def test_a_broken_memory_does_not_stop_a_copy() -> None:
    """If Airflow's memory fails, an attempt knows of no upload, logs that, and goes on."""
    broken = uploads(Broken())
    with log_lines() as lines:
        assert broken.left(BATCH) == []
        broken.opened(FIRST)
        broken.closed(FIRST)
    assert [line["event"] for line in lines] == [
        "uploads of earlier tries are not known",
        "open uploads are not remembered",
        "open uploads are not remembered",
    ]


def attempt_context(number: int, started: datetime | None = STARTED, **more: Any) -> Any:
    """Return the context of an attempt of a task."""
    return {"ti": SimpleNamespace(try_number=number), "dag_run": SimpleNamespace(start_date=started), **more}


def test_the_memory_is_used_if_airflow_has_it() -> None:
    """From Airflow 3.3 on its memory knows earlier attempts; older versions only know their number."""
    attempts = recall_attempts(attempt_context(2, task_state_store=StateStore()))
    assert isinstance(attempts, RememberedAttempts if HAS_TASK_STATE else CountedAttempts)


def test_a_remembered_attempt_is_continued_until_it_is_forgotten() -> None:
    """A later attempt goes on from the first; one with other inputs, or after clearing, does not."""
    context, first = attempt_context(1, task_state_store=StateStore()), make_job()
    later = replace(first, run_started=DAY_ONE + MINUTE)
    assert RememberedAttempts(context).continue_job(first) == (first, False)
    assert RememberedAttempts(context).continue_job(later) == (first, True)
    other = replace(later, digest="another")
    assert RememberedAttempts(context).continue_job(other) == (other, False)
    RememberedAttempts(context).forget()
    assert RememberedAttempts(context).continue_job(later) == (later, False)


@pytest.mark.parametrize(
    ("ahead", "expected"),
    [
        pytest.param(timedelta(0), STARTED, id="same clocks"),
        pytest.param(MINUTE, STARTED + MINUTE, id="S3's is ahead"),
        pytest.param(-MINUTE, STARTED, id="S3's is behind"),
        pytest.param(-2 * timedelta(hours=1), DAY_ONE - timedelta(hours=2), id="S3's is before the run"),
    ],
)
def test_the_run_start_replaces_the_first_attempt(ahead: timedelta, expected: datetime) -> None:
    """The start of the run is moved to S3's clock if that is ahead, but never past S3's time."""
    attempts = CountedAttempts(attempt_context(2), Clock(DAY_ONE))
    job = make_job(run_started=DAY_ONE + ahead)
    assert attempts.continue_job(job) == (replace(job, run_started=expected), True)


def test_a_start_is_a_whole_second() -> None:
    """S3 dates objects in whole seconds; with a fraction, the start would be later than their dates."""
    attempts = CountedAttempts(attempt_context(2, STARTED + timedelta(milliseconds=900)), Clock(DAY_ONE))
    assert attempts.continue_job(make_job())[0].run_started == STARTED


@pytest.mark.parametrize("context", [attempt_context(1), attempt_context(2, None)], ids=["first", "no start"])
def test_nothing_is_continue_job(context: Any) -> None:
    """A first attempt continues nothing, nor does a later one whose run has no start."""
    with log_lines():
        assert CountedAttempts(context, Clock(DAY_ONE)).continue_job(make_job()) == (make_job(), False)


class Destination:
    """A side as `CountedAttempts` needs it; `signer` raises if it was given an error."""

    def __init__(self, signer: str | Exception) -> None:
        self.store = Bench().stores.destination
        self._signer = signer

    def signer(self) -> str:
        if isinstance(self._signer, Exception):
            raise self._signer
        return self._signer


def test_a_first_attempt_lists_no_uploads() -> None:
    """Only a retry lists uploads, even if it is unknown who signs."""
    unknown: Any = Destination(ConnectionError("STS is gone"))
    sides = Sides(source=unknown, destination=unknown)
    sender = impatient()
    assert NoRecord is type(CountedAttempts(attempt_context(1)).uploads(make_job(), sides, sender))
    with log_lines() as lines:
        assert isinstance(
            CountedAttempts(attempt_context(2)).uploads(make_job(), sides, sender), ListedUploads
        )
    assert [line["event"] for line in lines] == ["who signs the copies is not known"]
