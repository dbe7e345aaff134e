"""`make test-servers`: installs servers, runs the integration tests on each, and leaves nothing running."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.support.s3.servers import DEFAULT, SERVERS
from tests.support.s3.servers.processes import tied

_BUILD = Path(__file__).parents[1] / "build"
_INTERRUPTED = 130


def main(names: list[str]) -> int:
    """Return 0 if all tests passed on all servers."""
    unknown = set(names) - SERVERS.keys()
    if unknown:
        sys.stderr.write(
            f"unknown server: {', '.join(sorted(unknown))}. Known servers: {', '.join(SERVERS)}\n"
        )
        return 2
    _BUILD.mkdir(exist_ok=True)
    with TemporaryDirectory(prefix="servers-", dir=_BUILD, ignore_cleanup_errors=True) as scratch:
        os.environ["TMPDIR"] = scratch  # for all child processes: their files are removed with it
        codes = [_run(name) for name in names or [name for name in SERVERS if name != DEFAULT]]
    return max(codes)


def _run(name: str) -> int:
    """Install a server if it is missing, and run the tests on it."""
    server, began = SERVERS[name], time.monotonic()
    missing = server.missing()
    if missing is not None:
        _say(f"{name}: installing {missing}")
        try:
            server.install()
        except (RuntimeError, subprocess.CalledProcessError) as error:
            _say(f"{name}: {error}")
            return 1
    _say(f"{name}: the integration tests")
    code = _pytest("--s3-server", name, "--quiet", "tests/integration")
    _say(f"{name}: {'passed' if code == 0 else 'FAILED'} after {time.monotonic() - began:.0f} s")
    return code


def _pytest(*arguments: str) -> int:
    """Run pytest. It also gets Ctrl-C, and ends its server; any other end of this process ends it, too."""
    process = subprocess.Popen([*tied("INT"), sys.executable, "-m", "pytest", *arguments])
    signal.signal(signal.SIGTERM, lambda *_: process.send_signal(signal.SIGINT))
    try:
        code = process.wait()
    except KeyboardInterrupt:
        process.wait()
        raise
    if code == pytest.ExitCode.INTERRUPTED:
        raise KeyboardInterrupt
    return code


def _say(text: str) -> None:
    sys.stdout.write(f"==> {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
