"""The promised report of a queue's messages, and the error of a run that had no object in scope."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s3copy_tasks.core.metrics import Errors, Failure
from s3copy_tasks.core.objects import SkipReason
from s3copy_tasks.core.queue import Queue
from s3copy_tasks.errors import Code

if TYPE_CHECKING:
    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.metrics import TransferMetrics
    from s3copy_tasks.core.queue import MessageCounts
    from s3copy_tasks.interfaces import QueueReport

_PREFIXES_SHOWN = 3


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
    }


def find_nothing_in_scope(job: EffectiveJob, metrics: TransferMetrics) -> Errors:
    """Return the error of a queue all of whose objects were out of scope, so that no message was deleted."""
    outside, messages = metrics.files_skipped.get(SkipReason.OUT_OF_SCOPE, 0), metrics.messages
    has_scope = not 0 < outside == metrics.total_files_found
    if has_scope or messages is None or not isinstance(job.keys_from, Queue):
        return Errors()
    more = len(job.prefixes) - _PREFIXES_SHOWN
    prefixes = ", ".join(repr(entry.source) for entry in job.prefixes[:_PREFIXES_SHOWN])
    prefixes += f" and {more:,} more" if more > 0 else ""
    msg = (
        f"none of the {outside:,} objects of {job.keys_from} is below a prefix of the job in {job.source} "
        f"({prefixes}): the first is {messages.outside!r}. No message was deleted"
    )
    failure = Failure.of(entry=None, key="(queue)", code=Code.NOTHING_IN_SCOPE, message=msg, attempts=0)
    return Errors(by_code={failure.code: 1}, first=(failure,))
