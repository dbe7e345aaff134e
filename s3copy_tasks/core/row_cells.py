"""Cells of a list's rows, parsed and checked; a wrong one raises a `RowError`."""

from __future__ import annotations

from datetime import datetime

from s3copy_tasks.core.job import KEY_BYTES_MAX, key_bytes
from s3copy_tasks.core.multipart import OBJECT_BYTES_MAX
from s3copy_tasks.core.text import printable

_SIZE_DIGITS_MAX = 19
_QUOTED = ('"', "W/")
_SHOWN = 80


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
