"""Brings back what a mirror has deleted: finds the delete markers that hide it, and removes them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

from s3copy_tasks.core.mirror_group import build_scope, group_mirror
from s3copy_tasks.core.results_folder import name_run_folder, parse_deletes_name
from s3copy_tasks.core.undelete import Marker, Restoration, judge_listed, judge_marker, parse_deleted
from s3copy_tasks.engine.loop import wait_for
from s3copy_tasks.errors import AccessError, Code, CopyError, MissingError, RequestError

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterable, Iterator, Sequence
    from datetime import datetime
    from typing import Any

    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.key_list import ResultsPlace
    from s3copy_tasks.core.objects import S3Object
    from s3copy_tasks.core.store import ListedVersion, VersionPage, VersionPlace
    from s3copy_tasks.core.undelete import DeletedObject
    from s3copy_tasks.engine.paced_store import PacedStore

_AT_ONCE = 1_000
"""Markers that are looked for, or removed, side by side."""


def read_deleted(results: PacedStore, place: ResultsPlace, job: str, run_id: str) -> list[DeletedObject]:
    """Return what all plans of a run have deleted, by the rows of its results.

    Args:
        results: the bucket of the results.
        place: where the job writes them.
        job: its name.
        run_id: names the run.

    Raises:
        MissingError: the run has no rows of deletes.
        CopyError: they can't be read.
    """
    folder = name_run_folder(place, job, run_id)
    found: dict[DeletedObject, None] = {}
    files = 0
    for listed in _list_all(results, folder):
        since = parse_deletes_name(listed.key)
        if since is None:
            continue
        files += 1
        content = wait_for(results.get_bytes(listed, 0, listed.size - 1))
        found |= dict.fromkeys(parse_deleted(content, f"{place.location}/{listed.key}", since))
    if not files:
        where = f"{place.location}/{folder}"
        msg = f"no rows of deletes below {where}: check the run's id; a run that deleted nothing has none"
        raise MissingError(msg, code=Code.NOTHING_FOUND)
    return list(found)


def _list_all(store: PacedStore, prefix: str) -> Iterator[S3Object]:
    token = None
    while True:
        page = wait_for(store.list_page(prefix, after=None, token=token, recursive=True))
        yield from page.objects
        token = page.token
        if token is None:
            return


def find_markers(destination: PacedStore, deleted: Sequence[DeletedObject]) -> list[Marker]:
    """Return the markers that hide deleted objects, each once; nothing is removed.

    Args:
        destination: the bucket that the objects were deleted from.
        deleted: the objects.

    Raises:
        AccessError: versions may not be listed.
    """
    found: list[Marker] = []
    for first in range(0, len(deleted), _AT_ONCE):
        chunk = (_find_marker(destination, each) for each in deleted[first : first + _AT_ONCE])
        found += wait_for(_gather(chunk))
    return list(dict.fromkeys(found))


async def _gather(work: Iterable[Coroutine[Any, Any, Marker]]) -> list[Marker]:
    return list(await asyncio.gather(*work))


async def _find_marker(destination: PacedStore, deleted: DeletedObject) -> Marker:
    try:
        return judge_marker(deleted, await _list_key(destination, deleted.key))
    except AccessError:
        raise
    except CopyError as error:
        return Marker(
            key=deleted.key, version_id=deleted.marker, outcome=Restoration.FAILED, error=str(error)
        )


async def _list_key(store: PacedStore, key: str) -> list[ListedVersion]:
    """Return all versions of one key: they come before those of longer keys."""
    found: list[ListedVersion] = []
    after = None
    while True:
        page = await store.list_versions(key, after=after)
        found += [each for each in page.versions if each.key == key]
        after = _find_next(page, after)
        if after is None or after.key != key:
            return found


def _find_next(page: VersionPage, after: VersionPlace | None) -> VersionPlace | None:
    """Return where the page after one begins that itself began at `after`; None after the last.

    Raises:
        RequestError: it would not come after this one, so that the listing would never end.
    """
    found = page.next
    if found is None or after is None:
        return found
    first, before = (place.key.encode("utf-8", "surrogatepass") for place in (found, after))
    if found == after or first < before:
        msg = f"the listing of versions goes from {after.key!r} back to {found.key!r}"
        raise RequestError(msg, code=Code.NOT_S3)
    return found


def list_markers(destination: PacedStore, job: EffectiveJob, since: datetime) -> list[Marker]:
    """Return the markers in a job's scope that hide an object since a moment, whoever has written them.

    Args:
        destination: the bucket.
        job: with a mirror.
        since: inclusive, by the server's clock.

    Raises:
        CopyError: versions can't be listed.
    """
    found: list[Marker] = []
    for group in group_mirror(job):
        is_in_scope = build_scope(job, group)
        found += [
            judge_listed(each)
            for each in _list_versions(destination, group.prefix)
            if each.is_latest and each.is_marker and each.last_modified >= since
            if is_in_scope(each.key, each.last_modified)
        ]
    return sorted(found, key=lambda marker: marker.key)


def _list_versions(store: PacedStore, prefix: str) -> Iterator[ListedVersion]:
    after = None
    while True:
        page = wait_for(store.list_versions(prefix, after=after))
        yield from page.versions
        after = _find_next(page, after)
        if after is None:
            return


def remove_markers(destination: PacedStore, markers: Sequence[Marker]) -> list[Marker]:
    """Remove the restorable ones among markers; return all, in the same order, with what became of them.

    An object that is written meanwhile stays: a marker below it hides nothing.

    Raises:
        AccessError: the first one may not be removed; then no others are attempted.
    """
    restorable = [each for each in markers if each.outcome is Restoration.RESTORABLE]
    removed: dict[Marker, Marker] = {}
    chunks = [restorable[:1], *(restorable[i : i + _AT_ONCE] for i in range(1, len(restorable), _AT_ONCE))]
    for number, chunk in enumerate(chunks):
        settled = wait_for(_gather(_remove(destination, each, or_raise=not number) for each in chunk))
        removed |= zip(chunk, settled, strict=True)
    return [removed.get(each, each) for each in markers]


async def _remove(destination: PacedStore, marker: Marker, *, or_raise: bool) -> Marker:
    try:
        await destination.delete_marker(marker.key, marker.version_id or "")
    except CopyError as error:
        if or_raise and isinstance(error, AccessError):
            raise
        return replace(marker, outcome=Restoration.FAILED, error=str(error))
    return replace(marker, outcome=Restoration.RESTORED)
