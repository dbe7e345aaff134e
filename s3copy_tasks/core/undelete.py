"""Which delete markers a run has left, and which of them still hide the object that it deleted."""

from __future__ import annotations

import csv
import gzip
import zlib
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import unquote

from s3copy_tasks.core.objects import same_etag
from s3copy_tasks.errors import Code, ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from s3copy_tasks.core.store import ListedVersion

NULL = "null"
"""The version of a marker that was written while versioning was not enabled. S3 gives the same to the next
object that is written then, so removing it may delete that object."""
_CLOCKS = timedelta(minutes=1)
"""How far the clocks of the run and of the server may be apart."""


class Restoration(StrEnum):
    """What becomes of an object that a run has deleted. The values are part of the command's JSON."""

    RESTORABLE = "restorable"
    """Its marker is on top of it."""
    RESTORED = "restored"
    WRITTEN_SINCE = "written_since"
    """The key has a newer version or marker: removing the older marker would change nothing."""
    MARKER_GONE = "marker_gone"
    """Another client has removed it."""
    UNCLEAR = "unclear"
    """It is not certain which marker is the run's, or whether removing it is safe."""
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletedObject:
    """An object that a run has deleted, as its results say.

    Attributes:
        key: whole key.
        etag: that it had, with or without quotes.
        marker: version of its delete marker; None if the reply that named it was lost.
        since: when the run's deletes began, by the run's clock.
    """

    key: str
    etag: str
    marker: str | None
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """A delete marker, and what becomes of it.

    Attributes:
        key: that it hides.
        version_id: of the marker; None if it is not known.
        outcome: see there.
        error: why it is unclear, or has failed; empty otherwise.
    """

    key: str
    version_id: str | None
    outcome: Restoration
    error: str = ""


def parse_deleted(content: bytes, where: str, since: datetime) -> Iterator[DeletedObject]:
    """Yield the deleted objects among the rows of a batch of deletes.

    Args:
        content: of the file, compressed.
        where: its address, for messages.
        since: when the batch began.

    Raises:
        ConfigError: the file has other columns, or is no such file.
    """
    try:
        lines = gzip.decompress(content).decode("ascii").splitlines()
        for row in csv.DictReader(lines, strict=True):
            if row["outcome"] == "deleted":
                yield DeletedObject(
                    key=_decode(row["destination_key"]),
                    etag=_decode(row["destination_etag"]),
                    marker=_decode(row["destination_version_id"]) or None,
                    since=since,
                )
    except (AttributeError, EOFError, KeyError, OSError, TypeError, ValueError, csv.Error, zlib.error):
        raise ConfigError(f"{where} is not a file of results", code=Code.INVALID_LIST) from None


def _decode(cell: str) -> str:
    return unquote(cell, errors="surrogatepass")


def judge_marker(deleted: DeletedObject, versions: Sequence[ListedVersion]) -> Marker:
    """Return which marker hides a deleted object, and whether removing it brings exactly that object back.

    Args:
        deleted: the object.
        versions: all that its key has, as they were listed.
    """
    if deleted.marker is None:
        return _find_unnamed(deleted, versions)
    known = [each for each in versions if each.version_id == deleted.marker]
    if not known:
        return Marker(key=deleted.key, version_id=deleted.marker, outcome=Restoration.MARKER_GONE)
    return judge_listed(known[0])


def judge_listed(version: ListedVersion) -> Marker:
    """Return whether a version is a marker that hides its key, and can be removed without any risk."""
    outcome, error = Restoration.RESTORABLE, ""
    if not (version.is_latest and version.is_marker):
        outcome = Restoration.WRITTEN_SINCE
    elif version.version_id == NULL:
        outcome, error = Restoration.UNCLEAR, "versioning was not enabled when the marker was written"
    return Marker(key=version.key, version_id=version.version_id, outcome=outcome, error=error)


def _find_unnamed(deleted: DeletedObject, versions: Sequence[ListedVersion]) -> Marker:
    """Return the marker of an object whose delete was not answered: the only one since, right above it."""
    since = deleted.since - _CLOCKS
    latest = next((each for each in versions if each.is_latest), None)
    if latest is not None and not latest.is_marker:
        return Marker(key=deleted.key, version_id=None, outcome=Restoration.WRITTEN_SINCE)
    markers = [each for each in versions if each.is_marker and each.last_modified >= since]
    newest = next((each for each in versions if not each.is_marker), None)
    if newest is not None and same_etag(newest.etag, deleted.etag) and markers == [latest]:
        return judge_listed(markers[0])
    error = "S3 did not confirm the delete, and the versions do not show which marker is the run's"
    return Marker(key=deleted.key, version_id=None, outcome=Restoration.UNCLEAR, error=error)
