"""The one pair of jobs that may write the same keys: one copies what a queue names, the other lists.

An event can be lost, so that a queue alone proves nothing. A job that lists the same places copies what was
missed. Both copy a key from the same source key, so it does not matter which of them is first: the other one
finds it unchanged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from s3copy_tasks.core.job import ObjectEntry

if TYPE_CHECKING:
    from s3copy_tasks.config.job import CopyJob
    from s3copy_tasks.core.job import PrefixEntry
    from s3copy_tasks.core.location import Location


def is_pair(
    job: CopyJob, entry: PrefixEntry | ObjectEntry, other: CopyJob, other_entry: PrefixEntry | ObjectEntry
) -> bool:
    """Return whether two jobs may write what an entry of each of them writes.

    One of them has a queue and the other lists, both have the same buckets, and what both entries write is
    copied from the same source keys. Templates are compared unrendered.
    """
    return (
        _is_queue_and_listing(job, other)
        and _server(job.source) == _server(other.source)
        and _server(job.destination) == _server(other.destination)
        and _copies_alike(entry, other_entry)
    )


def _is_queue_and_listing(job: CopyJob, other: CopyJob) -> bool:
    return (job.queue is not None and other.keys_from is None) or (
        other.queue is not None and job.keys_from is None
    )


def _server(place: Location) -> tuple[str, str | None]:
    return place.bucket, place.endpoint_url


def _copies_alike(one: PrefixEntry | ObjectEntry, other: PrefixEntry | ObjectEntry) -> bool:
    if any(isinstance(entry, ObjectEntry) and entry.version_id is not None for entry in (one, other)):
        return False
    outer, inner = sorted((one, other), key=lambda entry: len(entry.destination))
    below = inner.destination.removeprefix(outer.destination)
    return inner.destination == outer.destination + below and inner.source == outer.source + below
