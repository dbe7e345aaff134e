"""Rules across jobs: two that write the same place, or one below the other, or read one queue; and loops.

Only what is certain in every run is a problem: templates are compared unrendered. That one job writes below
another is certain, that it writes the same keys is not: that is a warning. Mirrors have a stricter rule, in
place of that: `other_writers`. One pair of jobs may write the same keys: `pairs`.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from glob import escape
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, TypeAlias

from s3copy_tasks.config.check.template import literal_parts
from s3copy_tasks.config.other_writers import find_other_writers
from s3copy_tasks.config.pairs import is_pair
from s3copy_tasks.config.problem import Code, Finding
from s3copy_tasks.config.read.hints import written
from s3copy_tasks.core.globs import can_pass
from s3copy_tasks.core.job import PrefixEntry, list_entries

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from s3copy_tasks.config.job import CopyJob
    from s3copy_tasks.config.layers import Layers
    from s3copy_tasks.config.problem import Problem
    from s3copy_tasks.config.read.place import Parts
    from s3copy_tasks.core.job import ObjectEntry
    from s3copy_tasks.core.location import Location


@dataclass(frozen=True, slots=True)
class _Target:
    """What one entry of a job writes."""

    job: CopyJob
    parts: Parts
    bucket: tuple[str, str | None]
    key: str
    entry: PrefixEntry | ObjectEntry


_Prefixes: TypeAlias = dict[tuple[tuple[str, str | None], str], list[_Target]]


def problems_across(loaded: Sequence[tuple[CopyJob, Layers]]) -> Iterator[Problem]:
    """Yield the problems between valid jobs; the jobs stay valid."""
    layers = {job.name: read for job, read in loaded}
    jobs = [job for job, _ in loaded]
    prefixes = _find_written_prefixes(jobs)
    for name, finding in [
        *_written_by_two(jobs, layers),
        *_written_below(jobs, layers, prefixes),
        *_results_below(jobs, layers, prefixes),
        *_received_by_two(jobs),
        *_loops(jobs),
        *((job.name, finding) for job in jobs for finding in find_other_writers(job, jobs)),
    ]:
        yield layers[name].problem(finding)


def _server(place: Location) -> tuple[str, str | None]:
    return place.bucket, place.endpoint_url


def _written_by_two(jobs: Sequence[CopyJob], layers: dict[str, Layers]) -> Iterator[tuple[str, Finding]]:
    written_by: dict[tuple[str, tuple[str, str | None], str], dict[str, list[_Target]]] = {}
    for target in _targets(jobs):
        by_job = written_by.setdefault((str(target.parts[0]), target.bucket, target.key), {})
        others = (one for name, targets in by_job.items() if name != target.job.name for one in targets)
        earlier = next((one for one in others if not _is_pair(one, target)), None)
        if earlier is None:
            by_job.setdefault(target.job.name, []).append(target)
        else:
            words = (
                f"the job {earlier.job.name!r} also writes {target.job.destination}/{target.key} "
                f"({_where(earlier, layers)}). Give each job its own destination, or merge the jobs"
            )
            yield target.job.name, Finding(parts=target.parts, code=Code.JOBS_WRITE_SAME, message=words)


def _received_by_two(jobs: Sequence[CopyJob]) -> Iterator[tuple[str, Finding]]:
    """Yield each queue that an earlier job receives from, too."""
    first: dict[str, CopyJob] = {}
    for job in jobs:
        if job.queue is None:
            continue
        earlier = first.setdefault(job.queue.url, job)
        if earlier is not job:
            words = (
                f"the job {earlier.name!r} also receives from this queue: each would delete messages that "
                "the other one needs. Give each job its own queue, or merge the jobs"
            )
            yield job.name, Finding(parts=("from", "queue"), code=Code.JOBS_SHARE_QUEUE, message=words)


def _find_written_prefixes(jobs: Sequence[CopyJob]) -> _Prefixes:
    """Return what jobs write below prefixes, by bucket and prefix."""
    prefixes: _Prefixes = {}
    for target in _targets(jobs):
        if isinstance(target.entry, PrefixEntry):
            prefixes.setdefault((target.bucket, target.key), []).append(target)
    return prefixes


def _results_below(
    jobs: Sequence[CopyJob], layers: dict[str, Layers], prefixes: _Prefixes
) -> Iterator[tuple[str, Finding]]:
    """Yield the results of a job that are in the destination prefix of another."""
    for job in jobs:
        if job.results is None:
            continue
        parts, prefix, server = ("results", "to"), job.results.prefix, _server(job.results.location)
        place = _Target(job, parts, server, prefix, PrefixEntry(source="", destination=prefix))
        above = (one for key in (prefix, *_prefixes_of(prefix)) for one in prefixes.get((server, key), ()))
        others = (one for one in above if one.job is not job and one.job.mirror is None)
        outer = next((one for one in others if _reaches(one, place)), None)
        if outer is not None:
            words = (
                f"the job {outer.job.name!r} copies to {outer.job.destination}/{outer.key} "
                f"({_where(outer, layers)}): the results would be among the copies. Write them elsewhere"
            )
            yield job.name, Finding(parts=parts, code=Code.JOBS_WRITE_NESTED, message=words)


def _written_below(
    jobs: Sequence[CopyJob], layers: dict[str, Layers], prefixes: _Prefixes
) -> Iterator[tuple[str, Finding]]:
    """Yield each place below the destination prefix of another job that may write the same keys there."""
    for target in _targets([job for job in jobs if job.mirror is None]):
        above = (one for key in _prefixes_of(target.key) for one in prefixes.get((target.bucket, key), ()))
        others = (one for one in above if one.job is not target.job and one.job.mirror is None)
        outer = next((one for one in others if _reaches(one, target) and not _is_pair(one, target)), None)
        if outer is not None:
            words = (
                f"the job {outer.job.name!r} writes to {outer.job.destination}/{outer.key} "
                f"({_where(outer, layers)}), and may write the same keys. {_explain_nested(outer, target)}"
            )
            yield target.job.name, Finding(parts=target.parts, code=Code.JOBS_WRITE_NESTED, message=words)


def _is_pair(one: _Target, other: _Target) -> bool:
    return is_pair(one.job, one.entry, other.job, other.entry)


def _targets(jobs: Sequence[CopyJob]) -> Iterator[_Target]:
    for job in jobs:
        for field, index, entry in list_entries(job.prefixes, job.objects):
            yield _Target(
                job, (field, index, "destination"), _server(job.destination), entry.destination, entry
            )


def _where(target: _Target, layers: dict[str, Layers]) -> str:
    place = layers[target.job.name].place(target.parts)
    return f"{place.file}:{place.line}"


def _prefixes_of(key: str) -> Iterator[str]:
    """Yield the prefixes that a key or a prefix is below, from the longest to that of the whole bucket."""
    end = key.rfind("/", 0, -1)
    while end >= 0:
        yield key[: end + 1]
        end = key.rfind("/", 0, end)
    if key:
        yield ""


def _reaches(outer: _Target, target: _Target) -> bool:
    """Return whether a job's filters let keys pass that another job writes below its destination."""
    filters, below = outer.job.filters, target.key.removeprefix(outer.key)
    return isinstance(outer.entry, PrefixEntry) and can_pass(
        filters.include or ("*",),
        filters.exclude,
        within=_glob_of(target, below),
        folders=outer.entry.recursive,
    )


def _explain_nested(outer: _Target, target: _Target) -> str:
    below = target.key.removeprefix(outer.key)
    advice = f"If its source has keys that begin with {below!r}, give the jobs destinations apart"
    if "{" in below:
        return advice
    return f"{advice}, or exclude those keys there: `exclude: [{written(_glob_of(target, below))}]`"


def _glob_of(target: _Target, below: str) -> str:
    """Return the glob of what a job writes, below the destination of another."""
    texts = ("*" if text is None else escape(text) for text in literal_parts(below))
    return "".join(texts) + ("*" if isinstance(target.entry, PrefixEntry) else "")


def _loops(jobs: Sequence[CopyJob]) -> Iterator[tuple[str, Finding]]:
    """Yield each loop of jobs, where each reads what the previous writes, at its last job by name."""
    sources: dict[tuple[str, str | None], list[CopyJob]] = {}
    for job in jobs:
        sources.setdefault(_server(job.source), []).append(job)
    written = {
        job.name: sorted(entry.destination for _, _, entry in list_entries(job.prefixes, job.objects))
        for job in jobs
    }
    readers = {
        job.name: [
            reader.name
            for reader in sources.get(_server(job.destination), ())
            if reader is not job and _feeds(written[job.name], reader)
        ]
        for job in jobs
    }
    while True:
        try:
            TopologicalSorter(readers).prepare()
        except CycleError as error:
            loop: list[str] = error.args[1][::-1]
            last = max(loop)
            readers[last] = []
            start = loop.index(last)
            way = " -> ".join([*loop[start:-1], *loop[:start], last])
            words = (
                f"these jobs form a loop: {way}. "
                "Change one of them to write to a place that none of them reads"
            )
            yield last, Finding(parts=("destination",), code=Code.JOBS_LOOP, message=words, at_name=True)
        else:
            return


def _feeds(written: Sequence[str], reader: CopyJob) -> bool:
    """Return whether the reader has an entry that reads all that an entry of the other job writes."""
    for field, _, entry in list_entries(reader.prefixes, reader.objects):
        nearest = bisect_left(written, entry.source)  # keys that start with a prefix sort right after it
        if nearest < len(written) and (
            written[nearest] == entry.source
            or (field == "prefixes" and written[nearest].startswith(entry.source))
        ):
            return True
    return False
