"""A folder of configs: its valid jobs, and the problems of the others."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from s3copy_tasks.config.between_jobs import problems_across
from s3copy_tasks.config.layers import DEFAULTS_STEM, ENDINGS, Layers, find_defaults, read_layers
from s3copy_tasks.config.load import judge_job, split_warnings
from s3copy_tasks.config.other_writers import find_other_writers
from s3copy_tasks.config.problem import Code, Problem, json_path
from s3copy_tasks.core.job import Filters, PrefixEntry
from s3copy_tasks.errors import Code as ErrorCode
from s3copy_tasks.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Set as AbstractSet
    from pathlib import Path

    from s3copy_tasks.config.job import CopyJob
    from s3copy_tasks.core.job import EffectiveJob

_DEFAULTS = frozenset(DEFAULTS_STEM + ending for ending in ENDINGS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """The jobs and problems of a set of files.

    Attributes:
        jobs: the valid jobs, sorted by name.
        problems: of invalid jobs, and between valid jobs, sorted by file and place.
        warnings: what should be changed in any of them, sorted alike.
    """

    jobs: tuple[CopyJob, ...]
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...] = ()


def config_files(folder: Path) -> list[Path]:
    """Return the job files of a folder, and those that are none only because of their extension; sorted."""
    return sorted(file for file in folder.iterdir() if _is_config(file.name) and _may_be_read(file))


def job_files(folder: Path) -> list[Path]:
    """Return the job files of a folder, sorted, without names that start with "_" or "."."""
    return [file for file in config_files(folder) if is_job_name(file.name)]


def is_job_name(name: str) -> bool:
    """Return whether a file with this name is a job; names that start with "_" or "." are not."""
    return name.endswith(ENDINGS) and not name.startswith(("_", "."))


def _is_config(name: str) -> bool:
    return is_job_name(name) or _is_misnamed(name)


def _is_misnamed(name: str) -> bool:
    """Return whether a file is a job or the defaults but for the case of its extension, as in daily.YAML."""
    renamed = _rename(name)
    return name != renamed and (is_job_name(renamed) or renamed in _DEFAULTS)


def _rename(name: str) -> str:
    stem, dot, extension = name.rpartition(".")
    return f"{stem}{dot}{extension.lower()}"


def _misnamed(file: Path) -> Problem:
    renamed = _rename(file.name)
    words = f"is not read: extensions are in lower case. Rename it to {renamed}"
    return Problem(file=str(file), code=Code.FILE_NAME, message=words, suggestion=renamed)


def _may_be_read(file: Path) -> bool:
    """Return whether to read a file: a broken link is reported as unreadable, a pipe would block."""
    return file.is_file() or not file.exists()


def load_files(files: Iterable[Path], executors: AbstractSet[str] | None = None) -> Catalog:
    """Load files; two files with the same stem are both refused, as the stem is the job's name.

    Args:
        files: of jobs.
        executors: see `load_job`.
    """
    by_name: dict[str, list[Path]] = {}
    found: set[Problem] = set()
    for file in files:
        if _is_misnamed(file.name):
            found.add(_misnamed(file))
        else:
            by_name.setdefault(file.stem, []).append(file)
    defaults: dict[Path, Layers | None] = {}
    loaded: list[tuple[CopyJob, Layers]] = []
    for _, same in sorted(by_name.items()):
        for file in same:
            if file.parent not in defaults:
                defaults[file.parent] = find_defaults(file.parent)
            layers = read_layers(file, defaults[file.parent])
            job, warnings = judge_job(layers, executors)
            found.update(warnings)
            if isinstance(job, list):
                found.update(job)
            elif len(same) == 1:
                loaded.append((job, layers))
        if len(same) > 1:
            found.update(name_taken(file, same) for file in same)
    found.update(problems_across(loaded))
    problems, warnings = split_warnings(found)
    return Catalog(jobs=tuple(job for job, _ in loaded), problems=tuple(problems), warnings=tuple(warnings))


def load_folder(folder: Path, executors: AbstractSet[str] | None = None) -> Catalog:
    """Load every job of a folder; `executors` as in `load_job`."""
    try:
        files = config_files(folder)
    except OSError as error:
        words = f"the folder can't be read: {error.strerror}"
        unread = Problem(file=str(folder), code=Code.FILE_UNREADABLE, message=words)
        return Catalog(jobs=(), problems=(unread,))
    return load_files(files, executors)


def explain_other_writer(job: CopyJob, folder: str | None = None) -> str | None:
    """Return why a mirror must not delete: what else is kept there, as the configs of its folder are now.

    Args:
        job: of a run; one that is not a mirror never has such a reason.
        folder: of the destination, which the run deletes whole, so that no filters leave anything out; None
            asks for all that the job may delete.

    Returns:
        None if nothing else is kept there, as far as valid configs say. A file that can't be read is one.
    """
    if job.mirror is None:
        return None
    catalog = load_folder(job.file.parent)
    if folder is not None:
        job = replace(job, prefixes=(PrefixEntry(source="", destination=folder),), filters=Filters())
    unread = [str(one) for one in catalog.problems if one.code == Code.FILE_UNREADABLE]
    found = [
        f"{job.file}: {json_path(one.parts) if folder is None else 'delete_folder'}: {one.message}"
        for one in find_other_writers(job, catalog.jobs)
    ]
    return next(iter([*unread, *found]), None)


def refuse_other_writers(job: CopyJob, run: EffectiveJob) -> None:
    """Refuse the run of a mirror where something else is kept: see `explain_other_writer`.

    Raises:
        ConfigError: it would delete that.
    """
    words = explain_other_writer(job, run.mirror.delete_folder) if run.mirror is not None else None
    if words is not None:
        raise ConfigError(words, code=ErrorCode.INVALID_CONFIG)


def name_taken(file: Path, same: Iterable[Path]) -> Problem:
    """Return the problem of a file whose job name is also that of other files."""
    others = ", ".join(str(other) for other in same if other != file)
    words = f"another file has the same job name {file.stem!r}: {others}. Rename one of them"
    return Problem(file=str(file), code=Code.NAME_TAKEN, message=words)
