"""The structured log lines of a block of code, as values."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def log_lines() -> Iterator[list[dict[str, Any]]]:
    """Catch every structured line, of any level; an exception becomes text under `exception`."""
    caught: list[dict[str, Any]] = []

    def keep(_: Any, level: str, event: Any) -> Any:
        line = {**event, "level": level}
        if line.pop("exc_info", None):
            line["exception"] = str(sys.exc_info()[1])
        caught.append(line)
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(processors=[keep], wrapper_class=structlog.make_filtering_bound_logger(0))
    try:
        yield caught
    finally:
        structlog.configure(**before)
