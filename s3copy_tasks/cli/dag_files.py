"""`s3copy install-dags`: puts the two Dag files of this package into Airflow's Dags folder."""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from s3copy_tasks.cli.jobs import DONE, FAILED, UsageError
from s3copy_tasks.core.text import printable

if TYPE_CHECKING:
    import argparse

_PACKAGE = Path(__file__).parents[1]
_MODE = 0o644
_NAMES = ("s3copy_jobs.py", "s3copy_config_errors.py")
_MARK = b"from s3copy_tasks.dag.factory import "
"""Every version of the package's Dag files contains it."""


@dataclass(frozen=True, slots=True)
class _DagFile:
    """A Dag file of the package, and the file that is in its place.

    Attributes:
        path: where to write it.
        content: of this version.
        before: content of the existing file; None without a file.
    """

    path: Path
    content: bytes
    before: bytes | None

    def is_free(self) -> bool:
        """Return whether the place is free, or has another version of this file."""
        return self.before is None or _MARK in self.before

    def install(self) -> str:
        """Write the file if it differs, and return what was done."""
        if self.before == self.content:
            return "unchanged"
        if self.before is None:
            _write_atomically(self.path, self.content, mode=_MODE)
            return "written"
        mode, kept = stat.S_IMODE(self.path.stat().st_mode), self.path.with_name(f"{self.path.name}.bak")
        _write_atomically(kept, self.before, mode=mode)
        _write_atomically(self.path, self.content, mode=mode)
        return f"replaced; the previous version is in {kept.name}"


def install_dags(options: argparse.Namespace) -> int:
    """Write the Dag files, or none of them if another file already has one of the names."""
    folder = options.folder
    try:
        folder.mkdir(parents=True, exist_ok=True)
        files = [_DagFile(folder / name, _content(name), _before(folder / name)) for name in _NAMES]
        taken = [file for file in files if not file.is_free()]
        done = [] if taken else [(file, file.install()) for file in files]
    except FileExistsError:
        raise UsageError(f"{folder} is a file, not a folder") from None
    except OSError as error:
        raise UsageError(f"can't write {error.filename or folder}: {error.strerror}") from None
    for file in taken:
        words = "is not an s3copy file, so nothing was written. Move it, or name another folder"
        sys.stderr.write(f"s3copy: {printable(str(file.path))} {words}\n")
    if taken:
        return FAILED
    for file, words in done:
        sys.stdout.write(f"{printable(str(file.path))}: {words}\n")
    beside = Path(os.path.normpath(folder.absolute())).parent / "copy_configs"
    otherwise = (
        "unless Airflow's option [s3copy] config_dir (AIRFLOW__S3COPY__CONFIG_DIR) names another folder"
    )
    sys.stdout.write(f"Configs are read from {printable(str(beside))}, {otherwise}\n")
    return DONE


def _content(name: str) -> bytes:
    """Return a Dag file's content: a wheel has it inside the package, a checkout in `dags` beside it."""
    packaged = _PACKAGE / "dag" / "files"
    return ((packaged if packaged.is_dir() else _PACKAGE.parent / "dags") / name).read_bytes()


def _before(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _write_atomically(path: Path, content: bytes, *, mode: int) -> None:
    """Write a file atomically: Airflow may read it at any moment, and as another user."""
    number, name = tempfile.mkstemp(".unfinished", f".{path.name}.", path.parent)  # Airflow reads *.py
    unfinished = Path(name)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(content)
        unfinished.chmod(mode)
        unfinished.replace(path)
    finally:
        with suppress(OSError):
            unfinished.unlink()
