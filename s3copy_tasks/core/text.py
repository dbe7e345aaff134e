"""Text: safe to show to people, durations in words, and keys that XML can carry."""

from __future__ import annotations

import re

_NOT_FOR_XML = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]|\A\s|\s\Z")
"""What XML 1.0 lacks, what a parser may take for the end of a line, and blanks that a server may strip."""
_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


def printable(text: str) -> str:
    """Escape characters that control a terminal or a log: keys and S3's messages are untrusted input."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def can_be_in_xml(key: str) -> bool:
    r"""Say whether every server reads a key from XML 1.0 as it was written; a line break may become another.

    Any other key must not be in the body of a request that deletes: it may name another object there.

    Example:
        >>> can_be_in_xml("daily/é & <b>.nc"), can_be_in_xml("a\rb"), can_be_in_xml("a\x00")
        (True, False, False)
    """
    return _NOT_FOR_XML.search(key) is None


def describe_duration(seconds: int) -> str:
    """Return a duration in its two largest units, such as `3 days 4 hours`."""
    parts = []
    for name, length in _UNITS:
        count, seconds = divmod(seconds, length)
        if count:
            parts.append(f"{count} {name}{'' if count == 1 else 's'}")
    return " ".join(parts[:2]) or "0 seconds"
