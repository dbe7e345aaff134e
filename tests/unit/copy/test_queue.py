"""A batch of a queue's events: what is copied, and which messages are deleted, given back or hidden."""

from __future__ import annotations

from dataclasses import replace
from threading import Event
from typing import Any

import pytest

from s3copy_tasks.core.job import Filters, Overwrite, PrefixEntry
from s3copy_tasks.core.location import Location
from s3copy_tasks.core.metrics import TransferMetrics
from s3copy_tasks.core.objects import SkipReason
from s3copy_tasks.core.options import TransferOptions
from s3copy_tasks.errors import AccessError, MissingError, TransientError
from tests.support.builders.bench import SOURCE, Bench
from tests.support.s3.memory import fails, on
from tests.support.s3.memory_queue import MemoryQueue, Seconds, queue_of
from tests.support.s3.queues import TEST_EVENT, by_eventbridge, by_sns, notify, record

DENIED = AccessError("no", code="AccessDenied")


class QueueBench(Bench):
    """A bench with a queue, and a job that it names the keys of."""

    def __init__(self, *, receives_max: int | None = None) -> None:
        super().__init__()
        self.seconds = Seconds()
        self.queue = MemoryQueue(self.seconds, receives_max=receives_max)
        self.stores = replace(self.stores, queue=self.queue)

    def event(self, key: str, event: str = "ObjectCreated:Put") -> str:
        return notify(record(SOURCE, key, event))

    def started(self, **changes: Any) -> Any:
        return super().started(**({"keys_from": queue_of(SOURCE)} | changes))

    def run_job(self, **changes: Any) -> TransferMetrics:
        return self.run(self.started(**changes))


@pytest.fixture
def bench() -> QueueBench:
    """Objects a to c below `in/`."""
    made = QueueBench()
    made.put("in/a", "in/b", "in/c d+e")
    made.clock.tick(60)
    return made


def test_every_form_is_copied_and_deleted(bench: QueueBench) -> None:
    """An object is copied whatever the form of its event is; then its message is deleted."""
    bench.queue.send(
        notify(record(SOURCE, "in/c d+e")),
        by_sns(notify(record(SOURCE, "in/a"))),
        by_eventbridge(SOURCE, "in/b"),
        TEST_EVENT,
    )
    metrics = bench.run_job()
    assert sorted(bench.written) == ["out/a", "out/b", "out/c d+e"]
    assert bench.queue.bodies == []
    assert (metrics.total_files_found, metrics.files_copied_successfully) == (3, 3)
    assert metrics.messages is not None
    assert (metrics.messages.received, metrics.messages.deleted, metrics.messages.left) == (4, 4, 0)


def test_a_message_is_deleted_after_all_its_objects(bench: QueueBench) -> None:
    """When a message is deleted, what it names is at the destination."""
    bench.queue.send(notify(record(SOURCE, "in/a"), record(SOURCE, "in/b")))
    at_delete: list[set[str]] = []
    bench.queue.on_delete = lambda _: at_delete.append(set(bench.written))
    bench.run_job()
    assert at_delete == [{"out/a", "out/b"}]


def test_events_of_one_receive_are_joined(bench: QueueBench) -> None:
    """Two events of one object, received together, find it once."""
    bench.queue.send(bench.event("in/a"), bench.event("in/a"))
    metrics = bench.run_job()
    assert (metrics.total_files_found, metrics.files_copied_successfully) == (1, 1)
    assert bench.queue.bodies == []


def test_an_event_for_an_object_in_progress_finds_it_again(bench: QueueBench) -> None:
    """An event that arrives while its object is copied may be newer than the copy: it is found again."""
    bench.queue.send(bench.event("in/a"))

    def write_again() -> None:
        bench.queue.send(*(bench.event("in/b") for _ in range(9)))
        bench.clock.tick(5)
        bench.put("in/a", content=b"newer")
        bench.queue.send(bench.event("in/a"))
        bench.clock.tick(5)

    bench.server.after.append(on("copy_object", write_again, key="out/a", times=1))
    bench.run_job()
    assert bench.written["out/a"] == b"newer"
    assert bench.queue.bodies == []


@pytest.mark.parametrize(
    ("key", "event", "reason"),
    [
        ("in/a", "ObjectRemoved:Delete", SkipReason.REMOVAL_EVENT),
        ("in/a.tmp", "ObjectCreated:Put", SkipReason.EXCLUDED),
        ("elsewhere/a", "ObjectRemoved:Delete", SkipReason.OUT_OF_SCOPE),
    ],
)
def test_what_needs_no_copy_is_counted_and_deleted(
    bench: QueueBench, key: str, event: str, reason: SkipReason
) -> None:
    """Removals, filtered keys and keys out of scope are settled: beside an object that is in scope."""
    bench.queue.send(bench.event(key, event), bench.event("in/b"))
    metrics = bench.run_job(filters=Filters(exclude=("*.tmp",)))
    assert metrics.files_skipped == {reason: 1}
    assert sorted(bench.written) == ["out/b"]
    assert bench.queue.bodies == []


def test_a_removal_beside_a_new_object_hides_nothing(bench: QueueBench) -> None:
    """A removal of an object does not settle another event of it, whose copy fails."""
    bench.server.before.append(on("copy_object", fails(DENIED), key="out/a"))
    created = bench.event("in/a")
    bench.queue.send(created, bench.event("in/a", "ObjectRemoved:Delete"))
    metrics = bench.run_job()
    assert (metrics.files_failed, metrics.files_skipped) == (1, {SkipReason.REMOVAL_EVENT: 1})
    assert bench.queue.bodies == [created]


def test_an_object_that_is_gone_is_settled(bench: QueueBench) -> None:
    """The message of an object that is gone is deleted."""
    bench.queue.send(bench.event("in/gone"))
    assert bench.run_job().files_vanished == 1
    assert bench.queue.bodies == []


def test_nothing_in_scope_deletes_nothing(bench: QueueBench) -> None:
    """A typo in a prefix: no message is gone, and the next run receives them at once."""
    bodies = [bench.event("in/a"), bench.event("other/b"), notify(record("another-bucket", "inn/c"))]
    bench.queue.send(*bodies)
    metrics = bench.run_job(prefixes=(PrefixEntry(source="inn/", destination="out/"),))
    assert metrics.files_skipped == {SkipReason.OUT_OF_SCOPE: 3}
    assert bench.queue.bodies == bodies
    assert bench.queue.hidden_seconds() == [0, 0, 0]
    assert metrics.messages is not None
    assert metrics.messages.outside == f"s3://{SOURCE}/in/a"


def test_events_of_an_access_point_name_its_bucket(bench: QueueBench) -> None:
    """The name of the bucket behind an access point is not known: an event of any bucket is in scope."""
    point = Location(bucket="arn:aws:s3:us-west-2:111122223333:accesspoint/ops")
    bench.queue.send(notify(record("the-bucket-behind", "in/a")))
    metrics = bench.run_job(source=point, keys_from=queue_of(point.bucket))
    assert (metrics.files_copied_successfully, bench.queue.bodies) == (1, [])


def test_what_fails_stays_hidden_for_longer_each_time(bench: QueueBench) -> None:
    """A failed message is hidden after its batch, 30 seconds to 15 minutes, and is redriven at last."""
    bench = QueueBench(receives_max=8)
    bench.put("in/a")
    bench.server.before.append(on("copy_object", fails(DENIED), key="out/a", times=99))
    bench.queue.send(bench.event("in/a"))
    hidden: list[float] = []
    while not bench.queue.dead:
        bench.run_job()
        hidden += bench.queue.hidden_seconds()
        bench.seconds.pause(901)
    assert hidden == [30, 60, 120, 240, 480, 900, 900, 900]


def test_an_unreadable_message_fails_and_stays(bench: QueueBench) -> None:
    """A message that can't be read is a failure that names it; the others are handled."""
    bench.queue.send("not an event", bench.event("in/a"))
    metrics = bench.run_job()
    assert (metrics.files_failed, metrics.files_copied_successfully) == (1, 1)
    assert metrics.errors_encountered.by_code == {"InvalidMessage": 1}
    assert bench.queue.bodies == ["not an event"]


def test_a_batch_that_is_aborted_gives_back_what_is_not_settled(bench: QueueBench) -> None:
    """After an error, what is not settled is visible at once, and what is settled was deleted."""
    job = bench.started(transfer=TransferOptions(concurrency=1))
    bench.queue.send(bench.event("in/a"), bench.event("in/b"))
    (batch,) = bench.plan(job).batches

    def die(_: int) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        bench.copy(job, batch, on_counted=die)
    assert len(bench.queue.bodies) == 2 - len(bench.written)
    assert set(bench.queue.hidden_seconds()) <= {0}


def test_a_denial_stops_receiving(bench: QueueBench) -> None:
    """After 100 denied objects in a row, no more messages are received."""
    bench.put(*(f"in/{number}" for number in range(500)))
    bench.queue.send(*(bench.event(f"in/{number}") for number in range(500)))
    bench.server.before.append(on("copy_object", fails(DENIED), times=9999))
    metrics = bench.run_job()
    assert metrics.messages is not None
    assert 100 <= metrics.messages.received < 200
    assert len(bench.queue.bodies) == 500


def test_an_outage_of_a_delete_loses_nothing(bench: QueueBench) -> None:
    """A message whose delete failed comes again, and is found unchanged."""
    bench.queue.send(bench.event("in/a"))
    failures = [TransientError("down", code="InternalError")]

    def fail_once(operation: str) -> None:
        if operation == "delete" and failures:
            raise failures.pop()

    bench.queue.before = fail_once
    assert bench.run_job().errors_encountered.total == 0
    assert bench.queue.bodies == []


def test_a_refused_delete_is_not_tried_again(bench: QueueBench) -> None:
    """Without permission to delete, a batch receives no more and ends at once, by an error that says so."""
    bodies = [bench.event(f"in/{number}") for number in range(30)]
    bench.queue.send(*bodies)
    bench.put(*(f"in/{number}" for number in range(30)))
    denied = AccessError("not allowed to perform sqs:DeleteMessage", code="AccessDenied")
    refused = Event()

    def refuse(operation: str) -> None:
        if operation == "delete":
            refused.set()
            raise denied
        if operation == "receive" and bench.queue.requests["receive"] == 2:
            assert refused.wait(60)

    bench.queue.before = refuse
    metrics = bench.run_job()
    assert bench.queue.requests["delete"] == 1
    assert bench.queue.requests["receive"] <= 3  # a batch that goes on polls an empty queue three times
    (failure,) = metrics.errors_encountered.first
    assert (failure.code, failure.message) == ("AccessDenied", denied.message)
    assert metrics.files_copied_successfully == metrics.total_files_found
    assert bench.queue.bodies == bodies
    assert bench.queue.hidden_seconds() == [0] * 30


def test_a_queue_that_is_refused_ends_the_batch(bench: QueueBench) -> None:
    """A refusal is not tried again; it is an error of the batch, with no object."""

    def refuse(operation: str) -> None:
        if operation == "receive":
            raise MissingError("from.queue: gone", code="NonExistentQueue")

    bench.queue.before = refuse
    metrics = bench.run_job()
    assert metrics.errors_encountered.by_code == {"NonExistentQueue": 1}
    assert bench.queue.requests["receive"] == 1


def test_a_second_run_finds_nothing_to_do(bench: QueueBench) -> None:
    """Events that come twice, in two runs, find their objects unchanged."""
    for expected in ({}, {SkipReason.UNCHANGED: 1}):
        bench.queue.send(bench.event("in/a"))
        bench.clock.tick(10)
        assert bench.run_job(overwrite=Overwrite.CHANGED).files_skipped == expected


@pytest.mark.parametrize("events", [2, 3])
def test_a_full_batch_says_that_more_may_wait(bench: QueueBench, events: int) -> None:
    """A batch that ends because it is full may leave messages; one that finds the queue empty does not."""
    bench.queue.send(*(bench.event(key) for key in ("in/a", "in/b", "in/c d+e")[:events]))
    messages = bench.run_job(transfer=TransferOptions(batch_objects=3)).messages
    assert messages is not None
    assert messages.may_wait == (events == 3)


@pytest.mark.parametrize(("waiting", "batches"), [(0, 1), (5, 1), (6, 2), (500, 3)])
def test_a_plan_receives_nothing(bench: QueueBench, waiting: int, batches: int) -> None:
    """A plan has as many batches as the messages fill, at least one, at most those that run at a time."""
    bench.queue.send(*(bench.event("in/a") for _ in range(waiting)))
    transfer = TransferOptions(batch_objects=5, max_active_batches=3)
    plan = bench.plan(bench.started(transfer=transfer))
    assert [batch.label for batch in plan.batches] == [
        f"{number}/{batches} changes" for number in range(1, batches + 1)
    ]
    assert plan.queue is not None
    assert plan.queue.waiting == waiting
    assert bench.queue.requests == {"read_state": 1}
