"""`make bench`: runs the benchmarks one after the other; each installs what it needs and writes its JSON."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from tests.performance.child import ROOT

_PREFIX = "bench_"
_INTERRUPTED = 130


def main(names: list[str]) -> int:
    """Run the named benchmarks, or all; return 0 if none failed."""
    known = [file.stem.removeprefix(_PREFIX) for file in sorted(Path(__file__).parent.glob(f"{_PREFIX}*.py"))]
    unknown = set(names) - set(known)
    if unknown:
        sys.stderr.write(f"no such benchmark: {', '.join(sorted(unknown))}. There are {', '.join(known)}\n")
        return 2
    failed = [name for name in names or known if not _run_benchmark(name)]
    if failed:
        _say(f"FAILED: {', '.join(failed)}")
    return 1 if failed else 0


def _run_benchmark(name: str) -> bool:
    """Run one benchmark; return whether it succeeded."""
    began = time.monotonic()
    _say(name)
    done = subprocess.run([sys.executable, "-m", f"tests.performance.{_PREFIX}{name}"], cwd=ROOT, check=False)
    _say(f"{name}: {time.monotonic() - began:.0f} s")
    return done.returncode == 0


def _say(text: str) -> None:
    sys.stdout.write(f"==> {text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
