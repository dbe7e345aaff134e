"""Reads what became of the messages of the queue that names the keys of a run. Any key may be missing."""

from __future__ import annotations

from typing import Any

from s3copy_tasks.core.queue import MessageCounts
from s3copy_tasks.dag.page.reading import read_count, read_number


def parse_messages(value: Any) -> MessageCounts | None:
    """Return the messages in what `summarize`, the plan or a batch pushed; None if the job has no queue."""
    if not isinstance(value, dict):
        return None
    received = read_count(value, "received")
    return MessageCounts(
        waiting=read_count(value, "waiting"),
        received=received,
        deleted=min(read_count(value, "deleted"), received),
        oldest_seconds=read_number(value, "oldest_seconds"),
        at_least=value.get("at_least") is True,
    )
