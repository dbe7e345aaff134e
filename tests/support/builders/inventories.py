"""Inventories as S3 writes them: data files, manifest.json, and manifest.checksum at last."""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus

from tests.support.s3.memory import DAY_ONE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

FOLDER = "inventories/science/daily/"
DATED = f"{FOLDER}2026-01-01T01-00Z/"
CURRENT = ("Bucket", "Key", "Size", "LastModifiedDate", "ETag", "StorageClass")
"""Fields of an inventory of current objects."""
ALL_VERSIONS = ("Bucket", "Key", "VersionId", "IsLatest", "IsDeleteMarker", "Size", "ETag", "StorageClass")


def make_row(bucket: str, key: str, content: bytes = b"x", **fields: str) -> dict[str, str]:
    """Return an object as a row of an inventory."""
    return {
        "Bucket": bucket,
        "Key": quote_plus(key, safe="/"),
        "Size": str(len(content)),
        "LastModifiedDate": f"{DAY_ONE:%Y-%m-%dT%H:%M:%S}.000Z",
        "ETag": hashlib.md5(content).hexdigest(),
        "StorageClass": "STANDARD",
        "VersionId": "",
        "IsLatest": "true",
        "IsDeleteMarker": "false",
    } | fields


def make_inventory(
    files: Iterable[Sequence[dict[str, str]]],
    /,
    *,
    source_bucket: str,
    fields: Sequence[str] = CURRENT,
    made: datetime = DAY_ONE,
    dated: str = DATED,
    **changes: Any,
) -> dict[str, bytes]:
    """Return the objects of an inventory by key.

    Args:
        files: the rows of each data file.
        source_bucket: that it lists.
        fields: of each row.
        made: when S3 began to make it.
        dated: its own folder.
        changes: of manifest.json.
    """
    data = {
        f"{FOLDER}data/{dated[len(FOLDER) : -1]}-{number}.csv.gz": gzip.compress(_write_csv(rows, fields))
        for number, rows in enumerate(files)
    }
    manifest = {
        "sourceBucket": source_bucket,
        "destinationBucket": "arn:aws:s3:::lists",
        "version": "2016-11-30",
        "creationTimestamp": str(int(made.timestamp() * 1_000)),
        "fileFormat": "CSV",
        "fileSchema": ", ".join(fields),
        "files": [
            {"key": key, "size": len(content), "MD5checksum": hashlib.md5(content).hexdigest()}
            for key, content in data.items()
        ],
    }
    text = json.dumps(manifest | changes).encode()
    checksum = hashlib.md5(text).hexdigest().encode() + b"\n"
    return data | {f"{dated}manifest.json": text, f"{dated}manifest.checksum": checksum}


def _write_csv(rows: Sequence[dict[str, str]], fields: Sequence[str]) -> bytes:
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(
        [row[field] for field in fields] for row in rows
    )
    return text.getvalue().encode()
