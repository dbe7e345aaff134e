"""Lists of keys as input: a manifest or an inventory, and which of its files a run reads."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from s3copy_tasks.core.location import Location
from s3copy_tasks.core.objects import ForeignObject, S3Object

if TYPE_CHECKING:
    from collections.abc import Sequence

FIRST_READ_BYTES, READ_BYTES = 2**20, 8 * 2**20
"""Bytes of the requests that read a list. The first ones of many files may be sent together."""


class Column(StrEnum):
    """What a column of a list holds. The values are part of the config format."""

    BUCKET = "bucket"
    """Must be the job's source bucket."""
    KEY = "key"
    VERSION = "version"
    """Version to copy; empty means the current one."""
    ETAG = "etag"
    SIZE = "size"
    """Bytes."""
    DESTINATION = "destination"
    """Key of the copy; says which entry of the job is meant, where several could copy the key."""
    IGNORED = "ignored"
    LAST_MODIFIED = "last_modified"
    STORAGE_CLASS = "storage_class"
    IS_LATEST = "is_latest"
    """Only in inventories, as the next one."""
    IS_DELETE_MARKER = "is_delete_marker"


_OF_INVENTORIES = {Column.IS_LATEST, Column.IS_DELETE_MARKER}
MANIFEST_COLUMNS = tuple(column for column in Column if column not in _OF_INVENTORIES)
"""What the columns of a manifest may hold."""
FAILED_COLUMNS = (
    Column.BUCKET,
    Column.KEY,
    Column.VERSION,
    Column.ETAG,
    Column.SIZE,
    Column.STORAGE_CLASS,
    Column.DESTINATION,
)
"""Of the lists of failed objects that a run writes, and of a manifest by default."""

_NO_DATE = datetime.fromtimestamp(0, UTC)


def find_columns_problem(columns: Sequence[object]) -> str | None:
    """Return why these can't be the columns of a manifest; None if they can."""
    unknown = [column for column in columns if column not in MANIFEST_COLUMNS]
    if unknown:
        return f"unknown column {unknown[0]!r}. Columns: {', '.join(MANIFEST_COLUMNS)}"
    if Column.KEY not in columns:
        return "needs 'key': the column that holds the keys"
    twice = [name for name, count in Counter(columns).items() if count > 1 and name != Column.IGNORED]
    return f"has {twice[0]!r} twice. Write 'ignored' for a column that is not read" if twice else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListFile:
    """A file of a list, as preflight found it.

    Attributes:
        key: of the file; for a file of this machine, its path.
        size: bytes.
        etag: pins the content: a file that changes while the run reads it is refused.
    """

    key: str
    size: int
    etag: str

    @property
    def is_compressed(self) -> bool:
        """Whether it has to be unpacked."""
        return self.key.endswith(".gz")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyList:
    """Where a run finds the keys that it copies, instead of listing its prefixes.

    Attributes:
        location: the bucket of the list; None for a file of this machine.
        key: of the only file, or a prefix of several; or the folder of an inventory.
        columns: what each column of a row holds, in order; of an inventory, known once preflight read it.
        url_encoded: keys are percent-encoded, with `+` for a space, as S3's own lists are.
        header: the first row of each file holds names.
        inventory: the list is an S3 Inventory.
        max_age_seconds: of an inventory; None means any.
        files: found by preflight.
        made: when S3 made the inventory; None for a manifest.
    """

    location: Location | None
    key: str
    columns: tuple[Column, ...] = FAILED_COLUMNS
    url_encoded: bool = True
    header: bool = False
    inventory: bool = False
    max_age_seconds: int | None = None
    files: tuple[ListFile, ...] = ()
    made: datetime | None = None

    @property
    def names_destinations(self) -> bool:
        """Whether rows say which key a copy has."""
        return not self.inventory and Column.DESTINATION in self.columns

    @property
    def items(self) -> str:
        """What names the keys, for messages."""
        return "rows of a list"

    def __str__(self) -> str:
        return self.key if self.location is None else f"{self.location}/{self.key}"

    @property
    def is_prefix(self) -> bool:
        """Whether the key is that of all files below it."""
        return self.location is not None and (not self.key or self.key.endswith("/"))

    def describe(self, file: ListFile) -> str:
        """Return the address of a file, for messages."""
        return file.key if self.location is None else f"{self.location}/{file.key}"

    def pin(self, file: ListFile) -> S3Object:
        """Return a file as an object: a read of it fails if its ETag has changed."""
        bucket = "list" if self.location is None else self.location.bucket
        return ForeignObject(
            bucket=bucket, key=file.key, size=file.size, last_modified=_NO_DATE, etag=file.etag
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultsPlace:
    """Where a run writes a row for each object.

    Attributes:
        location: the bucket.
        prefix: of all keys, empty or ending in "/".
    """

    location: Location
    prefix: str

    def name_folder(self, job: str) -> str:
        """Return the prefix of all results of a job."""
        return f"{self.prefix}{job}/"

    def __str__(self) -> str:
        return f"{self.location}/{self.prefix}"
