"""Lists that are files of this machine, for the command line."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

from s3copy_tasks.core.key_list import ListFile
from s3copy_tasks.errors import Code, ConditionError, ConfigError

if TYPE_CHECKING:
    from os import stat_result

    from s3copy_tasks.core.objects import S3Object


class LocalFiles:
    """Reads files of this machine as a bucket is read."""

    async def get_bytes(self, source: S3Object, first_byte: int, last_byte: int) -> bytes:
        """Return a range of a file, both bytes inclusive.

        Raises:
            ConditionError: the file has changed since `find_list_file`.
            ConfigError: it can't be read.
        """
        return await asyncio.to_thread(_read, source, first_byte, last_byte)


def find_list_file(path: str) -> ListFile:
    """Return a file as a list has it.

    Raises:
        ConfigError: there is no such file.
    """
    try:
        found = Path(path).stat()
    except OSError as error:
        raise _unreadable(path, error) from None
    if not Path(path).is_file():
        raise ConfigError(f"the list {path} is not a file", code=Code.INVALID_LIST)
    return ListFile(key=path, size=found.st_size, etag=_make_etag(found))


def _read(source: S3Object, first_byte: int, last_byte: int) -> bytes:
    try:
        with Path(source.key).open("rb") as file:
            file.seek(first_byte)
            content = file.read(last_byte - first_byte + 1)
            now = Path(source.key).stat()
    except OSError as error:
        raise _unreadable(source.key, error) from None
    if _make_etag(now) != source.etag:
        raise ConditionError(f"{source.key} has changed", code="PreconditionFailed")
    return content


def _make_etag(found: stat_result) -> str:
    return f"{found.st_mtime_ns}-{found.st_size}"


def _unreadable(path: str, error: OSError) -> ConfigError:
    return ConfigError(f"the list {path} can't be read: {error.strerror}", code=Code.INVALID_LIST)
