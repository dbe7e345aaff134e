"""Finds the job files that a command names."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from s3copy_tasks.config.catalog import config_files, is_job_name
from s3copy_tasks.config.layers import DEFAULTS_STEM, ENDINGS
from s3copy_tasks.errors import Code, ConfigError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

_DEFAULTS = {DEFAULTS_STEM + ending for ending in ENDINGS}
DONE, FAILED, USAGE_ERROR = 0, 1, 2


class UsageError(Exception):
    """A usage error: the command can't run with these arguments."""


def default_folder() -> Path:
    """Return the folder of configs, unless an option says another one."""
    return Path(os.environ.get("AIRFLOW__S3COPY__CONFIG_DIR") or "copy_configs")


def files_of(paths: Iterable[Path]) -> list[Path]:
    """Return the given files, and the job files of given folders, each once."""
    files: dict[str, Path] = {}
    for path in paths:
        try:
            path.stat()
            if path.name in _DEFAULTS:  # defaults can break the jobs of their folder
                path = path.parent  # noqa: PLW2901
            found = config_files(path) if path.is_dir() else [path]
            files |= {os.path.normpath(file.absolute()): file for file in found}
        except OSError as error:
            raise UsageError(f"can't read {path}: {error.strerror}") from None
    return list(files.values())


def job_file(named: str, folder: Path) -> Path:
    """Return the file of a job, given as a file or as a job's name in a folder.

    Raises:
        UsageError: there is no such job.
        ConfigError: two files have that name.
    """
    path = Path(named)
    if path.suffix in ENDINGS:
        if not os.path.isfile(path):  # noqa: PTH113 - Path.is_file raises where a name is too long
            raise UsageError(f"file not found: {path}")
        return path
    files = [file for file in files_of([folder]) if is_job_name(file.name)]
    same = [file for file in files if file.stem == named]
    if len(same) > 1:
        raise ConfigError(
            f"two files have the job name {named!r}: {same[0]}, {same[1]}", code=Code.INVALID_CONFIG
        )
    if same:
        return same[0]
    known = ", ".join(sorted(file.stem for file in files)) or "none"
    raise UsageError(f"no job {named!r} in {folder}. Jobs there: {known}")


def same_prefixes(options: argparse.Namespace) -> list[str]:
    """Return the options with which another run has the same config, and renders the same prefixes."""
    folder = [] if options.config_dir == default_folder() else ["--config-dir", str(options.config_dir)]
    date = options.logical_date
    return folder if date is None else [*folder, "--logical-date", date.isoformat()]
