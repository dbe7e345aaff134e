"""Runs what must not fail a task: Airflow's memory, progress, lineage and statistics."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Iterator

log = structlog.get_logger(__name__)


@contextmanager
def warn_on_failure(event: str) -> Iterator[None]:
    """Log an exception as the warning `event`, and go on."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever Airflow raises: copying does not depend on it
        log.warning(event, error=str(error))
