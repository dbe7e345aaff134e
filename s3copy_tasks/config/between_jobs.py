"""Rules across jobs: jobs that write the same place, and jobs that copy in a loop.

Only what is certain in every run is a problem: templates are compared unrendered.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

from s3copy_tasks.config.problem import Code, Finding
from s3copy_tasks.core.job import list_entries

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from s3copy_tasks.config.job import CopyJob
    from s3copy_tasks.config.layers import Layers
    from s3copy_tasks.config.problem import Problem
    from s3copy_tasks.config.read.place import Parts
    from s3copy_tasks.core.job import Location


@dataclass(frozen=True, slots=True)
class _Target:
    """What one entry of a job writes."""

    job: CopyJob
    parts: Parts
    bucket: tuple[str, str | None]
    key: str


def problems_across(loaded: Sequence[tuple[CopyJob, Layers]]) -> Iterator[Problem]:
    """Yield the problems between valid jobs; the jobs stay valid."""
    layers = {job.name: read for job, read in loaded}
    jobs = [job for job, _ in loaded]
    for name, finding in [*_written_by_two(jobs, layers), *_loops(jobs)]:
        yield layers[name].problem(finding)


def _server(place: Location) -> tuple[str, str | None]:
    return place.bucket, place.endpoint_url


def _written_by_two(jobs: Sequence[CopyJob], layers: dict[str, Layers]) -> Iterator[tuple[str, Finding]]:
    first: dict[tuple[str, tuple[str, str | None], str], _Target] = {}
    for job in jobs:
        for field, index, entry in list_entries(job.prefixes, job.objects):
            parts: Parts = (field, index, "destination")
            target = _Target(job, parts, _server(job.destination), entry.destination)
            earlier = first.setdefault((field, target.bucket, target.key), target)
            if earlier.job is not job:
                place = layers[earlier.job.name].place(earlier.parts)
                words = (
                    f"the job {earlier.job.name!r} also writes {job.destination}/{entry.destination} "
                    f"({place.file}:{place.line}). Give each job its own destination, or merge the jobs"
                )
                yield job.name, Finding(parts=parts, code=Code.JOBS_WRITE_SAME, message=words)


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
