"""Durations as configs write them, such as `2h`."""

from __future__ import annotations

from datetime import timedelta
from typing import overload

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@overload
def parse_duration(text: str) -> timedelta: ...


@overload
def parse_duration(text: None) -> None: ...


def parse_duration(text: str | None) -> timedelta | None:
    """Return a valid duration; None stays None."""
    return None if text is None else timedelta(**{_UNITS[text[-1]]: int(text[:-1])})
