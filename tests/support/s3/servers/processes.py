"""The processes of a test server: none outlives the process that started them."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

_PAUSE_SECONDS = 0.1
_SHOWN_CHARACTERS = 2_000


class Processes:
    """Processes with a log each.

    Args:
        folder: where the logs go.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *command: str | Path, environment: Mapping[str, str] | None = None) -> None:
        """Start a process in a session of its own: Ctrl-C is for the tests, which then end it."""
        with self._log(name).open("wb") as log:
            self._running[name] = subprocess.Popen(
                [*tied("KILL"), *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=None if environment is None else {**os.environ, **environment},
                start_new_session=True,
            )

    def wait(self, name: str, is_ready: Callable[[], bool], *, seconds: float) -> None:
        """Return when a process is ready.

        Raises:
            RuntimeError: it ended, or was not ready in time; the message has the end of its log.
        """
        deadline = time.monotonic() + seconds
        while not is_ready():
            if self._running[name].poll() is not None or time.monotonic() > deadline:
                end = self._log(name).read_text(errors="replace")[-_SHOWN_CHARACTERS:]
                raise RuntimeError(f"{name} was not ready within {seconds:g} seconds\n{end}")
            time.sleep(_PAUSE_SECONDS)

    def stop(self) -> None:
        """End all, the last one first. Their data is thrown away, so it does not have to be saved."""
        while self._running:
            _, process = self._running.popitem()
            process.kill()
            process.wait()

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"


def tied(signal_name: str) -> list[str]:
    """Return what makes a command get a signal when this process dies, however it dies."""
    setpriv = shutil.which("setpriv")  # of util-linux: Linux only
    return [setpriv, "--pdeathsig", signal_name] if setpriv else []


def free_port() -> int:
    """Return a free port of loopback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
