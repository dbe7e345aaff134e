"""Processes that a benchmark starts, calls and ends: a call is one line of JSON, and so is its result."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TextIO

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

ROOT = Path(__file__).parent.parent.parent


class Child:
    """A module that calls `obey`, in a separate process; it ends with the benchmark, however that ends.

    Args:
        module: its name below tests.performance.
        core: index of the core to pin it to, among those that this process may use; None for any.
        env: additional environment.
    """

    def __init__(self, module: str, *, core: int | None, env: Mapping[str, str] | None = None) -> None:
        self._module = module
        self._core = core
        self._env = {**os.environ, **(env or {})}

    def __enter__(self) -> Self:
        self._errors = tempfile.TemporaryFile("w+")
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"tests.performance.{self._module}"],
            cwd=ROOT,
            env=self._env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        if self._core is not None and cores():
            os.sched_setaffinity(self._process.pid, {cores()[self._core % len(cores())]})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(BrokenPipeError):
            _pipe(self._process.stdin).close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        _pipe(self._process.stdout).close()
        self._errors.close()

    def call(self, method: str, **arguments: Any) -> Any:
        """Call a method there and return what it returned.

        Raises:
            RuntimeError: the process has ended; the message has the end of its stderr.
        """
        requests, replies = _pipe(self._process.stdin), _pipe(self._process.stdout)
        with suppress(BrokenPipeError):
            requests.write(json.dumps([method, arguments]) + "\n")
            requests.flush()
        line = replies.readline()
        if not line:
            self._errors.seek(0)
            raise RuntimeError(f"{self._module} ended in {method}: {self._errors.read()[-3000:]}")
        return json.loads(line)


def cores() -> list[int]:
    """Return the cores that this process may use; empty if processes can't be pinned."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def obey(servant: object) -> None:
    """Answer the parent's calls until it closes the pipe. Anything that they print is discarded."""
    with os.fdopen(os.dup(1), "w") as replies, Path(os.devnull).open("w") as null:
        os.dup2(null.fileno(), 1)
        for line in sys.stdin:
            method, arguments = json.loads(line)
            replies.write(json.dumps(getattr(servant, method)(**arguments)) + "\n")
            replies.flush()


def _pipe(pipe: Any) -> TextIO:
    """Return a pipe of Popen, which is never None here."""
    found: TextIO = pipe
    return found
