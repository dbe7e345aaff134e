"""What a try of a batch knows of the tries before it: a retry touches what they left, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import structlog

from s3copy_tasks.errors import CopyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from s3copy_tasks.core.store import Store
    from s3copy_tasks.sender import Sender

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenUpload:
    """A multipart upload that was started and neither completed nor aborted.

    Attributes:
        key: of the destination.
        upload_id: S3's.
        source_etag: of what it copies.
    """

    key: str
    upload_id: str
    source_etag: str


class UploadRecord(Protocol):
    """Remembers open uploads across the tries of one task; called from many threads."""

    def left(self) -> Sequence[OpenUpload]:
        """Return the uploads that an earlier try left open."""

    def opened(self, upload: OpenUpload) -> None:
        """Remember an upload, before its first part."""

    def closed(self, upload: OpenUpload) -> None:
        """Forget an upload that was completed or aborted."""


class NoRecord:
    """Remembers nothing: for what is never tried again."""

    def left(self) -> Sequence[OpenUpload]:
        """Return nothing."""
        return ()

    def opened(self, upload: OpenUpload) -> None:
        """Do nothing."""

    def closed(self, upload: OpenUpload) -> None:
        """Do nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try of a batch, or of a run.

    Attributes:
        retried: an earlier try may have copied something.
        uploads: those that earlier tries left, and those of this one.
    """

    retried: bool = False
    uploads: UploadRecord = field(default_factory=NoRecord)

    def abort_left(self, destination: Store, sender: Sender, entry: int | None = None) -> None:
        """Abort exactly the uploads that earlier tries of this task left; nobody else's (rule 7).

        Args:
            destination: where they are.
            sender: the budget of requests.
            entry: what the requests are counted for.
        """
        for upload in self.uploads.left():
            try:
                sender.send(
                    "AbortMultipartUpload",
                    lambda upload=upload: destination.abort_multipart_upload(  # type: ignore[misc]
                        upload.key, upload.upload_id
                    ),
                    entry=entry,
                )
            except CopyError as error:
                log.error("upload left behind", key=upload.key, upload_id=upload.upload_id, code=error.code)
            else:
                log.info("upload of an earlier try aborted", key=upload.key, upload_id=upload.upload_id)
                self.uploads.closed(upload)
