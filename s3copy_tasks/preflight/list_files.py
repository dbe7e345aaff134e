"""Finds the files of a job's list, and pins what they are now: for preflight, and for a plan without it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from s3copy_tasks.core.collector import utc_now
from s3copy_tasks.core.key_list import ListFile
from s3copy_tasks.errors import Code, MissingError
from s3copy_tasks.preflight.inventory import find_inventory
from s3copy_tasks.preflight.list_bucket import ListBucket

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.key_list import KeyList
    from s3copy_tasks.core.objects import S3Object
    from s3copy_tasks.core.queue import QueueState
    from s3copy_tasks.engine.sender import Sender
    from s3copy_tasks.s3.connections import Sides

_CHECK = "Check its address, and that it has been written"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundList:
    """The result of a search for the files of a list, or for the queue that a job has instead.

    Attributes:
        job: with the files of its list.
        remarks: on the list or the queue, in words; not errors.
        queue: what the queue has, of which nothing was received; None if there is none.
    """

    job: EffectiveJob
    remarks: tuple[str, ...] = ()
    queue: QueueState | None = None


def find_list(
    job: EffectiveJob, sides: Sides, sender: Sender, *, clock: Callable[[], datetime] = utc_now
) -> FoundList:
    """Return a job with the files of its list; unchanged if it has no list, or one of this machine.

    Args:
        job: the run.
        sides: of the job.
        sender: the budget of requests.
        clock: of this machine, for servers that do not send a date.

    Raises:
        AccessError: something is not allowed; the message ends with the missing policy statement.
        MissingError: the bucket or the list does not exist.
        ConfigError: the inventory is too old, or is not one that the job can use.
    """
    of, bucket = job.key_list, ListBucket.open(job, sides, sender)
    if of is None or bucket is None:
        return FoundList(job=job)
    if of.inventory:
        files, remarks = find_inventory(of, bucket, job.source.bucket, clock)
    elif of.is_prefix:
        files, remarks = _find_below(of, bucket, may_be_empty=job.on_empty == "succeed")
    else:
        files, remarks = _find_one(of, bucket), []
    return FoundList(job=replace(job, keys_from=files), remarks=tuple(remarks))


def _find_one(of: KeyList, bucket: ListBucket) -> KeyList:
    (found,) = bucket.head([of.key], allowed_keys=of.key)
    if found is None:
        msg = f"the list {of} does not exist. {_CHECK}"
        raise MissingError(msg, code=Code.NOTHING_FOUND)
    return replace(of, files=(_pin(found),))


def _find_below(of: KeyList, bucket: ListBucket, *, may_be_empty: bool) -> tuple[KeyList, list[str]]:
    """Return a list with all objects below its prefix, and a remark if there are none and that is allowed."""
    files = tuple(
        _pin(found)
        for page in bucket.list_pages(of.key, allowed_prefix=of.key)
        for found in page.objects
        if not found.key.endswith("/")
    )
    words = f"no list below {of}"
    if not files and not may_be_empty:
        raise MissingError(f"{words}. {_CHECK}", code=Code.NOTHING_FOUND)
    return replace(of, files=files), [] if files else [f"nothing to copy: {words}"]


def _pin(found: S3Object) -> ListFile:
    return ListFile(key=found.key, size=found.size, etag=found.etag)
