"""Finds the job files that a command names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from s3copy_tasks.config.catalog import job_files
from s3copy_tasks.config.layers import DEFAULTS_STEM, ENDINGS
from s3copy_tasks.errors import Code, ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

_DEFAULTS = {DEFAULTS_STEM + ending for ending in ENDINGS}
DONE, FAILED, WRONG_USE, INTERRUPTED = 0, 1, 2, 130


class WrongUseError(Exception):
    """The command was called in a way that it can't carry out."""


def files_of(paths: Iterable[Path]) -> list[Path]:
    """Return files as they are named, and those of folders; one that is named twice counts once."""
    files: dict[str, Path] = {}
    for path in paths:
        try:
            path.stat()
            if path.name in _DEFAULTS:  # its jobs are what it can break
                path = path.parent  # noqa: PLW2901
            found = job_files(path) if path.is_dir() else [path]
            files |= {os.path.normpath(file.absolute()): file for file in found}
        except OSError as error:
            raise WrongUseError(f"can't read {path}: {error.strerror}") from None
    return list(files.values())


def job_file(named: str, folder: Path) -> Path:
    """Return the file of a job that is named by its file, or by its name in a folder.

    Raises:
        WrongUseError: there is none.
        ConfigError: there are two.
    """
    path = Path(named)
    if path.suffix in ENDINGS:
        if not os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises where a name is too long
            raise WrongUseError(f"file not found: {path}")
        return path
    files = files_of([folder])
    same = [file for file in files if file.stem == named]
    if len(same) > 1:
        raise ConfigError(
            f"two files have the job name {named!r}: {same[0]}, {same[1]}", code=Code.INVALID_CONFIG
        )
    if same:
        return same[0]
    known = ", ".join(sorted(file.stem for file in files)) or "none"
    raise WrongUseError(f"no job {named!r} in {folder}. Jobs there: {known}")
