"""The first rows of a list show whether it is what the config says; a row that may be cut shows nothing."""

from __future__ import annotations

import gzip
import random
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from s3copy_tasks.core.key_list import Column, KeyList
from s3copy_tasks.engine.local_files import find_list_file
from s3copy_tasks.errors import ConfigError
from s3copy_tasks.preflight.first_rows import START_BYTES, read_first_rows
from tests.support.builders.bench import SOURCE

if TYPE_CHECKING:
    from pathlib import Path

LIST = KeyList(location=None, key="list", columns=(Column.BUCKET, Column.KEY))


def read(folder: Path, *files: bytes, name: str = "list.csv", **changes: object) -> list[str]:
    """Return the keys of the first rows of files."""
    paths = [folder / f"{number}-{name}" for number in range(len(files))]
    for path, content in zip(paths, files, strict=True):
        path.write_bytes(content)
    of = replace(LIST, files=tuple(find_list_file(str(path)) for path in paths), **changes)  # type: ignore[arg-type]
    return [row.key for row in read_first_rows(of, None, SOURCE)]


def rows(count: int, *, end: str = "") -> bytes:
    return ("".join(f"{SOURCE},{number:08}\n" for number in range(count)) + end).encode()


def test_rows_of_the_first_file_that_has_any(tmp_path: Path) -> None:
    """Empty files are passed over; the last row may have no end of line; other files are not read."""
    assert read(tmp_path, b"", rows(1, end=f"{SOURCE},last"), b"bad") == ["00000000", "last"]
    assert read(tmp_path, b"", b"") == []
    assert read(tmp_path) == []


LONG = rows(1, end=f'{SOURCE},"x{"é" * START_BYTES}"\n')
ENDS: dict[str, tuple[bytes, int]] = {
    "in a row": (rows(10_000), START_BYTES // len(rows(1))),
    "in a quoted cell": (rows(1, end=f'{SOURCE},"a\n' + "\n" * START_BYTES), 1),
    "in a character": (LONG, 1),
}


@pytest.mark.parametrize("name", ["list.csv", "list.csv.gz"])
@pytest.mark.parametrize(("content", "count"), ENDS.values(), ids=ENDS)
def test_a_row_that_is_cut_is_not_wrong(tmp_path: Path, content: bytes, count: int, name: str) -> None:
    """Only so much is read, compressed or not: what the end of it looks like says nothing."""
    found = read(tmp_path, gzip.compress(content) if name.endswith("gz") else content, name=name)
    assert found == [f"{number:08}" for number in range(count)]


def test_a_compressed_file_that_is_cut(tmp_path: Path) -> None:
    """The rows of what was read are unpacked."""
    keys = [f"{random.Random(number).getrandbits(256):064x}" for number in range(10_000)]
    content = gzip.compress("".join(f"{SOURCE},{key}\n" for key in keys).encode())
    assert len(content) > 2 * START_BYTES
    found = read(tmp_path, content, name="list.csv.gz")
    assert found == keys[: len(found)]
    assert len(found) > 100


def test_members_of_a_compressed_file(tmp_path: Path) -> None:
    """A file may be several that were joined: the first one may end in the middle of a row."""
    content = gzip.compress(rows(2, end="cut in the m")) + gzip.compress(b"iddle,x\n")
    assert read(tmp_path, content, name="list.csv.gz") == ["00000000", "00000001"]


WRONG: dict[str, tuple[bytes, str, str]] = {
    "columns": (rows(2, end="a,b,c\n"), "list.csv", ":3: has 3 columns, but from.columns says 2"),
    "another bucket": (b"other,a\n", "list.csv", ":1: the bucket 'other' is not the job's source bucket"),
    "a header": (b"bucket,key\n", "list.csv", ":1: is a row of column names. Set from.header: true"),
    "not text": (b"\xff\n" * START_BYTES, "list.csv", ":1: not UTF-8 text"),
    "compressed, by another name": (gzip.compress(rows(9)), "list.csv", "not UTF-8 text"),
    "not compressed": (rows(1), "list.csv.gz", "is not a valid gzip file"),
    "the last row": (rows(1, end="b"), "list.csv", ":2: has 1 column"),
}


@pytest.mark.parametrize(("content", "name", "words"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_names_file_and_line(tmp_path: Path, content: bytes, name: str, words: str) -> None:
    """The error is about the list, and says where."""
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, content, name=name)
    assert caught.value.code == "InvalidList"
    assert f"{tmp_path}/0-{name}" in caught.value.message
    assert words in caught.value.message


def test_ten_rows_are_enough(tmp_path: Path) -> None:
    """If all rows are wrong, the first ones are named."""
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, b"a\n" * 1_000)
    assert len(caught.value.message.splitlines()) == 10


def test_a_header_is_not_a_row(tmp_path: Path) -> None:
    """If the config says that there is one."""
    assert read(tmp_path, b"Bucket,Key\n" + rows(1), header=True) == ["00000000"]
