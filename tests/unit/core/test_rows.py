"""Rows of a list: right, or an error that names line and fix."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3copy_tasks.core.key_list import Column
from s3copy_tasks.core.rows import BadRow, Lines, Row, parse_rows
from tests.support.builders.lists import encode_key, make_list, make_rows

if TYPE_CHECKING:
    from collections.abc import Iterable

BUCKET = "the-source"
KEY_ONLY = [Column.KEY]
BUCKET_AND_KEY = [Column.BUCKET, Column.KEY]
KEYS = st.text(st.characters(), min_size=1, max_size=40).filter(
    lambda key: 0 < len(key.encode("utf-8", "surrogatepass")) <= 1024
)


def parse(
    content: bytes, columns: Iterable[str] = KEY_ONLY, *, step: int = 1_000, **changes: Any
) -> list[Any]:
    """Return the rows of a file that arrives in blocks of `step` bytes."""
    blocks = (content[first : first + step] for first in range(0, len(content), step))
    return list(parse_rows(Lines(blocks), make_list(columns=tuple(columns), **changes), BUCKET))


def keys_of(rows: Iterable[Row | BadRow]) -> list[str]:
    return [row.key if isinstance(row, Row) else f"bad: {row.problem}" for row in rows]


RIGHT: dict[str, tuple[bytes, dict[str, Any], list[str]]] = {
    "one key in each line": (b"a\nb\n", {}, ["a", "b"]),
    "no line end after the last row": (b"a\nb", {}, ["a", "b"]),
    "line ends of Windows": (b"a\r\nb\r\n", {}, ["a", "b"]),
    "a byte order mark": (b"\xef\xbb\xbfa\nb\n", {}, ["a", "b"]),
    "a byte order mark before quotes": (b'\xef\xbb\xbf"a"\nb\n', {}, ["a", "b"]),
    "empty lines": (b"\na\n\n\nb\n\n", {}, ["a", "b"]),
    "an empty file": (b"", {}, []),
    "a header": (b"object key\na\n", {"header": True}, ["a"]),
    "a header after an empty line": (b"\nobject key\na\n", {"header": True}, ["a"]),
    "a header that spans lines": (b'"object\nkey"\na\n', {"header": True}, ["a"]),
    "quotes": (b'"a,b"\n"say ""hi"""\n', {}, ["a,b", 'say "hi"']),
    "a line break in quotes": (b'"a\nb"\nc\n', {}, ["a\nb", "c"]),
    "a line break of Windows in quotes": (b'"a\r\nb"\r\nc\r\n', {}, ["a\r\nb", "c"]),
    "an encoded plus": (b"a%2Bb\n", {}, ["a+b"]),
    "a plus is a space in S3's lists": (b"a+b\n", {}, ["a b"]),
    "an encoded space": (b"a%20b\n", {}, ["a b"]),
    "an encoded percent sign": (b"100%25\n", {}, ["100%"]),
    "an encoded line break": (b"a%0Ab\nc%2Bd\n", {}, ["a\nb", "c+d"]),
    "an encoded NUL": (b"a%00b\n", {}, ["a\0b"]),
    "a plain NUL": (b"a\0b\n", {"url_encoded": False}, ["a\0b"]),
    "a plain plus and percent sign": (b"a%2Bb+c\n", {"url_encoded": False}, ["a%2Bb+c"]),
    "UTF-8": ("ä/漢\n".encode(), {}, ["ä/漢"]),
    "encoded UTF-8": (b"%C3%A4\n", {}, ["ä"]),
    "a key of 1,024 bytes": (b"k" * 1024, {}, ["k" * 1024]),
    "an encoded key of 1,024 bytes": (b"%C3%A4" * 512, {}, ["ä" * 512]),
    "blanks are a part of a key": (b" a \n", {}, [" a "]),
}


@pytest.mark.parametrize("step", [1, 7, 1_000])
@pytest.mark.parametrize(("content", "changes", "keys"), RIGHT.values(), ids=RIGHT)
def test_keys_are_read_as_they_are_meant(
    content: bytes, changes: dict[str, Any], keys: list[str], step: int
) -> None:
    """Whatever CSV allows is read, however the file arrives."""
    assert keys_of(parse(content, step=step, **changes)) == keys


WRONG: dict[str, tuple[bytes, list[Column], dict[str, Any], int, str]] = {
    "too few columns": (b"the-source,a\nb\n", BUCKET_AND_KEY, {}, 2, "has 1 column, but from.columns says 2"),
    "too many columns": (b"a\nb,c\n", KEY_ONLY, {}, 2, "has 2 columns, but from.columns says 1: key"),
    "another bucket": (b"other,a\n", BUCKET_AND_KEY, {}, 1, "'other' is not the job's source bucket"),
    "an unexpected header": (b"Bucket,Key\n", BUCKET_AND_KEY, {}, 1, "from.header: true"),
    "a header that is a row": (
        b"the-source,a\nthe-source,b\n",
        BUCKET_AND_KEY,
        {"header": True},
        1,
        "is not a row of column names. Remove from.header",
    ),
    "a header with a size": (b"a,5\n", [Column.KEY, Column.SIZE], {"header": True}, 1, "not a row of column"),
    "semicolons": (b"the-source;a\n", BUCKET_AND_KEY, {}, 1, "Separate columns by commas"),
    "a comma in a key": (b"a,b.nc\n", KEY_ONLY, {}, 1, "A key with commas needs quotes"),
    "results": (b"key,destination_key,version_id\n", BUCKET_AND_KEY, {}, 1, "are below them, in failed/"),
    "an empty key": (b"the-source,\n", BUCKET_AND_KEY, {}, 1, "the key is empty"),
    "a long key": (b"k" * 1025, KEY_ONLY, {}, 1, "has 1025 bytes; an S3 key has at most 1,024"),
    "a long key that is short when encoded": (b"%C3%A4" * 513, KEY_ONLY, {}, 1, "has 1026 bytes"),
    "a percent sign that encodes nothing": (b"a\n100%\n", KEY_ONLY, {}, 2, "from.keys: plain"),
    "encoded bytes that are not UTF-8": (b"%FF\n", KEY_ONLY, {}, 1, "is not UTF-8"),
    "bytes that are not UTF-8": (b"a\n\xff\n", KEY_ONLY, {}, 2, "not UTF-8 text"),
    "compressed": (b"\x1f\x8b\x08\0\0", KEY_ONLY, {}, 1, "ends in .gz"),
    "UTF-16 in a file with a header": (b"\xff\xfea\0\n\0", KEY_ONLY, {"header": True}, 1, "UTF-16"),
    "a header that is not CSV": (b'"a"b\nc\n', KEY_ONLY, {"header": True}, 1, "not valid CSV"),
    "UTF-16": (b"\xff\xfea\0\n\0", KEY_ONLY, {}, 1, "UTF-16"),
    "a quote that is never closed": (b'a\n"b\n', KEY_ONLY, {}, 2, "not valid CSV"),
    "text after a quote": (b'"a"b\n', KEY_ONLY, {}, 1, "not valid CSV"),
    "line ends of old Macs": (b"a\rb\r", KEY_ONLY, {}, 1, "a lone carriage return"),
    "an endless row": (b'"a\n",' * 300_000, KEY_ONLY, {}, 1, "a row of more than"),
    "an endless line": (b"a" * (2**20 + 2_000), KEY_ONLY, {}, 1, "a line of more than"),
    "a size in words": (b"a,1 MB\n", [Column.KEY, Column.SIZE], {}, 1, "the size '1 MB'"),
    "a size below 0": (b"a,-1\n", [Column.KEY, Column.SIZE], {}, 1, "the size '-1'"),
    "digits of another script": (b"a,\xd9\xa1\n", [Column.KEY, Column.SIZE], {}, 1, "is not a number"),
    "a date without a zone": (
        b"a,2026-01-31T00:00:00\n",
        [Column.KEY, Column.LAST_MODIFIED],
        {},
        1,
        "ISO 8601 time with its zone",
    ),
    "a size that no object has": (
        b"a,53687091200001\n",
        [Column.KEY, Column.SIZE],
        {},
        1,
        "the size '53687091200001' is more than S3 allows",
    ),
    "an ETag of nothing but quotes": (
        b'a,""""""\n',
        [Column.KEY, Column.ETAG],
        {},
        1,
        "the ETag '\"\"' is empty",
    ),
    "an ETag with a line break": (
        b'a,"b\r\nc: d"\n',
        [Column.KEY, Column.ETAG],
        {},
        1,
        "the ETag '\"b\\\\r\\\\nc: d\"' has characters that",
    ),
    "an ETag that is not Unicode": (b"a,\xed\xa0\x80\n", [Column.KEY, Column.ETAG], {}, 1, "the ETag "),
    "a storage class with a NUL": (
        b"a,A\0\n",
        [Column.KEY, Column.STORAGE_CLASS],
        {},
        1,
        "the storage class 'A\\\\x00' has",
    ),
    "a version with an encoded line break": (
        b"a,b%0A\n",
        [Column.KEY, Column.VERSION],
        {},
        1,
        "the version 'b\\\\n' has",
    ),
    "a row after a row of two lines": (b'"a\nb",\n,\n', [Column.KEY, Column.SIZE], {}, 3, "the key is empty"),
}


@pytest.mark.parametrize(("content", "columns", "changes", "line", "words"), WRONG.values(), ids=WRONG)
def test_a_wrong_row_is_named(
    content: bytes, columns: list[Column], changes: dict[str, Any], line: int, words: str
) -> None:
    """The error has the line, what is wrong, and where possible the field that fixes it."""
    bad = next(row for row in parse(content, columns, **changes) if isinstance(row, BadRow))
    assert bad.line == line
    assert words in bad.problem


def test_a_wrong_row_does_not_stop_the_others() -> None:
    """All wrong rows of a file are found in one pass."""
    found = parse(b"other,a\nthe-source,b\nother,c\n", BUCKET_AND_KEY)
    assert [type(row) for row in found] == [BadRow, Row, BadRow]


def test_an_access_point_names_no_bucket() -> None:
    """Rows have the bucket's own name, which the job does not know."""
    point = "arn:aws:s3:us-west-2:111122223333:accesspoint/ops"
    found = list(parse_rows(Lines([b"any,a\n"]), make_list(columns=BUCKET_AND_KEY), point))
    assert keys_of(found) == ["a"]


def test_every_column() -> None:
    """A row has what its columns say; what is empty is not known."""
    columns = ["bucket", "key", "version", "etag", "size", "last_modified", "storage_class", "destination"]
    content = (
        b'the-source,a,v1,"""0123""",7,2026-01-31T01:02:03.000Z,GLACIER_IR,out%2Fa\nthe-source,b,,,,,,\n'
    )
    full, bare = parse(content, map(Column, columns))
    assert full[2:] == (
        "a",
        "v1",
        '"0123"',
        7,
        "GLACIER_IR",
        datetime(2026, 1, 31, 1, 2, 3, tzinfo=UTC),
        "out/a",
    )
    assert bare[2:] == ("b", None, "", None, None, None, None)


def test_only_current_objects_of_an_inventory_count() -> None:
    """Old versions and delete markers are not objects to copy."""
    columns = [Column.KEY, Column.IS_LATEST, Column.IS_DELETE_MARKER]
    content = b'"a","true","false"\n"a","false","false"\n"b","true","true"\n'
    assert keys_of(parse(content, columns)) == ["a"]


@given(keys=st.lists(KEYS, max_size=20), step=st.integers(1, 50), end=st.sampled_from(["\n", "\r\n"]))
def test_any_keys_round_trip(keys: list[str], step: int, end: str) -> None:
    """Keys of any characters, encoded or quoted, are read as they are; positions end at the file's end."""
    encoded = make_rows(([encode_key(key), ""] for key in keys), line_end=end)
    plain = make_rows(([key, ""] for key in keys), line_end=end, quoted=True)
    for content, is_encoded in ((encoded, True), (plain, False)):
        rows = parse(content, [Column.KEY, Column.ETAG], step=step, url_encoded=is_encoded)
        assert keys_of(rows) == keys
        assert [row.position for row in rows][-1:] == [len(content)][: len(keys)]


@given(keys=st.lists(KEYS, min_size=1, max_size=20), data=st.data())
def test_a_range_reads_the_rows_inside_it(keys: list[str], data: st.DataObject) -> None:
    """Rows of two ranges that meet at a row's end are the rows of the file."""
    content = make_rows([encode_key(key), ""] for key in keys)
    whole = parse(content, [Column.KEY, Column.ETAG])
    cut = data.draw(st.sampled_from(whole)).position
    of = make_list(columns=(Column.KEY, Column.ETAG))
    halves = (Lines([content[:cut]]), True), (Lines([content[cut:]], cut), False)
    read: list[Any] = [row for lines, at in halves for row in parse_rows(lines, of, BUCKET, from_start=at)]
    assert [(row.position, row.key) for row in read] == [(row.position, row.key) for row in whole]
