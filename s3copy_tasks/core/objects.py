"""An object of a bucket, and the decisions that are possible for it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

_MD5 = re.compile(r'"?[0-9a-fA-F]{32}(-[1-9][0-9]{0,4})?"?')
_WEAK = "W/"
UNKNOWN_ETAG = "unknown"
"""Of an object that a list names without its ETag."""


@dataclass(slots=True, kw_only=True)
class S3Object:
    """An object as a listing or a HEAD returns it.

    Never changed after it is made. It is not frozen, because that would double the cost of making one.

    Attributes:
        bucket: the bucket's name.
        key: the whole key, decoded.
        size: bytes.
        last_modified: S3's date of the object; for a multipart upload, when the upload started.
        etag: with or without quotes; `-N` at its end says that N parts were uploaded.
        storage_class: as listed; S3 omits STANDARD in the reply to a HEAD.
        metadata: user metadata; None if it was not requested (a listing has none).
        is_archived: it must be restored before it can be read.
        version_id: the version that was requested; None means the current one.

    Raises:
        ValueError: a field breaks the rules above.

    Example:
        >>> from datetime import UTC, datetime
        >>> moment = datetime(2026, 1, 31, tzinfo=UTC)
        >>> found = S3Object(
        ...     bucket="science", key="daily/a.nc", size=10, last_modified=moment, etag="0" * 32 + "-2"
        ... )
        >>> found.is_multipart
        True
    """

    bucket: str
    key: str
    size: int
    last_modified: datetime
    etag: str
    storage_class: str = "STANDARD"
    metadata: Mapping[str, str] | None = None
    is_archived: bool = False
    version_id: str | None = None

    def __post_init__(self) -> None:
        if not self.bucket or not self.key:
            msg = "an object needs a bucket and a key"
            raise ValueError(msg)
        if self.size < 0:
            msg = f"an object's size is at least 0, not {self.size}"
            raise ValueError(msg)
        if self.last_modified.tzinfo is None:
            msg = "last_modified needs a time zone"
            raise ValueError(msg)
        self._check_etag()

    def _check_etag(self) -> None:
        if not is_md5(self.etag):
            msg = f"not a valid S3 ETag: {self.etag!r}"
            raise ValueError(msg)

    @property
    def is_multipart(self) -> bool:
        """Whether the object was uploaded in parts: it is then dated at the upload's start."""
        return "-" in self.etag and is_md5(self.etag)


@dataclass(slots=True, kw_only=True)
class ForeignObject(S3Object):
    """An object of a server whose ETags have another form than S3's: they only change with the object."""

    def _check_etag(self) -> None:
        if not self.etag.strip('"'):
            msg = "an object needs an ETag"
            raise ValueError(msg)


def is_md5(etag: str) -> bool:
    """Say whether an ETag has S3's form: equal ones of two objects prove equal content (rule 13)."""
    return _MD5.fullmatch(etag) is not None


def is_weak(etag: str) -> bool:
    """Say whether an ETag is weak: no precondition can name it (RFC 9110, section 13.1.1)."""
    return etag.startswith(_WEAK)


def same_etag(one: str, other: str) -> bool:
    """Say whether two ETags of one object are equal: a server may write it in several ways."""
    return one == other or _bare(one) == _bare(other)


def _bare(etag: str) -> str:
    return etag.removeprefix(_WEAK).strip('"')


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectDetails:
    """What a HEAD adds to a listed object: what a multipart copy has to set on the copy itself.

    Attributes:
        object: the object.
        headers: S3 parameter name to text, such as ContentType and Expires, as S3 stores it: an Expires may
            not be a date.
        checksums: algorithm to base64 checksum, of the full object only (composite ones can't be
            compared with an object in other parts).
        tag_count: number of tags.
    """

    object: S3Object
    headers: Mapping[str, str] = field(default_factory=dict)
    checksums: Mapping[str, str] = field(default_factory=dict)
    tag_count: int = 0


class SkipReason(StrEnum):
    """Why an object that was found is not copied. The values are part of the metrics."""

    UNCHANGED = "unchanged"
    EXISTS = "exists"
    EXCLUDED = "excluded"
    NOT_INCLUDED = "not_included"
    NOT_MODIFIED_SINCE = "not_modified_since"
    ARCHIVED = "archived"
    OUT_OF_SCOPE = "out_of_scope"
    """A list names it, and it is below no prefix of the job."""
    REMOVAL_EVENT = "removal_event"
    """A message of a queue says that the object was removed: nothing is copied."""
    FOLDER_MARKER = "folder_marker"
    """The object whose key equals the source prefix, if its copy would have an empty key."""
    DRY_RUN = "dry_run"


LEFT_OUT = frozenset(
    {
        SkipReason.EXCLUDED,
        SkipReason.FOLDER_MARKER,
        SkipReason.NOT_INCLUDED,
        SkipReason.NOT_MODIFIED_SINCE,
        SkipReason.OUT_OF_SCOPE,
        SkipReason.REMOVAL_EVENT,
    }
)
"""Reasons that exclude an object from a job, whatever the destination has."""


class Action(Enum):
    """What to do with an object that is not skipped."""

    COPY = "copy"
    COMPARE = "compare"
    """Only a HEAD of both sides can show whether it changed (rule 12: the source is multipart)."""
    COPIED_EARLIER = "copied_earlier"
    """An earlier attempt of the same batch copied it."""
    CHECK = "check"
    """A list names the object, and does not say enough: HEADs have to show what it is."""
    UNSEEN = "unseen"
    """A single object that was gone, or whose HEAD failed: its batch checks again, and counts it."""
    ARCHIVED = "archived"
    """The object would have to be restored first: it fails without a request (rule 10)."""
    KEY_TOO_LONG = "key_too_long"
    """The destination key is longer than S3 allows: it fails without a request."""


Decision: TypeAlias = Action | SkipReason
