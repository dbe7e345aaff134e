"""What else is kept where a mirror deletes: copies of other jobs, results, and lists.

Other rules between jobs report what is certain in every run. Here, what templates leave open is refused, too:
a mirror would delete it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from s3copy_tasks.config.check.overlap import Overlap, PrefixIndex
from s3copy_tasks.config.pairs import is_pair
from s3copy_tasks.config.problem import Code, Finding, json_path
from s3copy_tasks.core.bucket_names import is_access_point, is_alias
from s3copy_tasks.core.globs import can_pass
from s3copy_tasks.core.job import Filters, PrefixEntry, list_entries

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from s3copy_tasks.config.job import CopyJob
    from s3copy_tasks.config.read.place import Parts
    from s3copy_tasks.core.job import ObjectEntry
    from s3copy_tasks.core.location import Location

_ALL = Filters()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """What a job keeps in a place of a bucket, which a mirror must not delete.

    Attributes:
        verb: what the job does there.
        parts: the field of the job that says so.
        location: the bucket.
        key: a key or a prefix, a template.
        is_prefix: whether it is a prefix.
        filters: what of the keys below it is written.
        recursive: whether keys below it may contain "/".
        entry: what copies are made by; None for what is not copied.
    """

    job: CopyJob
    verb: str
    parts: Parts
    location: Location
    key: str
    is_prefix: bool
    filters: Filters = _ALL
    recursive: bool = True
    entry: PrefixEntry | ObjectEntry | None = None


def find_other_writers(mirror: CopyJob, jobs: Iterable[CopyJob]) -> Iterator[Finding]:
    """Yield each prefix of a mirror where something is kept that is not of its own source.

    Args:
        mirror: a job; one that deletes nothing has no findings.
        jobs: all jobs, this one included or not.
    """
    if mirror.mirror is None:
        return
    others = [job for job in jobs if job.name != mirror.name]
    kept = [*_find_results(mirror), *(one for job in others for one in _find_kept(job))]
    scope = PrefixIndex(entry.destination for entry in mirror.prefixes)
    first: dict[int, str] = {}
    for one in kept:
        if _may_be_same(one.location, mirror.destination):
            for index, found in scope.find(one.key, is_prefix=one.is_prefix):
                if index not in first and _reaches(mirror, mirror.prefixes[index], one, found):
                    first[index] = _explain(mirror, one, is_certain=found.within is not None)
    for index, words in sorted(first.items()):
        parts = ("prefixes", index, "destination")
        yield Finding(parts=parts, code=Code.MIRROR_OTHER_WRITER, message=words)


def _find_kept(job: CopyJob) -> Iterator[_Kept]:
    for field, index, entry in list_entries(job.prefixes, job.objects):
        is_prefix = isinstance(entry, PrefixEntry)
        yield _Kept(
            job=job,
            verb="copies to",
            parts=(field, index, "destination"),
            location=job.destination,
            key=entry.destination,
            is_prefix=is_prefix,
            filters=job.filters if is_prefix else _ALL,
            recursive=entry.recursive if isinstance(entry, PrefixEntry) else True,
            entry=entry,
        )
    yield from _find_results(job)
    source = job.key_list
    if source is not None and source.location is not None:
        yield _Kept(
            job=job,
            verb="has its inventory in" if source.inventory else "reads its list from",
            parts=("from", "inventory" if source.inventory else "manifest"),
            location=source.location,
            key=source.key,
            is_prefix=source.is_prefix,
        )


def _find_results(job: CopyJob) -> Iterator[_Kept]:
    place = job.results
    if place is not None:
        yield _Kept(
            job=job,
            verb="writes its results to",
            parts=("results", "to"),
            location=place.location,
            key=place.name_folder(job.name),
            is_prefix=True,
        )


def _may_be_same(one: Location, destination: Location) -> bool:
    """Return whether a bucket may be that of a mirror: only a connection may name its server."""
    servers = {_find_server(one), _find_server(destination)}
    return (None in servers or len(servers) == 1) and (
        one.bucket == destination.bucket or _may_be_any(one.bucket)
    )


def _may_be_any(bucket: str) -> bool:
    """Return whether what is written is not the bucket's name. Mirrors have no such destination."""
    return is_access_point(bucket) or is_alias(bucket)


def _find_server(place: Location) -> str | None:
    """Return the host of a server, or `AWS`; None if the config does not say."""
    if place.endpoint_url is None:
        return None
    host = urlsplit(place.endpoint_url).netloc.lower()
    return "AWS" if host.removesuffix(".cn").endswith(".amazonaws.com") else host


def _reaches(mirror: CopyJob, entry: PrefixEntry, kept: _Kept, found: Overlap) -> bool:
    """Return whether the filters of the outer one let keys of the inner one pass, and they are not a pair."""
    if kept.entry is not None and is_pair(mirror, entry, kept.job, kept.entry):
        return False
    filters = kept.filters if found.is_around else mirror.filters
    recursive = kept.recursive if found.is_around else entry.recursive
    return found.within is None or can_pass(
        filters.include or ("*",), filters.exclude, within=found.within, folders=recursive
    )


def _explain(mirror: CopyJob, kept: _Kept, *, is_certain: bool) -> str:
    who = "the job itself" if kept.job.name == mirror.name else f"the job {kept.job.name!r}"
    where = f"{kept.location}/{kept.key} ({kept.job.file}: {json_path(kept.parts)})"
    doubt = "" if is_certain else ", which may be here, as far as templates show"
    doubt += ", which may be an access point of this bucket" if _may_be_any(kept.location.bucket) else ""
    servers = _find_server(kept.location), _find_server(mirror.destination)
    hint = " If these are two servers, write `endpoint_url` for both." if servers[0] != servers[1] else ""
    return (
        f"{who} {kept.verb} {where}{doubt}: as a mirror, this job would delete that. Choose a place where "
        f"nothing else is kept, or exclude those keys with `filters`.{hint}"
    )
