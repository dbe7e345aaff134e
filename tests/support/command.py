"""Runs a command of this environment as a user does, in a process of its own."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from tests.support.airflow.stack import BIN

if TYPE_CHECKING:
    from pathlib import Path


def run_command(name: str, *arguments: str | Path, cwd: Path | None = None) -> tuple[int, str, str]:
    """Return exit code, stdout and stderr; a traceback is never an answer."""
    command: list[str | Path] = [BIN / name, *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120, check=False)
    assert "Traceback" not in done.stdout + done.stderr
    return done.returncode, done.stdout, done.stderr
