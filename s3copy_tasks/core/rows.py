"""Rows of a list of keys, parsed and checked: see docs/lists.md for the format."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import unquote_plus

from s3copy_tasks.core.bucket_names import is_access_point, is_alias
from s3copy_tasks.core.job import KEY_BYTES_MAX, key_bytes
from s3copy_tasks.core.key_list import Column
from s3copy_tasks.core.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from s3copy_tasks.core.key_list import KeyList

_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_NOT_ENCODED = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SIZE = re.compile(r"[0-9]{1,19}")
_SHOWN = 80


class RowError(ValueError):
    """A row that can't be read; the message says why, and what would fix it."""


class NotTextError(RowError):
    """A file that is not text from here on."""


class Row(NamedTuple):
    """A row of a list.

    Attributes:
        position: the byte where it ends in its file.
        line: of its file, from 1; meaningful only if the file was read from its start.
        key: decoded.
        version_id: None means the current version.
        etag: None if the list does not say, like the next four.
        size: bytes.
        last_modified: with its zone.
        destination: key of the copy.
    """

    position: int
    line: int
    key: str
    version_id: str | None = None
    etag: str | None = None
    size: int | None = None
    storage_class: str | None = None
    last_modified: datetime | None = None
    destination: str | None = None


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that is wrong, and why.

    Attributes:
        line: of its file, from 1.
        problem: what is wrong with it.
    """

    line: int
    problem: str


class Lines:
    """The lines of a file as text, with the position of the last one.

    Args:
        blocks: of the file, from a position on.
        start: that position; a row begins there.

    Attributes:
        position: the byte where the last line ended.
        number: of the last line, from 1, counted from `start`.
    """

    def __init__(self, blocks: Iterable[bytes], start: int = 0) -> None:
        self._blocks = blocks
        self.position = start
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        """Yield each line with its end.

        Raises:
            NotTextError: a line is not UTF-8.
        """
        for raw in _split_lines(self._blocks):
            is_first = self.position == 0
            self.position += len(raw)
            self.number += 1
            try:
                yield (_drop_bom(raw) if is_first else raw).decode("utf-8", "surrogatepass")
            except UnicodeDecodeError:
                msg = "not UTF-8 text. Save the list as UTF-8; a compressed one needs a name that ends in .gz"
                raise NotTextError(msg) from None


def _split_lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    waiting: list[bytes] = []
    for block in blocks:
        first, *more = block.split(b"\n")
        waiting.append(first)
        for line in more:
            yield b"".join(waiting) + b"\n"
            waiting = [line]
    rest = b"".join(waiting)
    if rest:
        yield rest


def _drop_bom(raw: bytes) -> bytes:
    if raw.startswith(_UTF16):
        raise NotTextError("UTF-16 text. Save the list as UTF-8")
    return raw.removeprefix(_BOM)


def parse_rows(lines: Lines, of: KeyList, bucket: str, *, from_start: bool = True) -> Iterator[Row | BadRow]:
    """Yield the rows of a file, without delete markers and old versions; a bad one does not stop the others.

    Args:
        lines: of the file.
        of: the list.
        bucket: that all keys must be in.
        from_start: the lines begin with the first one of the file, which may be a header.
    """
    parser = _RowParser(of.columns, bucket, url_encoded=of.url_encoded)
    reader = csv.reader(iter(lines), strict=True)
    skips_one = of.header and from_start
    while True:
        line = lines.number + 1
        try:
            cells = next(reader, None)
            if cells is None:
                return
            if skips_one:
                skips_one = False
                continue
            row = parser.parse(cells, lines.position, line) if cells else None
        except NotTextError as error:
            yield BadRow(line, str(error))
            return
        except csv.Error as error:
            yield BadRow(line, f"not valid CSV: {error}")
        except RowError as error:
            yield BadRow(line, str(error))
        else:
            if row is not None:
                yield row


class _RowParser:
    def __init__(self, columns: Sequence[Column], bucket: str, *, url_encoded: bool) -> None:
        self._columns = tuple(columns)
        self._bucket = None if is_access_point(bucket) or is_alias(bucket) else bucket
        self._url_encoded = url_encoded
        self._index = {column: index for index, column in enumerate(columns)}

    def parse(self, cells: list[str], position: int, line: int) -> Row | None:
        """Return a row; None for a delete marker, and for a version that is not the current one."""
        if len(cells) != len(self._columns):
            raise RowError(self._explain_columns(cells))
        if self._cell(cells, Column.IS_LATEST) == "false":
            return None
        if self._cell(cells, Column.IS_DELETE_MARKER) == "true":
            return None
        self._check_bucket(cells)
        moment = self._cell(cells, Column.LAST_MODIFIED)
        destination = self._cell(cells, Column.DESTINATION)
        return Row(
            position,
            line,
            self._decode_key(cells[self._index[Column.KEY]]),
            self._cell(cells, Column.VERSION) or None,
            self._cell(cells, Column.ETAG).strip('"') or None,
            _parse_size(self._cell(cells, Column.SIZE)),
            self._cell(cells, Column.STORAGE_CLASS) or None,
            _parse_moment(moment) if moment else None,
            self._decode_key(destination) if destination else None,
        )

    def _cell(self, cells: list[str], column: Column) -> str:
        index = self._index.get(column)
        return "" if index is None else cells[index]

    def _check_bucket(self, cells: list[str]) -> None:
        index = self._index.get(Column.BUCKET)
        if index is None or self._bucket is None or cells[index] == self._bucket:
            return
        if self._is_header(cells):
            raise RowError("names of columns. Set from.header: true")
        found = _show(cells[index])
        raise RowError(f"the bucket {found} is not the job's source bucket {self._bucket!r}")

    def _decode_key(self, text: str) -> str:
        key = text
        if self._url_encoded and ("%" in text or "+" in text):
            if _NOT_ENCODED.search(text):
                msg = f"the key {_show(text)} is not percent-encoded. Set from.keys: plain"
                raise RowError(msg)
            try:
                key = unquote_plus(text, errors="surrogatepass")
            except UnicodeDecodeError:
                raise RowError(f"the key {_show(text)} is not UTF-8") from None
        if not key:
            raise RowError("the key is empty")
        if len(key) * 4 > KEY_BYTES_MAX and key_bytes(key) > KEY_BYTES_MAX:
            raise RowError(f"the key {_show(key)} has {key_bytes(key)} bytes; an S3 key has at most 1,024")
        return key

    def _explain_columns(self, cells: list[str]) -> str:
        count = len(cells)
        has = "1 column" if count == 1 else f"{count} columns"
        said = ", ".join(self._columns)
        return f"has {has}, but from.columns says {len(self._columns)}: {said}"

    def _is_header(self, cells: list[str]) -> bool:
        return cells[self._index[Column.KEY]].strip().lower().replace(" ", "_") in {"key", "object_key"}


def _parse_size(text: str) -> int | None:
    if not text:
        return None
    if not _SIZE.fullmatch(text):
        raise RowError(f"the size {_show(text)} is not a number of bytes")
    return int(text)


def _parse_moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise RowError(f"the date {_show(text)} is not an ISO 8601 time with its zone")
    return moment


def _show(text: str) -> str:
    return repr(printable(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."))
