"""The first rows of a list: they show whether it is what the config says, before the plan reads all of it."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from s3copy_tasks.core.rows import BadRow, Lines, Row, parse_rows
from s3copy_tasks.engine.local_files import LocalFiles
from s3copy_tasks.engine.loop import wait_for
from s3copy_tasks.errors import Code, ConfigError

if TYPE_CHECKING:
    from s3copy_tasks.core.key_list import KeyList, ListFile
    from s3copy_tasks.preflight.list_bucket import ListBucket

START_BYTES = 64 * 2**10
"""Bytes that are read of the first file, and unpacked of it."""
_GZIP = 16 + zlib.MAX_WBITS
_SHOWN = 10


def read_first_rows(of: KeyList, bucket: ListBucket | None, source_bucket: str) -> list[Row]:
    """Return the rows at the start of the first file that is not empty.

    Args:
        of: the list, with its files.
        bucket: of the list; None for files of this machine.
        source_bucket: of the job.

    Raises:
        ConfigError: a row is wrong; the message names file and line of the first ones.
        CopyError: the file can't be read.
    """
    file = next((file for file in of.files if file.size), None)
    if file is None:
        return []
    start = _read_start(of, file, bucket)
    is_whole = len(start) == file.size
    if file.is_compressed:
        start, is_whole = _unpack(start, of.describe(file), is_whole=is_whole)
    rows: list[Row] = []
    problems: list[str] = []
    for row in _parse(start, of, source_bucket, is_whole=is_whole):
        if isinstance(row, BadRow):
            problems.append(f"{of.describe(file)}:{row.line}: {row.problem}")
        else:
            rows.append(row)
    if problems:
        raise ConfigError("\n".join(problems[:_SHOWN]), code=Code.INVALID_LIST)
    return rows


def _read_start(of: KeyList, file: ListFile, bucket: ListBucket | None) -> bytes:
    pinned = of.pin(file)
    if bucket is None:
        return wait_for(LocalFiles().get_bytes(pinned, 0, min(file.size, START_BYTES) - 1))
    allowed_keys = f"{of.key}*" if of.is_prefix else of.key
    (start,) = bucket.read([pinned], bytes_max=START_BYTES, allowed_keys=allowed_keys)
    return start


def _unpack(start: bytes, where: str, *, is_whole: bool) -> tuple[bytes, bool]:
    """Return the start of what a file holds unpacked, and whether that is all of it."""
    unpacking = zlib.decompressobj(_GZIP)
    try:
        unpacked = unpacking.decompress(start, START_BYTES)
    except zlib.error as error:
        msg = f"the list {where} is not a valid gzip file: {error}"
        raise ConfigError(msg, code=Code.INVALID_LIST) from None
    return unpacked, is_whole and unpacking.eof and not unpacking.unused_data


def _parse(start: bytes, of: KeyList, source_bucket: str, *, is_whole: bool) -> list[Row | BadRow]:
    """Return the rows of a file's start, without the last one if that may be cut."""
    lines = Lines([start])
    rows = list(parse_rows(lines, of, source_bucket))
    may_be_cut = not is_whole and lines.position == len(start)
    return rows[:-1] if may_be_cut else rows
