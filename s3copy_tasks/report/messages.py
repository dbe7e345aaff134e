"""What a run reports of a queue's messages, and the error of one that had no object in scope."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from s3copy_tasks.core.metrics import Errors, Failure
from s3copy_tasks.core.objects import SkipReason
from s3copy_tasks.core.queue import Queue
from s3copy_tasks.errors import Code

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.metrics import TransferMetrics
    from s3copy_tasks.core.queue import MessageCounts, QueueState
    from s3copy_tasks.interfaces import QueueReport

_PREFIXES_SHOWN = 3
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60))


def report_messages(counts: MessageCounts) -> QueueReport:
    """Return what became of the messages of a run, as plain JSON types."""
    age = counts.oldest_seconds
    return {
        "waiting": counts.waiting,
        "received": counts.received,
        "deleted": counts.deleted,
        "left": counts.left,
        "oldest_seconds": None if age is None else round(age, 3),
        "at_least": counts.at_least,
        "may_wait": counts.may_wait,
    }


def describe_state(state: QueueState) -> dict[str, int]:
    """Return how many messages a queue has, as plain JSON types."""
    return {"waiting": state.waiting, "in_flight": state.in_flight, "delayed": state.delayed}


def count_waiting(queue: Mapping[str, Any]) -> int:
    """Return about how many messages wait, from `describe_state`; or, from a run's report, at its end.

    What has come since its plan is not known then.
    """
    return int(max(queue["waiting"] - queue.get("deleted", 0), queue.get("left", 0)))


def describe_waiting(queue: Mapping[str, Any]) -> str:
    """Return the same in words, with what is in flight, or the age of the oldest one that was received."""
    waiting, age, hidden = count_waiting(queue), queue.get("oldest_seconds"), queue.get("in_flight", 0)
    words = "1 message waits" if waiting == 1 else f"{waiting:,} messages wait"
    words += f", {hidden:,} in flight" if hidden else ""
    return words if age is None or not waiting else f"{words}, the oldest for {show_age(age)}"


def count_messages(queue: Mapping[str, Any]) -> Iterator[str]:
    """Yield lines with the numbers of a run's messages, from `report_messages`."""
    least, age = "at least " if queue["at_least"] else "", queue["oldest_seconds"]
    oldest = "" if age is None else f", the oldest after {show_age(age)}"
    yield f"Messages: {queue['waiting']:,} waited at the plan"
    yield f"Received: {least}{queue['received']:,}{oldest}"
    yield f"Deleted: {least}{queue['deleted']:,}; {queue['left']:,} left"


def show_age(seconds: float) -> str:
    """Return an age in its largest unit: `3 h`, `40 s`."""
    for unit, length in _UNITS:
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return f"{int(seconds)} s"


def find_nothing_in_scope(job: EffectiveJob, metrics: TransferMetrics) -> Errors:
    """Return the error of a queue all of whose objects were out of scope, so that no message was deleted."""
    outside, messages = metrics.files_skipped.get(SkipReason.OUT_OF_SCOPE, 0), metrics.messages
    has_scope = not 0 < outside == metrics.total_files_found
    if has_scope or messages is None or not isinstance(job.keys_from, Queue):
        return Errors()
    more = len(job.prefixes) - _PREFIXES_SHOWN
    prefixes = ", ".join(repr(entry.source) for entry in job.prefixes[:_PREFIXES_SHOWN])
    prefixes += f" and {more:,} more" if more > 0 else ""
    which = "the only object" if outside == 1 else f"each of the {outside:,} objects"
    msg = (
        f"{which} of {job.keys_from} is below no prefix of the job in {job.source} "
        f"({prefixes}): the first is {messages.outside!r}. No message was deleted"
    )
    failure = Failure.of(entry=None, key="(queue)", code=Code.NOTHING_IN_SCOPE, message=msg, attempts=0)
    return Errors(by_code={failure.code: 1}, first=(failure,))
