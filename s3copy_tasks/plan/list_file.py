"""Reads a file of a list as a stream: a range of it, unpacked if it is compressed."""

from __future__ import annotations

import asyncio
import io
import zlib
from concurrent.futures import CancelledError
from contextlib import closing
from gzip import BadGzipFile, GzipFile
from typing import TYPE_CHECKING, Protocol

from s3copy_tasks.core.key_list import FIRST_READ_BYTES, READ_BYTES
from s3copy_tasks.engine.loop import event_loop
from s3copy_tasks.errors import Code, ConditionError, ConfigError, MissingError

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator
    from concurrent.futures import Future
    from typing import Any

    from s3copy_tasks.core.key_list import KeyList, ListFile
    from s3copy_tasks.core.objects import S3Object

_BLOCK_BYTES = 2**20


class ReadsBytes(Protocol):
    """Reads a range of a file that still has its ETag."""

    def get_bytes(self, source: S3Object, first_byte: int, last_byte: int) -> Coroutine[Any, Any, bytes]:
        """Return the range, both bytes inclusive."""


class ListBlocks:
    """The content of a list's file in blocks, from one position up to another; it is read once.

    Args:
        store: has the file.
        of: the list.
        file: of the list.
        after: the position from which on blocks are yielded, in the unpacked file.
        through: the position where they end; None means the end of the file.
    """

    def __init__(
        self, store: ReadsBytes, of: KeyList, file: ListFile, after: int = 0, through: int | None = None
    ) -> None:
        self._of, self._file = of, file
        self._after, self._through = after, through
        is_whole = file.is_compressed
        end = file.size if is_whole or through is None else through
        self._raw = _RawFile(store, of.pin(file), 0 if is_whole else after, end)

    def begin(self) -> None:
        """Request the first bytes; then either iterate or `close`."""
        self._raw.request_next()

    def close(self) -> None:
        """Stop reading."""
        self._raw.close()

    def __iter__(self) -> Iterator[bytes]:
        """Yield the blocks.

        Raises:
            ConfigError: the file has changed since preflight, or is not what its name says.
            CopyError: it can't be read.
        """
        where = self._of.describe(self._file)
        try:
            yield from self._read()
        except ConditionError as error:
            msg = f"the list {where} has changed since this run began. Clear the run from preflight"
            raise ConfigError(msg, code=Code.LIST_CHANGED) from error
        except MissingError as error:
            raise MissingError(f"the list {where} is gone since this run began", code=error.code) from error
        except (BadGzipFile, EOFError, zlib.error) as error:
            msg = f"the list {where} is not a valid gzip file: {error}"
            raise ConfigError(msg, code=Code.INVALID_LIST) from None

    def _read(self) -> Iterator[bytes]:
        with closing(self._raw):
            is_compressed = self._file.is_compressed
            unpacked = GzipFile(fileobj=io.BufferedReader(self._raw)) if is_compressed else self._raw
            position = 0 if is_compressed else self._after
            while self._through is None or position < self._through:
                block = unpacked.read(_BLOCK_BYTES)
                if not block:
                    return
                start, position = position, position + len(block)
                first = max(self._after - start, 0)
                last = len(block) if self._through is None else min(self._through - start, len(block))
                if first < last:
                    yield block[first:last]


class _RawFile(io.RawIOBase):
    """A range of a file, requested block by block, one ahead of the reader."""

    def __init__(self, store: ReadsBytes, pinned: S3Object, first: int, end: int) -> None:
        self._store = store
        self._pinned = pinned
        self._first = self._next = first
        self._end = end
        self._waiting: Future[bytes] | None = None
        self._block = memoryview(b"")

    def request_next(self) -> None:
        if self._waiting is None and self._next < self._end:
            size = FIRST_READ_BYTES if self._next == self._first else READ_BYTES
            last = min(self._next + size, self._end) - 1
            call = self._store.get_bytes(self._pinned, self._next, last)
            self._waiting = asyncio.run_coroutine_threadsafe(call, event_loop())
            self._next = last + 1

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        if not self._block:
            self.request_next()
            waiting, self._waiting = self._waiting, None
            if waiting is None:
                return 0
            try:
                self._block = memoryview(waiting.result())
            except CancelledError:
                raise InterruptedError("reading the list was stopped") from None
            self.request_next()
        size = min(len(buffer), len(self._block))
        buffer[:size] = self._block[:size]
        self._block = self._block[size:]
        return size

    def close(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None
        super().close()
