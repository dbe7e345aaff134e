"""Formats numbers and times so that they can be read at a glance; a dash means unknown."""

from __future__ import annotations

from datetime import UTC, datetime

from rich.filesize import decimal

UNKNOWN = "\N{EN DASH}"
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def number(value: float | None) -> str:
    """Return a count with commas: `1,234`."""
    return UNKNOWN if value is None else f"{value:,.0f}"


def size(value: float | None) -> str:
    """Return bytes in decimal units: `102.3 MB`."""
    return UNKNOWN if value is None else decimal(int(value))


def rate(value: float | None) -> str:
    """Return a number per second: `0.4`, `177`."""
    if value is None:
        return UNKNOWN
    return f"{value:,.1f}" if 0 < value < 10 else f"{value:,.0f}"  # noqa: PLR2004 - two figures are enough


def duration(seconds: float | None) -> str:
    """Return seconds in their two largest units: `3.4 s`, `2 min 05 s`, `1 h 03 min`, `2 d 4 h`."""
    if seconds is None:
        return UNKNOWN
    whole = int(seconds)
    if whole < _MINUTE:
        return f"{seconds:.1f} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02} s"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02} min"
    return f"{whole // _DAY} d {whole % _DAY // _HOUR} h"


def distance(then: datetime, now: datetime) -> str:
    """Return the time between a moment and now, in one unit: `3 min ago`, `in 5 h`, `now`."""
    seconds = abs((then - now).total_seconds())
    for unit, length in (("d", _DAY), ("h", _HOUR), ("min", _MINUTE)):
        if seconds >= length * (2 if unit == "d" else 1):
            text = f"{int(seconds // length)} {unit}"
            return f"{text} ago" if then < now else f"in {text}"
    return "now"


def moment(then: datetime, now: datetime) -> str:
    """Return a time in UTC: `25 Nov 02:00`, with its year if it is not the current one."""
    local = then.astimezone(UTC)
    return local.strftime("%d %b %H:%M" if local.year == now.year else "%d %b %Y %H:%M").lstrip("0")


def money(dollars: float | None) -> str:
    """Return US dollars, small ones with more digits."""
    if dollars is None:
        return UNKNOWN
    return f"${dollars:,.2f}" if dollars >= 1 or not dollars else f"${dollars:.4f}"
