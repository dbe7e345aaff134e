"""The manifest.json of an S3 Inventory: which files it has, and what their columns hold.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from s3copy_tasks.core.key_list import Column
from s3copy_tasks.core.text import printable

_COLUMNS = {
    "Bucket": Column.BUCKET,
    "Key": Column.KEY,
    "IsLatest": Column.IS_LATEST,
    "IsDeleteMarker": Column.IS_DELETE_MARKER,
    "Size": Column.SIZE,
    "LastModifiedDate": Column.LAST_MODIFIED,
    "ETag": Column.ETAG,
    "StorageClass": Column.STORAGE_CLASS,
}
"""Of the fields of an inventory. All others are ignored, also VersionId: only what is current is copied."""
_FORMAT = "CSV"


class InventoryError(ValueError):
    """A manifest.json that can't be used; the message says why, and what would fix it."""


class InventoryFile(NamedTuple):
    """A file of an inventory.

    Attributes:
        key: whole, in the bucket that has the manifest.json.
        size: bytes.
    """

    key: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """What a manifest.json says.

    Attributes:
        source_bucket: whose objects the inventory has.
        columns: of each row.
        made: when S3 began to make it: it has no later changes.
        files: in its order.
    """

    source_bucket: str
    columns: tuple[Column, ...]
    made: datetime
    files: tuple[InventoryFile, ...]


def parse_inventory(manifest: bytes, checksum: bytes) -> Inventory:
    """Return what a manifest.json says.

    Args:
        manifest: content of manifest.json.
        checksum: content of manifest.checksum: the MD5 of manifest.json.

    Raises:
        InventoryError: the checksum differs, the files are not CSV, or have no keys.
    """
    if checksum.strip().lower().decode("ascii", "replace") != _md5(manifest):
        raise InventoryError("is not what manifest.checksum describes: it was changed, or not fully written")
    try:
        said: dict[str, Any] = json.loads(manifest)
        file_format, schema = str(said["fileFormat"]), str(said["fileSchema"])
        source_bucket = str(said["sourceBucket"])
        made = datetime.fromtimestamp(int(said["creationTimestamp"]) / 1_000, UTC)
        files = tuple(InventoryFile(_check_key(file["key"]), int(file["size"])) for file in said["files"])
    except (ValueError, TypeError, KeyError, OverflowError, OSError) as error:
        msg = f"is not the manifest of an inventory ({type(error).__name__}: {printable(str(error))})"
        raise InventoryError(msg) from None
    if file_format != _FORMAT:
        msg = f"the format of the inventory is {printable(file_format)}. Configure the inventory as CSV"
        raise InventoryError(msg)
    return Inventory(source_bucket=source_bucket, columns=_parse_schema(schema), made=made, files=files)


def _check_key(key: object) -> str:
    if not isinstance(key, str) or not key:
        raise ValueError("a file has no key")
    return key


def _md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def _parse_schema(schema: str) -> tuple[Column, ...]:
    columns = tuple(_COLUMNS.get(name.strip(), Column.IGNORED) for name in schema.split(","))
    if Column.KEY not in columns:
        raise InventoryError(f"the inventory has no field Key, but only {printable(schema)}")
    return columns
