"""What a task does besides its work, and must not fail for: Airflow's memory, progress, lineage."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Iterator

log = structlog.get_logger(__name__)


@contextmanager
def aside(otherwise: str) -> Iterator[None]:
    """Log what goes wrong as the warning `otherwise`, and go on."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever Airflow raises: copying needs none of it
        log.warning(otherwise, error=str(error))
