"""What a run reports of the queue that names its keys."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from s3copy_tasks.core.batch import Batch, KeyRange
from s3copy_tasks.core.job import PrefixEntry
from s3copy_tasks.core.location import Location
from s3copy_tasks.core.metrics import TransferMetrics
from s3copy_tasks.core.objects import SkipReason
from s3copy_tasks.core.planner import Plan
from s3copy_tasks.core.queue import MessageCounts, Queue, QueueState
from s3copy_tasks.report import events
from s3copy_tasks.report.message import Message, Run, describe_failure, describe_success
from s3copy_tasks.report.messages import describe_waiting
from s3copy_tasks.report.summary import details, outside_metrics, report, run_metrics, verdict
from s3copy_tasks.report.tables import metrics_table, plan_as_dict, results_lines
from tests.support.builders.bench import SOURCE, make_job
from tests.support.builders.logs import log_lines
from tests.support.s3.memory import DAY_ONE

QUEUE = Queue(
    url="https://sqs.us-west-2.amazonaws.com/111122223333/created", location=Location(bucket=SOURCE)
)
JOB = make_job(keys_from=QUEUE)
ONE = KeyRange(entry=None, after=None, through=0, found=0, objects=0, bytes=0)
FIRST, SECOND = (Batch(id=n, of=2, plan_id="p", label=f"{n + 1}/2 created", ranges=(ONE,)) for n in range(2))
PLAN = Plan(batches=(FIRST, SECOND), entries=(), queue=QueueState(waiting=412))
OUTSIDE = outside_metrics(JOB, PLAN, DAY_ONE, DAY_ONE)


def described(**counts: Any) -> Any:
    """Return the report of a run, with what became of its messages."""
    return report(
        TransferMetrics(messages=MessageCounts(**counts)), job="demo", config_digest=None, dry_run=False
    )


def copied(count: int, messages: MessageCounts, **skipped: int) -> TransferMetrics:
    skips = {SkipReason(reason): number for reason, number in skipped.items()}
    found = count + sum(skips.values())
    return TransferMetrics(
        total_files_found=found, files_copied_successfully=count, files_skipped=skips, messages=messages
    )


def test_messages_add_up() -> None:
    """A run reports what waited at its plan, and what its batches received and deleted; the rest is left."""
    by_batch = {
        0: copied(3, MessageCounts(received=3, deleted=3, oldest_seconds=60.0)),
        1: copied(1, MessageCounts(received=2, deleted=1, oldest_seconds=10_800.0004)),
    }
    metrics = run_metrics(JOB, OUTSIDE, PLAN.batches, by_batch)
    assert details(JOB, metrics, PLAN.batches, by_batch)["queue"] == {
        "waiting": 412,
        "received": 5,
        "deleted": 4,
        "left": 1,
        "oldest_seconds": 10_800.0,
        "at_least": False,
        "may_wait": False,
    }


def test_no_queue() -> None:
    """A job whose keys no queue names reports no messages."""
    job, plan = make_job(), Plan(batches=(), entries=())
    metrics = run_metrics(job, outside_metrics(job, plan, DAY_ONE, DAY_ONE), (), {})
    assert details(job, metrics, (), {})["queue"] is None


def test_lost_batch() -> None:
    """A batch that reported nothing fails the run and is named, with no object: its numbers are not known."""
    by_batch = {0: copied(3, MessageCounts(received=3, deleted=3))}
    metrics = run_metrics(JOB, OUTSIDE, PLAN.batches, by_batch)
    assert (metrics.total_files_found, metrics.files_unknown) == (3, 0)
    assert metrics.errors_encountered.by_code == {"BatchLost": 1}
    assert "2/2 created" in metrics.errors_encountered.first[0].key
    assert metrics.messages is not None
    assert metrics.messages.at_least
    assert verdict(metrics, max_failed_objects=1_000) is not None


def test_nothing_in_scope() -> None:
    """A run whose objects were all out of scope fails, and names the first key and the prefixes."""
    job = make_job(keys_from=QUEUE, prefixes=(PrefixEntry(source="typo/", destination="out/"),))
    by_batch = {
        0: copied(0, MessageCounts(received=2, outside="in/b"), out_of_scope=2),
        1: copied(0, MessageCounts(received=1, outside="in/a"), out_of_scope=1),
    }
    metrics = run_metrics(job, OUTSIDE, PLAN.batches, by_batch)
    assert metrics.errors_encountered.by_code == {"NothingInScope": 1}
    message = metrics.errors_encountered.first[0].message
    assert "each of the 3 objects" in message
    assert "'typo/'" in message
    assert "'in/a'" in message
    assert verdict(metrics, max_failed_objects=1_000) is not None


def test_something_in_scope() -> None:
    """One object in scope is enough, and a run without messages passes, too."""
    one = {0: copied(1, MessageCounts(received=2, deleted=2, outside="x"), out_of_scope=1)}
    for by_batch in (one, {0: copied(0, MessageCounts())}):
        metrics = run_metrics(JOB, OUTSIDE, (FIRST,), by_batch)
        assert verdict(metrics, max_failed_objects=0) is None


RUN = Run(job="demo", run_id="manual__1", places=())
WAITED = described(waiting=412, oldest_seconds=10_900.0, received=3, deleted=1)
NOTHING = described()
MESSAGES: dict[str, tuple[Message, str]] = {
    "failed": (
        describe_failure(RUN, WAITED | {"files_failed": 2, "total_files_found": 3}),
        "failed: 2 of 3 objects; 411 messages wait, the oldest for 3 h",
    ),
    "left": (
        describe_success(RUN, described(waiting=1, received=2, deleted=1, oldest_seconds=9.0)),
        "succeeded: nothing to copy; 1 message waits, the oldest for 9 s",
    ),
    "none": (describe_success(RUN, NOTHING), "succeeded: nothing to copy"),
    "dry run": (
        describe_success(RUN, described(waiting=412) | {"dry_run": True}),
        "succeeded: dry run; 412 messages wait",
    ),
}


@pytest.mark.parametrize(("message", "words"), MESSAGES.values(), ids=MESSAGES)
def test_the_subject_of_a_message(message: Message, words: str) -> None:
    """It says how many messages wait, and how old the oldest was that the run has received."""
    assert message.subject == f"s3copy demo {words}"


def test_the_numbers_of_messages() -> None:
    """The text and the table have them all; after a lost attempt they are lower bounds."""
    run = described(waiting=412, received=300, deleted=299, oldest_seconds=120.0, at_least=True)
    text = describe_success(RUN, run).text
    assert "Messages: 412 waited at the plan\n" in text
    assert "Received: at least 300, the oldest after 2 min\n" in text
    assert "Deleted: at least 299; 1 left\n" in text
    shown = io.StringIO()
    Console(file=shown, width=80).print(metrics_table(run))
    rows = [" ".join(line.split()) for line in shown.getvalue().splitlines()]
    first = rows.index("messages waiting 412")
    assert rows[first + 1 : first + 5] == [
        "messages received at least 300",
        "messages deleted at least 299",
        "messages left at least 1",
        "oldest message 2 min",
    ]


@pytest.mark.parametrize("results", ["s3://ops-results/copies/", None])
def test_failed_objects_come_again(results: str | None) -> None:
    """What failed is still in the queue: no list is offered to run them again by hand."""
    run = described(waiting=3, received=3, deleted=1) | {"files_failed": 2, "results": results}
    said = [describe_failure(RUN, run).text, *(line.plain for line in results_lines(run, "demo"))]
    assert sum("2 failed. What failed is still in the queue" in text for text in said) == 2
    assert "--manifest" not in "".join(said)


def test_a_plan_says_how_many_messages_wait() -> None:
    """The plan of a queue has no objects: nothing is received. A plan without a queue says so."""
    plan = plan_as_dict(PLAN, "demo")
    assert (plan["found"], plan["batches"]) == (0, 2)
    assert plan["queue"] == {"waiting": 412, "in_flight": 0, "delayed": 0}
    assert describe_waiting(plan["queue"]) == "412 messages wait"
    assert describe_waiting(plan["queue"] | {"in_flight": 1}) == "412 messages wait, 1 in flight"
    assert plan_as_dict(Plan(batches=(), entries=()), "demo")["queue"] is None


def test_the_log_has_the_messages() -> None:
    """What the queue has is logged by preflight and by the plan; the plan has no line about objects."""
    with log_lines() as lines:
        events.queue_found(JOB, QueueState(waiting=412, in_flight=3), ("no redrive",))
        events.queue_found(make_job(), None, ())
        events.objects_discovered(JOB, PLAN)
    assert [(line["event"], line.get("waiting"), line.get("in_flight")) for line in lines] == [
        ("queue", None, None),
        ("queue found", 412, 3),
        ("messages waiting", 412, 0),
    ]
