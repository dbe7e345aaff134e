"""The objects that an operator would copy now: by a listing, or by a HEAD of each that a list names."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

from s3copy_tasks.copy.single import require_object
from s3copy_tasks.core.decide import Decider
from s3copy_tasks.core.objects import SkipReason
from s3copy_tasks.engine.loop import wait_for
from s3copy_tasks.engine.paced_store import pace_stores
from s3copy_tasks.engine.sender import make_sender
from s3copy_tasks.plan.key_source import open_key_source
from s3copy_tasks.plan.listing import Listing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from s3copy_tasks.core.decide import Found
    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.objects import ObjectDetails, S3Object
    from s3copy_tasks.engine.paced_store import PacedStores
    from s3copy_tasks.interfaces import ListedObject
    from s3copy_tasks.s3.connections import Sides


def find_objects_to_copy(job: EffectiveJob, sides: Sides) -> Iterator[ListedObject]:
    """Yield the source objects that a run would copy now, in key order, or in the order of the job's list.

    Raises:
        MissingError: the object of a job with one, or the list, does not exist; or no row is in scope.
        ConfigError: the list has invalid rows.
        CopyError: a listing or a HEAD failed.
    """
    from s3copy_tasks.preflight.list_files import find_list  # noqa: PLC0415 - boto3 stays out of parsing

    sender = make_sender(job.transfer)
    stores = pace_stores(sides.stores, sender)
    if job.keys_from is not None:
        yield from map(_describe, _check_rows(find_list(job, sides, sender).job, stores))
        return
    listing = Listing(job, stores)
    for found in listing.list_prefix(0) if job.prefixes else [require_object(listing, job)]:
        if not isinstance(found.decision, SkipReason):
            yield _describe(found.source)


def _check_rows(job: EffectiveJob, stores: PacedStores) -> Iterator[S3Object]:
    check = partial(_check_row, Decider(job), stores)
    source = open_key_source(job, stores, Listing(job, stores))
    with closing(source.find_all()) as rows, ThreadPoolExecutor(job.transfer.in_flight) as pool:
        yield from filter(None, pool.map(check, rows))


def _check_row(decider: Decider, stores: PacedStores, row: Found) -> S3Object | None:
    """Return the object of a row as it is now; None if a run would not copy it, or it is gone."""
    if isinstance(row.decision, SkipReason):
        return None
    source, destination = wait_for(_head_both(stores, row))
    if source is None:
        return None
    existing = None if destination is None else destination.object
    decision = decider.decide_named(source.object, existing, row.key)
    return None if isinstance(decision, SkipReason) else source.object


async def _head_both(stores: PacedStores, row: Found) -> tuple[ObjectDetails | None, ObjectDetails | None]:
    return await asyncio.gather(
        stores.source.head_object(row.source_key, version_id=row.version_id),
        stores.destination.head_object(row.key),
    )


def _describe(found: S3Object) -> ListedObject:
    return {
        "bucket": found.bucket,
        "key": found.key,
        "size": found.size,
        "last_modified": found.last_modified,
        "etag": found.etag,
    }
