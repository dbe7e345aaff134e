"""A row for each object of a run, as CSV that needs no quotes: see docs/results.md for the format."""

from __future__ import annotations

import re
import zlib
from threading import Lock
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import quote

from s3copy_tasks.core.objects import UNKNOWN_ETAG, is_md5
from s3copy_tasks.core.verify import Confirmation, Copied

if TYPE_CHECKING:
    from collections.abc import Iterable

    from s3copy_tasks.core.decide import Found
    from s3copy_tasks.core.objects import S3Object, SkipReason
    from s3copy_tasks.errors import CopyError

COLUMNS = (
    "key",
    "destination_key",
    "version_id",
    "destination_version_id",
    "etag",
    "destination_etag",
    "size",
    "outcome",
    "reason",
    "verified",
    "attempts",
    "request_id",
)
HEADER = ",".join(COLUMNS) + "\n"
_SAFE_CELL = "(?!-)[A-Za-z0-9._~/-]*"
_SAFE_ROW = re.compile(f"{_SAFE_CELL}(?:,{_SAFE_CELL})*")
_ROWS_AT_ONCE = 1_000
_LEVEL = 1
_GZIP = 31
"""The window of zlib that makes gzip."""

_NOTHING = Confirmation(etag=None)

Settled: TypeAlias = "Found | Copied"
"""An object with an outcome."""


def encode_cell(text: str) -> str:
    """Percent-encode a text, unless all of it is safe: no reader of CSV and no spreadsheet changes it.

    Letters, digits and `._~/-` are safe; a `-` at the start is not. `urllib.parse.unquote` decodes it, with
    `errors="surrogatepass"` for what is not UTF-8.
    """
    encoded = quote(text, safe="/~", errors="surrogatepass")
    return f"%2D{encoded[1:]}" if encoded.startswith("-") else encoded


def join_cells(cells: tuple[str, ...]) -> str:
    """Return a row of CSV, each cell encoded; one check for all cells, because nearly all are safe."""
    row = ",".join(cells)
    if row.count(",") != len(cells) - 1 or _SAFE_ROW.fullmatch(row) is None:
        row = ",".join(map(encode_cell, cells))
    return f"{row}\n"


def describe_copied(copied: Copied, *, is_verified: bool) -> str:
    """Return the row of an object that is at the destination."""
    return _describe(
        copied,
        "copied",
        reason="earlier" if copied.earlier else "",
        there=copied.confirmed,
        verified="true" if is_verified else "false",
    )


def describe_skipped(found: Found, reason: SkipReason) -> str:
    """Return the row of an object that needs no copy."""
    there = _NOTHING if found.replaces is None else Confirmation(etag=found.replaces.etag)
    return _describe(found, "skipped", reason=reason, there=there)


def describe_failed(failed: Settled, error: CopyError) -> str:
    """Return the row of an object that could not be copied, or whose copy differs from it."""
    there = (
        failed.confirmed
        if isinstance(failed, Copied)
        else Confirmation(etag=None, request_id=error.request_id)
    )
    return _describe(failed, "failed", reason=error.code, there=there, attempts=str(error.attempts))


def describe_vanished(found: Found) -> str:
    """Return the row of an object that is gone."""
    return _describe(found, "vanished")


def describe_delete(found: S3Object, outcome: str, reason: str = "", marker: str | None = None) -> str:
    """Return the row of an extraneous object, which has no source key.

    Args:
        found: as the destination listed it.
        outcome: `deleted`, `kept`, `gone` or `failed`.
        reason: why it was kept, or the code it failed with.
        marker: version of its delete marker.
    """
    etag = found.etag.strip('"')
    return join_cells(
        ("", found.key, "", marker or "", "", etag, str(found.size), outcome, reason, "", "", "")
    )


def describe_to_retry(bucket: str, failed: Settled) -> str:
    """Return the row of a failed object for a list of keys: see `FAILED_COLUMNS`.

    What such a list can't say of an object, because it is not encoded there, is left out: a run that reads it
    sends a HEAD.
    """
    source = failed.source
    etag = "" if source is None or not is_md5(source.etag) else source.etag.strip('"')
    size, storage_class = ("", "") if source is None else (str(source.size), source.storage_class)
    cells = join_cells((failed.source_key, failed.version_id or "", etag, size, storage_class, failed.key))
    return f"{bucket},{cells}"


def _describe(
    settled: Settled,
    outcome: str,
    *,
    reason: str = "",
    there: Confirmation = _NOTHING,
    verified: str = "",
    attempts: str = "",
) -> str:
    """Return a row; `there` is what is known of the destination's object."""
    etag, size = _describe_content(settled.source)
    return join_cells(
        (
            settled.source_key,
            settled.key,
            settled.version_id or "",
            there.version_id or "",
            etag,
            there.etag.strip('"') if there.etag else "",
            size,
            outcome,
            reason,
            verified,
            attempts,
            there.request_id or "",
        )
    )


def _describe_content(source: S3Object | None) -> tuple[str, str]:
    """Return ETag and size of a source; empty for what a list does not say."""
    if source is None or (source.etag == UNKNOWN_ETAG and not source.size):
        return "", ""
    return "" if source.etag == UNKNOWN_ETAG else source.etag.strip('"'), str(source.size)


class PackedRows:
    """Rows that are compressed as they arrive, some 50 bytes for each; safe to use from many threads.

    Args:
        rows: the first ones.
    """

    def __init__(self, rows: Iterable[str] = ()) -> None:
        self._zip = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
        self._packed: list[bytes] = []
        self._waiting = list(rows)
        self._lock = Lock()

    def add(self, row: str) -> None:
        """Add a row."""
        with self._lock:
            self._waiting.append(row)
            if len(self._waiting) >= _ROWS_AT_ONCE:
                self._pack()

    def finish(self) -> bytes:
        """Return all rows as one member of a gzip file; nothing may be added afterwards."""
        with self._lock:
            self._pack()
            return b"".join((*self._packed, self._zip.flush()))

    def _pack(self) -> None:
        self._packed.append(self._zip.compress("".join(self._waiting).encode("ascii")))
        self._waiting.clear()


def pack_rows(rows: Iterable[str]) -> bytes:
    """Return rows as one member of a gzip file."""
    return PackedRows(rows).finish()
