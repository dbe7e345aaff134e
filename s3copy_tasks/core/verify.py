"""What S3 confirmed about a copy, and whether that matches the source (rule 13)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from s3copy_tasks.core.objects import is_md5, same_etag

if TYPE_CHECKING:
    from s3copy_tasks.core.job import EntryId
    from s3copy_tasks.core.objects import S3Object, SkipReason
    from s3copy_tasks.errors import CopyError


@dataclass(slots=True, kw_only=True)
class Confirmation:
    """The reply to a copy or to the completion of a multipart copy. Never changed: see `S3Object`.

    Attributes:
        etag: of the new object; None if the reply was lost, and a check found the object.
        checksums: algorithm to base64 checksum, of the full object only.
        version_id: of the new object; None if the bucket has no versions.
        request_id: S3's, which AWS's support asks for; None if the server sends none.
    """

    etag: str | None
    checksums: Mapping[str, str] = field(default_factory=dict)
    version_id: str | None = None
    request_id: str | None = None


@dataclass(slots=True, kw_only=True)
class Copied:
    """An object that was copied. Never changed after it is made: see `S3Object`.

    Attributes:
        entry: index of the prefix; None for the job's `objects`.
        source: as it was copied.
        key: of the destination.
        confirmed: S3's reply to the copy.
        earlier: an earlier attempt of the batch copied it.
        ambiguous: it was copied because nothing could prove it unchanged.
    """

    entry: EntryId
    source: S3Object
    key: str
    confirmed: Confirmation
    earlier: bool = False
    ambiguous: bool = False

    @property
    def source_key(self) -> str:
        """Whole key of the source."""
        return self.source.key

    @property
    def version_id(self) -> str | None:
        """Version that was copied; None means the current one."""
        return self.source.version_id

    @property
    def is_proven(self) -> bool:
        """Whether the reply proves that the copy has the source's content."""
        return has_same_content(self.source, self.confirmed.etag)

    def find_mismatch(self, listed: S3Object | None) -> str | None:
        """Return how a listed object differs from what S3 confirmed; None if it does not differ."""
        if listed is None:
            return "the destination has no such object"
        if listed.size != self.source.size:
            return f"the destination has {listed.size} bytes, the source {self.source.size}"
        etag = self.confirmed.etag
        if etag is not None and not same_etag(listed.etag, etag):
            return f"the destination has ETag {listed.etag}, the copy was confirmed with {etag}"
        return None


Outcome: TypeAlias = "Copied | SkipReason | CopyError | None"
"""The outcome of an object: copied, skipped or failed; None if it is gone."""


def has_same_content(source: S3Object, etag: str | None) -> bool:
    """Say whether ETags prove equal content: equal ETags are MD5s of the same bytes, or of the same parts."""
    return etag is not None and same_etag(source.etag, etag) and is_md5(etag) and is_md5(source.etag)


def compare_checksums(source: Mapping[str, str], copy: Mapping[str, str]) -> bool | None:
    """Say whether checksums of full objects agree; None if the sides have no algorithm in common."""
    both = set(source) & set(copy)
    return all(source[name] == copy[name] for name in both) if both else None
