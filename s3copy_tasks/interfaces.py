"""What users' own code may rely on: data shapes and methods, whatever class has them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Protocol, TypedDict, runtime_checkable


class Counts(TypedDict):
    """The metrics of an entry, a batch or a run. docs/metrics.md says what each means."""

    total_files_found: int
    files_copied_successfully: int
    files_verified: int
    files_skipped: dict[str, int]
    files_failed: int
    files_vanished: int
    files_unknown: int
    total_bytes_transferred: int
    objects_per_second: float
    bytes_per_second: float
    requests_by_kind: dict[str, int]
    requests_retried: int
    requests_throttled: int
    errors_by_code: dict[str, int]


class OperationMetrics(Counts):
    """The metrics of an operation, in plain JSON types. docs/metrics.md says what each means.

    Keys may be added, but never removed.
    """

    operation_id: str
    start_time: str | None
    end_time: str | None
    duration_seconds: float
    files_copied_earlier: int
    files_unverified: int
    files_ambiguous: int
    files_mismatched: int
    requests: int
    requests_at_least: bool
    peak_in_flight: int
    latency_seconds: dict[str, float | None]
    limited_by: dict[str, float]
    cost_usd: float
    errors: list[str]


class DeletionCounts(TypedDict):
    """What became of the destination's objects that no source has. docs/metrics.md says what each means.

    extraneous = deleted + gone + kept + failed + unknown.
    """

    in_scope: int
    extraneous: int
    deleted: int
    gone: int
    kept: dict[str, int]
    failed: int
    unknown: int


class GroupDeletions(DeletionCounts):
    """The same for the objects below one destination prefix."""

    destination: str


class DeletionsReport(DeletionCounts):
    """What a run of a mirror deleted, and why it kept the rest.

    `refused` says why the run deleted nothing at all; None if it was allowed, or was not to delete anyway.
    `at_least` says that an attempt was lost, so that `gone` may have what it deleted. `results` is the
    address of the folder with a row for each object of a batch; None if none were written. `delete_folder`
    is the destination folder that the run was to delete, extraneous or not; None for other runs. `comes_back`
    says that the source still has objects for it: the next copy writes them again.
    """

    refused: str | None
    delete_folder: str | None
    comes_back: bool
    at_least: bool
    errors: list[str]
    errors_by_code: dict[str, int]
    groups: list[GroupDeletions]
    results: str | None


class QueueReport(TypedDict):
    """What became of the messages of the queue that names the keys of a run.

    `waiting` is approximate: how many could be received when the run was planned. Received = deleted + left;
    what is left comes again. `oldest_seconds` is the age of the oldest one when it was received; None if none
    was. `at_least` says that an attempt was lost, and with it its counts, of messages and of objects.
    `may_wait` says that a batch was full, or its time was over, before the queue was empty.
    """

    waiting: int
    received: int
    deleted: int
    left: int
    oldest_seconds: float | None
    at_least: bool
    may_wait: bool


class RunReport(OperationMetrics):
    """The metrics of a run, and what ran; job and digest are None if they are not known.

    `results` is the address of the folder with a row for each object; None if none were written.
    `deletions` is None for a job that is not a mirror, `queue` for a job whose keys no queue names, and both
    if the plan failed.
    """

    job: str | None
    config_digest: str | None
    dry_run: bool
    results: str | None
    deletions: DeletionsReport | None
    queue: QueueReport | None


class EntryReport(Counts):
    """The metrics of one entry of the config; source and destination are its prefixes."""

    entry: str
    source: str
    destination: str


class BatchReport(Counts):
    """The metrics of one batch; its times are None if its task reported nothing."""

    batch: int
    label: str
    start_time: str | None
    end_time: str | None
    duration_seconds: float
    peak_in_flight: int
    limited_by: dict[str, float]


class RunDetails(RunReport):
    """The metrics of a run, also by entry and by batch."""

    entries: list[EntryReport]
    batches: list[BatchReport]


class ListedObject(TypedDict):
    """An object of the source, as a listing returns it; `size` in bytes, `last_modified` with its zone."""

    bucket: str
    key: str
    size: int
    last_modified: datetime
    etag: str


class CopyResult(TypedDict):
    """The outcome of one object; `error_message` is None if the object is at the destination."""

    success: bool
    bytes_transferred: int
    error_message: str | None


@runtime_checkable
class S3CopyOperatorInterface(Protocol):
    """An operator that copies one object, or all objects below a prefix, between two buckets.

    Example:
        >>> from s3copy_tasks import S3CrossAccountCopyOperator
        >>> issubclass(S3CrossAccountCopyOperator, S3CopyOperatorInterface)
        True
    """

    def execute(self, context: Any) -> RunDetails:
        """Copy, and return the metrics."""

    def validate_inputs(self) -> bool:
        """Return True, or raise ValueError with every bad input."""

    def get_s3_objects_to_copy(self) -> list[ListedObject]:
        """Return the source's objects that a run would copy now."""

    def copy_single_object(
        self, source_bucket: str, source_key: str, dest_bucket: str, dest_key: str
    ) -> CopyResult:
        """Copy one object and return the outcome; an error of S3 is returned, not raised."""


@runtime_checkable
class MetricsCollectorInterface(Protocol):
    """Counts what happens to the objects of one operation.

    Example:
        >>> from s3copy_tasks import MetricsCollector
        >>> isinstance(MetricsCollector(), MetricsCollectorInterface)
        True
    """

    def start_operation(self, operation_id: str) -> None:
        """Begin to count, from zero."""

    def record_file_success(self, bytes_transferred: int) -> None:
        """Count an object that was copied."""

    def record_file_failure(self, error_message: str) -> None:
        """Count an object that could not be copied."""

    def finish_operation(self) -> OperationMetrics:
        """Return what was counted."""
