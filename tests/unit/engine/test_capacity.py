"""How many connections a process can hold."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

MEBIBYTE = 2**20


SCRIPT = """
import resource, sys
from pathlib import Path
from s3copy_tasks.engine.capacity import most_connections
soft, hard, root = int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
print(most_connections(root), resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


def ask(root: Path, soft: int, hard: int) -> str:
    """Return how many connections a process with these limits can hold, and its soft limit then."""
    arguments = [sys.executable, "-c", SCRIPT, str(soft), str(hard), str(root)]
    return subprocess.run(arguments, capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize(
    ("soft", "hard", "expected"),
    [(64, 64, "8 64"), (256, 256, "32 256"), (256, 4_096, "1472 4096"), (1_024, 20_000, "4424 10000")],
    ids=["nearly none", "macOS", "raised", "raised as far as needed"],
)
def test_descriptors(tmp_path: Path, soft: int, hard: int, expected: str) -> None:
    """The soft limit is raised within the hard one; it allows so many connections."""
    assert ask(tmp_path, soft, hard) == expected


@pytest.mark.parametrize(
    ("files", "most"),
    [
        pytest.param({}, 1_472, id="nothing is known of memory"),
        pytest.param({"proc/meminfo": "MemTotal: 9 kB\nMemAvailable: 40960 kB\n"}, 102, id="little memory"),
        pytest.param(
            {
                "proc/meminfo": "MemAvailable: 40960000 kB\n",
                "sys/fs/cgroup/memory.max": f"{120 * MEBIBYTE}\n",
                "sys/fs/cgroup/memory.current": f"{100 * MEBIBYTE}\n",
            },
            51,
            id="a container with little memory",
        ),
        pytest.param(
            {
                "sys/fs/cgroup/memory/memory.limit_in_bytes": f"{120 * MEBIBYTE}\n",
                "sys/fs/cgroup/memory/memory.usage_in_bytes": f"{100 * MEBIBYTE}\n",
            },
            51,
            id="a container of an older system",
        ),
        pytest.param(
            {"sys/fs/cgroup/memory.max": "max\n", "sys/fs/cgroup/memory.current": "1\n"},
            1_472,
            id="a container without a limit",
        ),
        pytest.param(
            {"sys/fs/cgroup/memory.max": "100\n", "sys/fs/cgroup/memory.current": "200\n"},
            1,
            id="no memory is left: one request all the same",
        ),
    ],
)
def test_memory(tmp_path: Path, files: dict[str, str], most: int) -> None:
    """A quarter of the free memory is used, unless there are fewer descriptors."""
    for name, text in files.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert ask(tmp_path, 4_096, 4_096) == f"{most} 4096"
