"""How many connections this process can hold: by its descriptors and its memory."""

from __future__ import annotations

import resource
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_DESCRIPTORS_WANTED = 10_000
"""Within the hard limit; Linux gives a process 1,024 at first, macOS 256."""
_OTHER_DESCRIPTORS = 1_152
"""Of files, Airflow and its database; and two more for each connection whose host's name is looked up."""
_SIDES = 2
"""Copies go to the destination; at worst, as many connections to the source are open as well."""
_SHARE = 8
"""One descriptor in so many, where that is more: all names may be looked up at once."""
_CONNECTION_BYTES = 100 * 1024
"""With TLS and the buffers of libcurl: docs/design/in-flight.md."""
_MEMORY_PARTS = 4
"""One part in four of the free memory: the other tasks of a worker need some, too."""
_LIMIT_AND_USE = (
    ("memory.max", "memory.current"),
    ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
)
"""Files of control groups, versions 2 and 1, as a container sees them."""


def most_connections(root: Path = Path("/")) -> int:
    """Return how many requests may be in flight, at least 1; raises the soft limit of descriptors.

    When descriptors are used up, requests fail as if the server could not be reached.

    Args:
        root: of the file system.
    """
    descriptors = _raise_descriptors()
    limits = [free // _MEMORY_PARTS // _CONNECTION_BYTES for free in _free_bytes(root)]
    if descriptors != resource.RLIM_INFINITY:
        limits.append(max(descriptors // _SHARE, (descriptors - _OTHER_DESCRIPTORS) // _SIDES))
    return max(1, min(limits, default=1))


def _raise_descriptors() -> int:
    """Raise the soft limit of descriptors as far as needed; return the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _DESCRIPTORS_WANTED if hard == resource.RLIM_INFINITY else min(_DESCRIPTORS_WANTED, hard)
    if soft == resource.RLIM_INFINITY or soft >= most:
        return soft
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most


def _free_bytes(root: Path) -> Iterator[int]:
    """Yield the free memory of the machine and of the container, each if it is known."""
    with suppress(OSError, ValueError, IndexError):
        lines = (root / "proc/meminfo").read_text().splitlines()
        yield next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    for limit, use in _LIMIT_AND_USE:
        with suppress(OSError, ValueError):  # no control group, or no limit ("max")
            groups = root / "sys/fs/cgroup"
            yield int((groups / limit).read_text()) - int((groups / use).read_text())
