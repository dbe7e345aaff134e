"""The command `s3copy`. It imports the rest, which takes a moment, where Ctrl-C is already handled."""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # as in the package
if TYPE_CHECKING:
    from collections.abc import Sequence

_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit code: 0 done, 1 failed or invalid, 2 usage error."""
    try:
        from s3copy_tasks.cli.command import run_command  # noqa: PLC0415 - slow

        return run_command(arguments)
    except KeyboardInterrupt:
        print("s3copy: interrupted. Run again to copy what is missing", file=sys.stderr)  # noqa: T201
        return _INTERRUPTED
