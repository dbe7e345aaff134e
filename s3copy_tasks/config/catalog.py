"""A folder of configs: the jobs in it, and what is wrong with the others."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from s3copy_tasks.config.problem import Problem
from s3copy_tasks.config.validate import load_job

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from s3copy_tasks.config.job import CopyJob

ENDINGS = (".yaml", ".yml")


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """What a set of files comes to.

    Attributes:
        jobs: valid ones, sorted by name.
        problems: of all the others, sorted by file and place.
    """

    jobs: tuple[CopyJob, ...]
    problems: tuple[Problem, ...]


def job_files(folder: Path) -> list[Path]:
    """Return the job files of a folder, sorted; a name that starts with "_" or "." is no job."""
    return sorted(
        file
        for file in folder.iterdir()
        if file.suffix in ENDINGS and not file.name.startswith(("_", ".")) and file.is_file()
    )


def load_files(files: Iterable[Path]) -> Catalog:
    """Load files; two with one stem are both refused, for the stem is the job's name."""
    by_name: dict[str, list[Path]] = {}
    for file in files:
        by_name.setdefault(file.stem, []).append(file)
    jobs: list[CopyJob] = []
    problems: list[Problem] = []
    for same in by_name.values():
        if len(same) > 1:
            problems += [_name_taken(file, same) for file in same]
            continue
        loaded = load_job(same[0])
        if isinstance(loaded, list):
            problems += loaded
        else:
            jobs.append(loaded)
    return Catalog(
        jobs=tuple(sorted(jobs, key=lambda job: job.name)),
        problems=tuple(sorted(problems, key=lambda problem: problem.place)),
    )


def load_folder(folder: Path) -> Catalog:
    """Load every job of a folder."""
    try:
        files = job_files(folder)
    except OSError as error:
        unread = Problem(file=str(folder), message=f"the folder can't be read: {error.strerror}")
        return Catalog(jobs=(), problems=(unread,))
    return load_files(files)


def _name_taken(file: Path, same: list[Path]) -> Problem:
    others = ", ".join(str(other) for other in same if other != file)
    return Problem(file=str(file), message=f"another file gives the job's name {file.stem!r}: {others}")
