"""Text as it may be shown."""

from __future__ import annotations


def printable(text: str) -> str:
    """Escape what a terminal or a log would act on: keys and S3's messages are untrusted input."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
