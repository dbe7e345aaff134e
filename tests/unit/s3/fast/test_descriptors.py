"""Connections never take more descriptors than the system allows."""

from __future__ import annotations

import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys
from s3copy_tasks.s3.fast.descriptors import limit_connections
soft, hard = map(int, sys.argv[1:])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
print(limit_connections(512), resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


@pytest.mark.parametrize(
    ("soft", "hard", "expected"),
    [(64, 64, "8 64"), (256, 256, "32 256"), (256, 4_096, "512 4096"), (1_024, 20_000, "512 8192")],
    ids=["nearly none", "macOS", "raised", "raised as far as needed"],
)
def test_connections_fit(soft: int, hard: int, expected: str) -> None:
    """The soft limit is raised within the hard one; what it is then allows so many connections."""
    arguments = [sys.executable, "-c", SCRIPT, str(soft), str(hard)]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == expected
