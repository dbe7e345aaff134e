"""Runs a command on one core, and measures the whole tree of its processes."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.performance.child import ROOT, cores
from tests.support.s3.servers.processes import tied

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_SHOWN_CHARACTERS = 3_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What a command used.

    Attributes:
        seconds: from its start to its end.
        cpu_seconds: user and system time, with all its children.
        peak_mb: memory of its largest process.
        output: what it printed.
    """

    seconds: float
    cpu_seconds: float
    peak_mb: float
    output: str


def run(command: Sequence[str | Path], environment: Mapping[str, str], *, core: int = 0) -> Spent:
    """Run a command to its end.

    Args:
        command: the program and its arguments.
        environment: its whole environment.
        core: index of its core, among those that this process may use.

    Raises:
        RuntimeError: it failed; the message has the end of its output.
    """
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        with _pinned(core):
            start = time.perf_counter()
            process = subprocess.Popen(
                [*tied("KILL"), *command],
                cwd=ROOT,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
            )
        try:
            _, status, usage = os.wait4(process.pid, 0)
        except BaseException:
            process.kill()
            raise
        seconds = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        printed = output.read()
        if process.returncode:
            raise RuntimeError(
                f"{command} ended with {process.returncode}: {(printed + errors.read())[-_SHOWN_CHARACTERS:]}"
            )
    return Spent(
        seconds=seconds,
        cpu_seconds=usage.ru_utime + usage.ru_stime,
        peak_mb=usage.ru_maxrss / 1_024,
        output=printed,
    )


@contextmanager
def _pinned(core: int) -> Iterator[None]:
    """Pin processes that are started inside to one core from the start: some count cores when they begin."""
    own = cores()
    if not own:
        yield
        return
    os.sched_setaffinity(0, {own[core % len(own)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, own)
