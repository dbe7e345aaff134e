"""Lists of keys: their text, and what preflight finds of them."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from s3copy_tasks.core.key_list import FAILED_COLUMNS, KeyList, ListFile
from s3copy_tasks.core.location import Location

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.support.s3.memory import MemoryServer

LISTS = "the-lists"


def encode_key(key: str) -> str:
    """Return a key as S3's own lists write it."""
    return quote(key, errors="surrogatepass")


def make_rows(rows: Iterable[Sequence[object]], *, line_end: str = "\n", quoted: bool = False) -> bytes:
    """Return rows as CSV, with all cells in quotes if asked for."""
    text = io.StringIO()
    quoting: Any = csv.QUOTE_ALL if quoted else csv.QUOTE_MINIMAL
    csv.writer(text, lineterminator=line_end, quoting=quoting).writerows(rows)
    return text.getvalue().encode("utf-8", "surrogatepass")


def make_list(*files: ListFile, columns: Sequence[str] = FAILED_COLUMNS, **changes: Any) -> KeyList:
    """Return a list in the bucket of lists, with its files."""
    key = files[0].key if files else "list.csv"
    values: dict[str, Any] = {
        "location": Location(bucket=LISTS),
        "key": key,
        "files": files,
        "columns": tuple(columns),
    }
    return KeyList(**(values | changes))


def put_list(server: MemoryServer, key: str, content: bytes) -> ListFile:
    """Write a file of a list to a server, and return it as preflight finds it."""
    server.buckets.setdefault(LISTS, {})
    stored = server.put(LISTS, key, content)
    return ListFile(key=key, size=len(content), etag=stored.etag)
