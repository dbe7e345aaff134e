"""How objects are copied: what each copy sets, and how much work is done at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from s3copy_tasks.core.in_flight import IN_FLIGHT_LEAST, IN_FLIGHT_MOST

AUTO: Final = "auto"
"""As many requests in flight as latency requires: `s3copy_tasks.core.in_flight`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectOptions:
    """What a copy sets on the new object.

    Attributes:
        storage_class: "preserve" keeps the source's class, else a class of S3.
        acl: None sends none; a bucket that enforces its owner refuses all but bucket-owner-full-control.
        encryption: "AES256", "aws:kms" or "aws:kms:dsse"; None requests none unless there is a key.
        kms_key_id: encrypts with this key, by "aws:kms" unless `encryption` says otherwise; None leaves the
            key to AWS, or to the bucket's default.
        tags: "copy" or "drop".
        archived: "fail" or "skip": what happens to objects that would have to be restored first.
    """

    storage_class: str = "preserve"
    acl: str | None = None
    encryption: str | None = None
    kms_key_id: str | None = None
    tags: str = "copy"
    archived: str = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferOptions:
    """How much work a task does, and how much of it in parallel.

    Attributes:
        batch_objects: objects in a batch; grows when a run would need more than 500 batches.
        batch_bytes: bytes in a batch.
        concurrency: requests in flight per task; `AUTO` means as many as latency requires.
        max_requests_per_second: of all running batches together.
        max_active_batches: batches that run at the same time.
        client: "fast" (libcurl) or "boto3": what sends the requests.
        relay: "auto" sends the bytes through the worker if no server can copy them; "never" refuses to.
    """

    batch_objects: int = 10_000
    batch_bytes: int = 100 * 2**30
    concurrency: int | Literal["auto"] = AUTO
    max_requests_per_second: int = 3_500
    max_active_batches: int = 8
    client: str = "fast"
    relay: str = "never"

    @property
    def in_flight(self) -> int:
        """Requests in flight per task; with `AUTO` the fewest, for work that never needs more."""
        return IN_FLIGHT_LEAST if self.concurrency == AUTO else self.concurrency

    @property
    def in_flight_most(self) -> int:
        """The most requests in flight per task. The threads of `boto3` are too few for more than usual."""
        return IN_FLIGHT_MOST if self.concurrency == AUTO and self.client == "fast" else self.in_flight


DEFAULT_OPTIONS: Final = ObjectOptions()
DEFAULT_TRANSFER: Final = TransferOptions()
