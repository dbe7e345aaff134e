"""The one folder that a run of a mirror may be limited to, or may delete."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from s3copy_tasks.config.read.hints import SHOWN_MAX
from s3copy_tasks.core.job import KEY_BYTES_MAX, Filters, key_bytes
from s3copy_tasks.core.places import explain_misplaced
from s3copy_tasks.errors import Code, ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from s3copy_tasks.config.job import CopyJob
    from s3copy_tasks.core.job import EffectiveJob, PrefixEntry


_PROBLEMS = (
    (
        re.compile(r"\A\Z"),
        "it is empty. Write a folder, such as 2026/01/, or leave the parameter out",
    ),
    (
        re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]"),
        "it has control characters. Write the folder as it is listed",
    ),
    (
        re.compile(r"\A/"),
        "it begins with `/`. Write it without: keys of S3 do not begin so",
    ),
    (
        re.compile(r"[^/]\Z"),
        "it does not end with `/`. Add it, or every folder whose name begins like this would be meant",
    ),
    (
        re.compile(r"\{[{%#]"),
        "it has a template, which is not rendered here. Write the folder as it is listed",
    ),
    (
        re.compile(r"//|(\A|/)\.\.?/"),
        "it has an empty part, `.` or `..`, which S3 does not resolve. Write the folder as it is listed",
    ),
)


def find_folder_problem(folder: str) -> str | None:
    """Return why a text can't be appended to prefixes as a folder, and what to write; None if it can."""
    problems = (words for pattern, words in _PROBLEMS if pattern.search(folder))
    if key_bytes(folder) > KEY_BYTES_MAX:
        return f"it has {key_bytes(folder):,} bytes, and a key of S3 has at most {KEY_BYTES_MAX:,}"
    return next(problems, None)


def append_folder(entries: Iterable[PrefixEntry], folder: str) -> tuple[PrefixEntry, ...]:
    """Return entries for what they copy below a folder, without those that copy direct children only."""
    return tuple(
        replace(entry, source=entry.source + folder, destination=entry.destination + folder, folder=folder)
        for entry in entries
        if entry.recursive
    )


def delete_only(job: CopyJob, run: EffectiveJob, folder: str, others: Mapping[str, object]) -> EffectiveJob:
    """Return the run that copies nothing, and deletes everything below a destination folder.

    Filters do not apply. The destinations of the job's single objects are kept.

    Args:
        job: from its file.
        run: of the whole job.
        folder: a whole prefix of the destination, below one of the job's.
        others: the other parameters that say what is copied, which can't be used with it.

    Raises:
        ConfigError: the job does not offer this, or the folder can't be deleted.
    """
    problem, named = None, next((name for name, value in others.items() if value), None)
    if run.mirror is None or not job.deletes_folders:
        problem = "can only be given to a job with `mirror.delete_folder: true`"
    elif named is not None:
        problem = f"can't be used with {named}: it deletes, and copies nothing"
    else:
        wrong = find_folder_problem(folder) or explain_misplaced(folder, run.mirror.prefixes)
        problem = wrong and f"{folder[:SHOWN_MAX]!r} can't be used: {wrong}"
    if problem is not None or run.mirror is None:
        raise ConfigError(f"{job.file}: delete_folder: {problem}", code=Code.INVALID_PARAMETERS)
    mirror = replace(run.mirror, delete_folder=folder)
    return replace(run, prefixes=(), objects=(), filters=Filters(), mirror=mirror)
