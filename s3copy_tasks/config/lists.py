"""What names a job's keys, and the place of its results: from the file, and for one run."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from s3copy_tasks.config.duration import parse_duration
from s3copy_tasks.core.bucket_names import find_address_problem, split_address
from s3copy_tasks.core.key_list import Column, KeyList, ListFile, ResultsPlace
from s3copy_tasks.core.queue import Queue

if TYPE_CHECKING:
    from s3copy_tasks.config.job import CopyJob
    from s3copy_tasks.core.location import Location


def build_keys_from(section: dict[str, Any] | None, source: Location) -> KeyList | Queue | None:
    """Return what the section `from` names, the key of a list as a template; None without a section.

    Args:
        section: of a valid document with its defaults.
        source: of the job.
    """
    if section is None:
        return None
    if section["queue"] is not None:
        return Queue(url=section["queue"], location=source.reach(source.bucket, section["connection"]))
    bucket, key = split_address(section["manifest"] or section["inventory"])
    age = parse_duration(section["max_age"])
    return KeyList(
        location=source.reach(bucket, section["connection"]),
        key=key,
        columns=tuple(map(Column, section["columns"])),
        url_encoded=section["keys"] == "url",
        header=section["header"],
        inventory=section["inventory"] is not None,
        max_age_seconds=None if age is None else int(age.total_seconds()),
    )


def build_results(section: dict[str, Any] | None, destination: Location) -> ResultsPlace | None:
    """Return the place of the section `results`; None without a section."""
    if section is None:
        return None
    bucket, prefix = split_address(section["to"])
    return ResultsPlace(location=destination.reach(bucket, section["connection"]), prefix=prefix)


def accepts_manifest(job: CopyJob) -> bool:
    """Return whether a run of a job may be started with another list.

    Not that of a job with a queue, which keeps the messages of objects that failed.
    """
    if job.queue is not None:
        return False
    return job.results is not None or (job.key_list is not None and not job.key_list.inventory)


def choose_key_list(job: CopyJob, manifest: str | ListFile) -> KeyList:
    """Return the list of one run, which replaces what the job says.

    It is read as the manifest of the job, if the job has one; a list below the job's results as this package
    writes lists.

    Args:
        job: from its file.
        manifest: address of a list or of a prefix of lists; or a file of this machine.

    Raises:
        ValueError: it is not a valid address.
    """
    own = job.key_list
    form = KeyList(location=job.source, key="") if own is None or own.inventory else own
    if isinstance(manifest, ListFile):
        return replace(form, location=None, key=manifest.key, files=(manifest,))
    problem = find_address_problem(manifest)
    if problem is not None:
        raise ValueError(problem)
    bucket, key = split_address(manifest)
    results = job.results
    if results is not None and bucket == results.location.bucket and key.startswith(results.prefix):
        return KeyList(location=results.location, key=key)
    way = job.source if own is None or own.location is None else own.location
    return replace(form, location=way.reach(bucket), key=key)
