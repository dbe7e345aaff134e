"""Finds the newest inventory of a folder to which S3 writes them, each in a folder of its own.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/storage-inventory-location.html
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from s3copy_tasks.core.bucket_names import is_access_point, is_alias
from s3copy_tasks.core.inventory import InventoryError, parse_inventory
from s3copy_tasks.core.key_list import ListFile
from s3copy_tasks.core.text import describe_duration
from s3copy_tasks.errors import Code, ConfigError, MissingError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from s3copy_tasks.core.inventory import Inventory
    from s3copy_tasks.core.key_list import KeyList
    from s3copy_tasks.core.objects import S3Object
    from s3copy_tasks.preflight.list_bucket import ListBucket

_MANIFEST, _CHECKSUM = "manifest.json", "manifest.checksum"
_DATED = re.compile(r"(\d{4}-\d{2}-\d{2}T\d{2}-\d{2}Z/)(manifest\.(?:json|checksum))")
_CENTURY = "2"
"""Dated folders begin with it; `data/`, which has most of the keys, does not, and so is not listed."""
_SHOWN = 10


class _Newest(NamedTuple):
    """The newest inventory that is complete.

    Attributes:
        folder: its key, ending in "/".
        manifest: its manifest.json.
        checksum: its manifest.checksum.
        unfinished: folders that are newer.
        server_time: None if the server does not say.
    """

    folder: str
    manifest: S3Object
    checksum: S3Object
    unfinished: list[str]
    server_time: datetime | None


def find_inventory(
    of: KeyList, bucket: ListBucket, source_bucket: str, clock: Callable[[], datetime]
) -> tuple[KeyList, list[str]]:
    """Return a list with the files of its newest inventory, and remarks: how old it is, for one.

    Args:
        of: the list, an inventory.
        bucket: of the list.
        source_bucket: of the job.
        clock: of this machine.

    Raises:
        MissingError: no inventory is complete, or a file of the newest one is gone.
        ConfigError: the inventory is too old, or is not one that the job can use.
        CopyError: a request failed.
    """
    newest = _find_newest(of, bucket)
    where = f"{of.location}/{newest.folder}"
    manifest, checksum = bucket.read([newest.manifest, newest.checksum], allowed_keys=f"{of.key}*")
    try:
        said = parse_inventory(manifest, checksum)
    except InventoryError as error:
        raise ConfigError(f"{where}{_MANIFEST}: {error}", code=Code.INVALID_LIST) from None
    _check_source(said, source_bucket, where)
    age_seconds = int(((newest.server_time or clock()) - said.made).total_seconds())
    _check_age(of, age_seconds, where)
    files = _pin_files(of, bucket, said, where)
    age = describe_duration(max(age_seconds, 0))
    remarks = [
        f"the inventory {where} is {age} old: what was written since then is not in it",
        *(f"{of.location}/{folder} is passed over: it is not complete yet" for folder in newest.unfinished),
    ]
    return replace(of, columns=said.columns, made=said.made, files=files), remarks


def _find_newest(of: KeyList, bucket: ListBucket) -> _Newest:
    """Return the newest inventory that has both files; S3 writes manifest.checksum last."""
    found: dict[str, dict[str, S3Object]] = {}
    server_time = None
    for page in bucket.list_pages(of.key + _CENTURY, allowed_prefix=of.key):
        server_time = page.server_time
        for listed in page.objects:
            match = _DATED.fullmatch(listed.key, len(of.key))
            if match is not None:
                found.setdefault(of.key + match[1], {})[match[2]] = listed
    complete = [folder for folder, parts in found.items() if len(parts) == len((_MANIFEST, _CHECKSUM))]
    if not complete:
        msg = (
            f"no complete inventory below {of}: none of its folders, such as 2026-01-31T01-00Z/, has a "
            f"{_CHECKSUM}. Check from.inventory; S3 delivers the first inventory within 48 hours"
        )
        raise MissingError(msg, code=Code.NOTHING_FOUND)
    newest = max(complete)
    unfinished = sorted(folder for folder in found if folder > newest)
    return _Newest(newest, found[newest][_MANIFEST], found[newest][_CHECKSUM], unfinished, server_time)


def _check_source(said: Inventory, source_bucket: str, where: str) -> None:
    if is_access_point(source_bucket) or is_alias(source_bucket):  # the inventory has the bucket's own name
        return
    if said.source_bucket != source_bucket:
        msg = (
            f"the inventory {where} lists the bucket {said.source_bucket!r}, and the job's source is "
            f"{source_bucket!r}"
        )
        raise ConfigError(msg, code=Code.INVALID_LIST)


def _check_age(of: KeyList, age_seconds: int, where: str) -> None:
    limit = of.max_age_seconds
    if limit is None or age_seconds <= limit:
        return
    msg = (
        f"the inventory {where} is {describe_duration(age_seconds)} old, and from.max_age is "
        f"{describe_duration(limit)}. Check that S3 still delivers inventories there, or raise from.max_age"
    )
    raise ConfigError(msg, code=Code.LIST_TOO_OLD)


def _pin_files(of: KeyList, bucket: ListBucket, said: Inventory, where: str) -> tuple[ListFile, ...]:
    """Head each file: only its ETag can pin it."""
    heads = bucket.head([file.key for file in said.files], allowed_keys=f"{of.key}*")
    gone = [file.key for file, head in zip(said.files, heads, strict=True) if head is None]
    if gone:
        msg = (
            f"{_name_files(of, gone)}: named in {where}{_MANIFEST}, but does not exist. Check that no "
            "lifecycle rule removes files of the newest inventory"
        )
        raise MissingError(msg, code=Code.NOTHING_FOUND)
    pinned = tuple(ListFile(key=head.key, size=head.size, etag=head.etag) for head in filter(None, heads))
    changed = [file.key for file, head in zip(said.files, pinned, strict=True) if file.size != head.size]
    if changed:
        msg = f"{_name_files(of, changed)}: not of the size that {where}{_MANIFEST} says"
        raise ConfigError(msg, code=Code.INVALID_LIST)
    return pinned


def _name_files(of: KeyList, keys: Sequence[str]) -> str:
    more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
    return ", ".join(f"{of.location}/{key}" for key in keys[:_SHOWN]) + more
