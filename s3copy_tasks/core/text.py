"""Text for people: safe to show, and durations in words."""

from __future__ import annotations

_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


def printable(text: str) -> str:
    """Escape characters that control a terminal or a log: keys and S3's messages are untrusted input."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def describe_duration(seconds: int) -> str:
    """Return a duration in its two largest units, such as `3 days 4 hours`."""
    parts = []
    for name, length in _UNITS:
        count, seconds = divmod(seconds, length)
        if count:
            parts.append(f"{count} {name}{'' if count == 1 else 's'}")
    return " ".join(parts[:2]) or "0 seconds"
