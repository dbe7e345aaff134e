"""Reads what became of the messages of the queue that names the keys of a run. Any key may be missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from s3copy_tasks.dag.page.reading import read_count, read_number


@dataclass(frozen=True, slots=True, kw_only=True)
class Messages:
    """The messages of a run, or of a part of it.

    Attributes:
        waiting: could be received when the run was planned, as SQS counts them.
        received: were received.
        deleted: of these, all of whose objects were settled.
        oldest_seconds: age of the oldest one when it was received; None if none was.
        at_least: whether an attempt was lost, and with it its counts.
    """

    waiting: int = 0
    received: int = 0
    deleted: int = 0
    oldest_seconds: float | None = None
    at_least: bool = False

    @property
    def left(self) -> int:
        """Were received, and come again."""
        return max(0, self.received - self.deleted)


def parse_messages(value: Any) -> Messages | None:
    """Return the messages in what `summarize`, the plan or a batch pushed; None if the job has no queue."""
    if not isinstance(value, dict):
        return None
    return Messages(
        waiting=read_count(value, "waiting"),
        received=read_count(value, "received"),
        deleted=read_count(value, "deleted"),
        oldest_seconds=read_number(value, "oldest_seconds"),
        at_least=value.get("at_least") is True,
    )


def add_up_messages(parts: Sequence[Messages | None]) -> Messages | None:
    """Return the sum of the parts of a run; None if the job has no queue."""
    found = [part for part in parts if part is not None]
    if not found:
        return None
    ages = [part.oldest_seconds for part in found if part.oldest_seconds is not None]
    return Messages(
        waiting=sum(part.waiting for part in found),
        received=sum(part.received for part in found),
        deleted=sum(part.deleted for part in found),
        oldest_seconds=max(ages, default=None),
        at_least=any(part.at_least for part in found),
    )
