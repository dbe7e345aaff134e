"""How many connections fit into the file descriptors that the system gives this process."""

from __future__ import annotations

import resource

_WANTED = 8_192
"""Descriptors that a task may ask for, within the hard limit; at first Linux gives 1,024, macOS 256."""
_SHARE = 8
"""Both sides have connections, each of which takes three descriptors while its host's name is looked up."""


def limit_connections(wanted: int) -> int:
    """Return how many connections one client may open, at most `wanted`; raises the process's soft limit.

    Without a limit, requests fail as if the server could not be reached, when the descriptors are used up.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    raised = _WANTED if hard == resource.RLIM_INFINITY else min(_WANTED, hard)
    if soft != resource.RLIM_INFINITY and soft < raised:
        resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
        soft = raised
    return wanted if soft == resource.RLIM_INFINITY else max(1, min(wanted, soft // _SHARE))
