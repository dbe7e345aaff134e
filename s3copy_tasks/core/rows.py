"""Rows of a list of keys, parsed and checked: see docs/lists.md for the format."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, TypeAlias
from urllib.parse import unquote, unquote_plus

from s3copy_tasks.core.bucket_names import is_access_point, is_alias
from s3copy_tasks.core.key_list import Column
from s3copy_tasks.core.objects import is_md5
from s3copy_tasks.core.row_cells import (
    RowError,
    check_header,
    check_key,
    explain_columns,
    parse_etag,
    parse_moment,
    parse_size,
    show_cell,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from s3copy_tasks.core.key_list import KeyList

_BOM = b"\xef\xbb\xbf"
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_NOT_ENCODED = re.compile(r"%(?![0-9A-Fa-f]{2})")
_KEY_HEADERS = frozenset({"key", "object_key"})
_ROW_BYTES_MAX = 2**20
_LONE_RETURN = "a lone carriage return, which ends no line. Save the list with line ends of Unix or Windows"
_NO_CELL = ""
_DECODED_TOGETHER = 500
"""Rows whose keys are decoded at once."""


class NotTextError(RowError):
    """A file that is not text from here on."""


class Row(NamedTuple):
    """A row of a list.

    Attributes:
        position: the byte where it ends in its file.
        line: of its file, from 1; meaningful only if the file was read from its start.
        key: decoded.
        version_id: None means the current version.
        etag: in quotes; empty if the list does not say.
        size: bytes; None if the list does not say, like the next three.
        last_modified: with its zone.
        destination: key of the copy.
    """

    position: int
    line: int
    key: str
    version_id: str | None = None
    etag: str = ""
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


_RawRow: TypeAlias = tuple[int, int, list[str]]
"""Position, line and cells. Not a class of its own, because that would take as long as to read the row."""


class Lines:
    """The lines of a file as text, with the position of the last one.

    Args:
        blocks: of the file, from a position on.
        start: that position; a row begins there.

    Attributes:
        position: the byte where the last line ended.
        number: of the last line, from 1, counted from `start`.
        row_start: the byte where the row of the next line begins.
    """

    def __init__(self, blocks: Iterable[bytes], start: int = 0) -> None:
        self._blocks = blocks
        self.position = self.row_start = start
        self.number = 0

    def __iter__(self) -> Iterator[str]:
        """Yield each line with its end.

        Raises:
            NotTextError: a line is not UTF-8, or too long, or its row is.
        """
        for raw in _split_lines(self._blocks):
            is_first = self.position == 0
            self.position += len(raw)
            self.number += 1
            if self.position - self.row_start > _ROW_BYTES_MAX:
                raise NotTextError(f"a row of more than {_ROW_BYTES_MAX:,} bytes: not a list")
            try:
                yield (_drop_bom(raw) if is_first else raw).decode("utf-8", "surrogatepass")
            except UnicodeDecodeError:
                msg = "not UTF-8 text. Save the list as UTF-8; a compressed one needs a name that ends in .gz"
                raise NotTextError(msg) from None


def _split_lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    rest = b""
    for block in blocks:
        lines = block.split(b"\n")
        lines[0] = rest + lines[0]
        rest = lines.pop()
        for line in lines:
            yield line + b"\n"
        if len(rest) > _ROW_BYTES_MAX:
            raise NotTextError(f"a line of more than {_ROW_BYTES_MAX:,} bytes: not a CSV file")
    if rest:
        yield rest


def _drop_bom(raw: bytes) -> bytes:
    if raw.startswith(_UTF16):
        raise NotTextError("is UTF-16 text. Save the list as UTF-8")
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
    raw = _read_rows(lines)
    if of.header and from_start:
        header = next(raw, None)
        if isinstance(header, BadRow):
            yield header
        elif header is not None and parser.is_data(header):
            yield BadRow(lines.number, "is not a row of column names. Remove from.header, or set it to false")
    while chunk := list(islice(raw, _DECODED_TOGETHER)):
        for row, key in zip(chunk, parser.decode_keys(chunk), strict=True):
            if isinstance(row, BadRow):
                yield row
                continue
            try:
                parsed = parser.parse(row, key)
            except RowError as error:
                yield BadRow(row[1], str(error))
            else:
                if parsed is not None:
                    yield parsed


def _read_rows(lines: Lines) -> Iterator[_RawRow | BadRow]:
    reader = csv.reader(iter(lines), strict=True)
    while True:
        line, lines.row_start = lines.number + 1, lines.position
        try:
            cells = next(reader, None)
        except NotTextError as error:
            yield BadRow(line, str(error))
            return
        except csv.Error as error:
            words = _LONE_RETURN if "new-line" in str(error) else error
            yield BadRow(line, f"not valid CSV: {words}")
            continue
        if cells is None:
            return
        if cells:
            yield lines.position, line, cells


class _RowParser:
    def __init__(self, columns: Sequence[Column], bucket: str, *, url_encoded: bool) -> None:
        self._columns = tuple(columns)
        self._count = len(self._columns)
        self._url_encoded = url_encoded
        has_bucket = Column.BUCKET in columns and not is_access_point(bucket) and not is_alias(bucket)
        self._bucket = bucket if has_bucket else _NO_CELL
        self._bucket_at = self._find(Column.BUCKET) if has_bucket else -1
        self._key_at = self._find(Column.KEY)
        self._version_at = self._find(Column.VERSION)
        self._etag_at = self._find(Column.ETAG)
        self._size_at = self._find(Column.SIZE)
        self._class_at = self._find(Column.STORAGE_CLASS)
        self._date_at = self._find(Column.LAST_MODIFIED)
        self._destination_at = self._find(Column.DESTINATION)
        self._latest_at = self._find(Column.IS_LATEST)
        self._marker_at = self._find(Column.IS_DELETE_MARKER)
        self._checked_class = ""

    def _find(self, column: Column) -> int:
        """Return the index of a column; that of an empty cell after all others if there is none."""
        return self._columns.index(column) if column in self._columns else -1

    def is_data(self, row: _RawRow) -> bool:
        """Say whether a row can't be one of column names: it has the bucket, a size, or an MD5 as ETag."""
        if len(row[2]) != self._count:
            return False
        cells = [*row[2], _NO_CELL]
        has_bucket = self._bucket != _NO_CELL and cells[self._bucket_at] == self._bucket
        return has_bucket or cells[self._size_at].isdigit() or is_md5(cells[self._etag_at])

    def decode_keys(self, chunk: Sequence[_RawRow | BadRow]) -> list[str | None]:
        """Return the keys of rows; None for those that have to be decoded one by one, which is slower."""
        keys: list[str | None] = [
            "" if isinstance(row, BadRow) or len(row[2]) != self._count else row[2][self._key_at]
            for row in chunk
        ]
        joined = "\n".join(filter(None, keys))
        if not self._url_encoded or ("%" not in joined and "+" not in joined):
            return keys
        if len(keys) > 1 and all(keys) and not _NOT_ENCODED.search(joined):
            with suppress(UnicodeDecodeError):
                decoded = unquote_plus(joined, errors="surrogatepass").split("\n")
                if len(decoded) == len(keys):
                    return list(decoded)
        return [None] * len(keys)

    def parse(self, row: _RawRow, key: str | None) -> Row | None:
        """Return a row; None for a delete marker, and for a version that is not the current one."""
        position, line, cells = row
        if len(cells) != self._count:
            raise RowError(explain_columns(cells, self._columns))
        cells.append(_NO_CELL)
        if cells[self._latest_at] == "false" or cells[self._marker_at] == "true":
            return None
        if cells[self._bucket_at] != self._bucket:
            raise RowError(self._explain_bucket(cells))
        size, moment, destination = cells[self._size_at], cells[self._date_at], cells[self._destination_at]
        etag, storage_class = cells[self._etag_at], cells[self._class_at]
        return Row(
            position,
            line,
            self._decode_key(cells[self._key_at]) if key is None else check_key(key),
            self._decode_version(cells[self._version_at]) or None,
            parse_etag(etag) if etag else "",
            parse_size(size) if size else None,
            self._check_class(storage_class) if storage_class else None,
            parse_moment(moment) if moment else None,
            self._decode_key(destination) if destination else None,
        )

    def _check_class(self, text: str) -> str:
        """Return a storage class; most rows have the one that was checked last."""
        if text != self._checked_class:
            self._checked_class = check_header("storage class", text)
        return text

    def _explain_bucket(self, cells: list[str]) -> str:
        name = cells[self._key_at].strip().lower().replace(" ", "_")
        if name in _KEY_HEADERS:
            return "is a row of column names. Set from.header: true"
        found = show_cell(cells[self._bucket_at])
        return f"the bucket {found} is not the job's source bucket {self._bucket!r}"

    def _decode_key(self, text: str) -> str:
        key = text
        if self._url_encoded and ("%" in text or "+" in text):
            if _NOT_ENCODED.search(text):
                msg = f"the key {show_cell(text)} is not percent-encoded. Set from.keys: plain"
                raise RowError(msg)
            try:
                key = unquote_plus(text, errors="surrogatepass")
            except UnicodeDecodeError:
                raise RowError(f"the key {show_cell(text)} is not UTF-8") from None
        return check_key(key)

    def _decode_version(self, text: str) -> str:
        """Return a version; S3's own lists do not encode it, because no version has a `%`."""
        return check_header("version", unquote(text) if "%" in text and self._url_encoded else text)
