"""Reads one file: returns the job, or everything that is wrong with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s3copy_tasks.config.check.rules import check_executor
from s3copy_tasks.config.check.schema import with_defaults
from s3copy_tasks.config.job import CopyJob
from s3copy_tasks.config.layers import Layers, find_defaults, judge, read_layers
from s3copy_tasks.config.problem import Code, Problem

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from collections.abc import Set as AbstractSet
    from pathlib import Path

_NAME_CHARACTERS = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.")
_NAME_MAX = 200  # a Dag's ID has at most 250 characters in Airflow


def load_job(file: Path, executors: AbstractSet[str] | None = None) -> CopyJob | list[Problem]:
    """Return the job of a file with its folder's defaults, or all problems of both.

    Never raises, whatever the files contain.

    Args:
        file: of the job.
        executors: names of those that the site has; None if that is not known, or does not matter.
    """
    return judge_job(read_layers(file, find_defaults(file.parent)), executors)[0]


def job_of(layers: Layers) -> CopyJob | list[Problem]:
    """Return the job of layers that were read, or all their problems, sorted by place."""
    return judge_job(layers)[0]


def judge_job(
    layers: Layers, executors: AbstractSet[str] | None = None
) -> tuple[CopyJob | list[Problem], list[Problem]]:
    """Return the job of layers that were read, or all their problems; and the warnings; sorted by place."""
    found = {*layers.problems, *_problems_of_name(layers.file), *judge(layers)}
    if executors is not None and layers.value is not None:
        found.update(map(layers.problem, check_executor(layers.value, executors)))
    problems, warnings = split_warnings(found)
    if problems or layers.value is None:
        return problems, warnings
    return CopyJob.of(layers.file.stem, layers.file, with_defaults(layers.value)), warnings


def load_warnings(file: Path) -> list[Problem]:
    """Return the warnings about a file, with its folder's defaults; never raises."""
    return judge_job(read_layers(file, find_defaults(file.parent)))[1]


def split_warnings(found: Iterable[Problem]) -> tuple[list[Problem], list[Problem]]:
    """Return the problems that make a job invalid, and the warnings; both sorted by place."""
    in_order = sorted(found, key=lambda problem: problem.place)
    return [one for one in in_order if not one.is_warning], [one for one in in_order if one.is_warning]


def _problems_of_name(file: Path) -> Iterator[Problem]:
    if not set(file.stem) <= _NAME_CHARACTERS:
        words = "the file's name is the job's name: use letters, digits, dashes, dots and underscores"
        yield Problem(file=str(file), code=Code.FILE_NAME, message=words)
    if len(file.stem) > _NAME_MAX:
        words = f"the file's name is the job's name: use at most {_NAME_MAX} characters"
        yield Problem(file=str(file), code=Code.FILE_NAME, message=words)
