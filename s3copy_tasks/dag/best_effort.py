"""Runs what must not fail a task: Airflow's memory, progress, lineage and statistics."""

from __future__ import annotations

from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Wait = Callable[[float], bool]

log = structlog.get_logger(__name__)


@contextmanager
def warn_on_failure(event: str) -> Iterator[None]:
    """Log an exception as the warning `event`, and go on."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever Airflow raises: copying does not depend on it
        log.warning(event, error=str(error))


@contextmanager
def run_beside(act: Callable[[Wait], None], name: str, wait: Wait | None = None) -> Iterator[None]:
    """Run a function in a thread while a batch is copied.

    Args:
        act: called with `wait`, and returns when that says so.
        name: of the thread.
        wait: waits for a number of seconds and returns whether the batch has ended; None waits by the clock.
    """
    ended = Event()
    thread = Thread(target=act, args=(wait or ended.wait,), name=name, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
