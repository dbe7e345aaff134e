"""Cells of a list's rows, parsed and checked; a wrong one raises a `RowError`."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from s3copy_tasks.core.job import KEY_BYTES_MAX, key_bytes
from s3copy_tasks.core.multipart import OBJECT_BYTES_MAX
from s3copy_tasks.core.text import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

_SIZE_DIGITS_MAX = 19
_QUOTED = ('"', "W/")
_SHOWN = 80
_RESULTS = ["key", "destination_key"]
"""The first columns of a run's results."""


class RowError(ValueError):
    """A row that can't be read; the message says why, and what would fix it."""


def check_key(key: str) -> str:
    """Return a key that S3 may have."""
    if not key:
        raise RowError("the key is empty")
    if len(key) * 4 > KEY_BYTES_MAX and key_bytes(key) > KEY_BYTES_MAX:
        raise RowError(f"the key {show_cell(key)} has {key_bytes(key)} bytes; an S3 key has at most 1,024")
    return key


def check_header(name: str, text: str) -> str:
    """Return a text that requests have in a header."""
    if not text.isprintable():
        raise RowError(f"the {name} {show_cell(text)} has characters that it can't have")
    return text


def parse_etag(text: str) -> str:
    """Return an ETag in quotes."""
    if text.isalnum() and text.isascii():  # as almost all are
        return f'"{text}"'
    if not text.strip('"'):
        raise RowError(f"the ETag {show_cell(text)} is empty: leave out its quotes if it is not known")
    return check_header("ETag", text if text.startswith(_QUOTED) else f'"{text}"')


def parse_size(text: str) -> int:
    """Return a number of bytes."""
    if not (text.isascii() and text.isdigit() and len(text) <= _SIZE_DIGITS_MAX):
        raise RowError(f"the size {show_cell(text)} is not a number of bytes")
    size = int(text)
    if size > OBJECT_BYTES_MAX:
        raise RowError(f"the size {show_cell(text)} is more than S3 allows in an object ({OBJECT_BYTES_MAX})")
    return size


def parse_moment(text: str) -> datetime:
    """Return a time with its zone."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise RowError(f"the date {show_cell(text)} is not an ISO 8601 time with its zone")
    return moment


def show_cell(text: str) -> str:
    """Return the beginning of a text for a message."""
    return repr(printable(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."))


def explain_columns(cells: Sequence[str], columns: Sequence[str]) -> str:
    """Return what is wrong with the number of a row's cells, and what would fix it."""
    count, said = len(cells), ", ".join(columns)
    has = "1 column" if count == 1 else f"{count} columns"
    problem = f"has {has}, but from.columns says {len(columns)}: {said}"
    if cells[: len(_RESULTS)] == _RESULTS:
        return f"{problem}. These are results: the lists of failed objects are below them, in failed/"
    if count == 1 and ("\t" in cells[0] or ";" in cells[0]):
        return f"{problem}. Separate columns by commas"
    if count > len(columns):
        return f"{problem}. A key with commas needs quotes"
    return problem
