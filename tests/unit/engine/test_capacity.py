"""How many connections a process can hold."""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING

import pytest

from s3copy_tasks.engine.capacity import most_connections

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MEBIBYTE = 2**20


@pytest.fixture
def descriptors() -> Iterator[int]:
    """Limit this process to 2,128 descriptors."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (2_128, before[1]))
    yield 2_128
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.mark.parametrize(
    ("files", "most"),
    [
        pytest.param({}, 1_000, id="nothing is known of memory: half of the descriptors"),
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
            1_000,
            id="a container without a limit",
        ),
        pytest.param(
            {"sys/fs/cgroup/memory.max": "100\n", "sys/fs/cgroup/memory.current": "200\n"},
            1,
            id="no memory is left: one request all the same",
        ),
    ],
)
def test_descriptors_and_memory(tmp_path: Path, descriptors: int, files: dict[str, str], most: int) -> None:
    """The scarcer of both counts: a quarter of the free memory, and half of the descriptors."""
    for name, text in files.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert most_connections(tmp_path) == most
