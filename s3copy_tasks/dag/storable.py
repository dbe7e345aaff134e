"""Text that every database of Airflow can hold, and the way back.

PostgreSQL refuses NUL, and both PostgreSQL and MySQL refuse half of a surrogate pair: a key or an error may
have them. docs/design/database-text.md gives the reasons for the escape.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, TypeVar

from s3copy_tasks.core.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable

ESCAPE = "\u241b"
"""Begins an escape: a visible sign that no keyboard has, followed by the character's code of four digits."""

_CODES = "0000|d[89a-f][0-9a-f]{2}|241b"
_ESCAPED = re.compile(f"{ESCAPE}({_CODES})")
_REFUSED = re.compile(f"[\0\ud800-\udfff]|{ESCAPE}(?={_CODES})")
_LABEL_CHARACTERS_MAX = 250

T = TypeVar("T")


def escape(value: T) -> T:
    """Return JSON types with every text as one that a database can hold; most texts are unchanged."""
    escaped: T = _map_texts(value, _escape_text)
    return escaped


def unescape(value: T) -> T:
    """Return JSON types as they were before `escape`; values of earlier versions were not escaped."""
    plain: T = _map_texts(value, _unescape_text)
    return plain


def make_label(text: str) -> str:
    """Return a text as Airflow's column for the label of a mapped task can hold it, to be shown.

    It has 250 characters, and in MySQL perhaps only those of three bytes.
    """
    shown = "".join(c if c <= "\uffff" else f"\\U{ord(c):08x}" for c in printable(text))
    return shown[:_LABEL_CHARACTERS_MAX]


def _escape_text(text: str) -> str:
    return _REFUSED.sub(lambda found: f"{ESCAPE}{ord(found[0]):04x}", text)


def _unescape_text(text: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


def _map_texts(value: Any, change: Callable[[str], str]) -> Any:
    match value:
        case str():
            return change(value)
        case dict():
            return {_map_texts(key, change): _map_texts(item, change) for key, item in value.items()}
        case list() | tuple():
            return type(value)(_map_texts(item, change) for item in value)
        case _:
            return value
