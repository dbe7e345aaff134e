"""Makes text safe to show."""

from __future__ import annotations


def printable(text: str) -> str:
    """Escape characters that control a terminal or a log: keys and S3's messages are untrusted input."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
