"""Scalars without quotes, by the core schema of YAML 1.2: https://yaml.org/spec/1.2.2/#103-core-schema ."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

_DIGITS_MAX = 20
_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_PLAIN_NUMBER = re.compile(r"[-+]?(0|[1-9][0-9]{0,18})")
_NUMBER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)


@dataclass(frozen=True, slots=True)
class Misread:
    """A number in a form that YAML versions read differently; never valid in a job.

    Attributes:
        text: as written in the file.
        meaning: what YAML 1.2 reads.
    """

    text: str
    meaning: str


def plain_value(text: str) -> Any:
    """Return what a scalar without quotes means."""
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    is_whole = _NUMBER.fullmatch(text)
    if not is_whole and not _FLOAT.fullmatch(text):
        return text
    return _number(text, is_whole=bool(is_whole))


def _number(text: str, *, is_whole: bool) -> int | float | Misread:
    if _PLAIN_NUMBER.fullmatch(text):
        return int(text)
    if len(text) > _DIGITS_MAX:
        return Misread(text[:_DIGITS_MAX] + "...", "a number")
    if is_whole:
        return Misread(text, f"the number {int(text, 0 if text[:2] in ('0o', '0x') else 10)}")
    return float(re.sub(r"\.(?=[inIN])", "", text))
