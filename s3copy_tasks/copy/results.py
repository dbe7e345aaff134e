"""A row for each object of a batch, and a list of the failed ones, written at the end of the batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from s3copy_tasks.core.metrics import Failure
from s3copy_tasks.core.result_rows import (
    HEADER,
    PackedRows,
    describe_copied,
    describe_failed,
    describe_skipped,
    describe_to_retry,
    describe_vanished,
)
from s3copy_tasks.core.results_folder import find_results_folder
from s3copy_tasks.errors import Code, CopyError, is_worth_a_retry
from s3copy_tasks.plan.results_writer import CSV, GZIP, ResultsWriter

if TYPE_CHECKING:
    from s3copy_tasks.core.batch import Batch
    from s3copy_tasks.core.collector import MetricsCollector
    from s3copy_tasks.core.decide import Found
    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.objects import SkipReason
    from s3copy_tasks.core.result_rows import Settled
    from s3copy_tasks.core.verify import Copied
    from s3copy_tasks.engine.paced_store import PacedStores


class Results(Protocol):
    """Takes the final outcome of each object; safe to use from many threads."""

    def add_copied(self, copied: Copied, *, is_verified: bool) -> None:
        """Add an object that is at the destination."""

    def add_skipped(self, found: Found, reason: SkipReason) -> None:
        """Add an object that needs no copy."""

    def add_failed(self, failed: Settled, error: CopyError) -> None:
        """Add an object that could not be copied, or whose copy differs from it."""

    def add_vanished(self, found: Found) -> None:
        """Add an object that is gone."""

    def write(self, metrics: MetricsCollector) -> None:
        """Write what was added, even after the sender was stopped; a failure is counted, never raised."""


class NoResults:
    """The results of a job that writes none."""

    def add_copied(self, copied: Copied, *, is_verified: bool) -> None:
        """Do nothing."""

    def add_skipped(self, found: Found, reason: SkipReason) -> None:
        """Do nothing."""

    def add_failed(self, failed: Settled, error: CopyError) -> None:
        """Do nothing."""

    def add_vanished(self, found: Found) -> None:
        """Do nothing."""

    def write(self, metrics: MetricsCollector) -> None:
        """Do nothing."""


class BatchResults:
    """Keeps the rows of a batch in memory, compressed, until they are written.

    Args:
        batch: whose rows they are.
        bucket: of the source.
        writer: writes them.
        retried: an earlier attempt may have written a list of failed objects, which is replaced.
    """

    def __init__(self, batch: Batch, bucket: str, writer: ResultsWriter, *, retried: bool) -> None:
        self._batch = batch
        self._bucket = bucket
        self._writer = writer
        self._retried = retried
        self._rows = PackedRows([HEADER])
        self._to_retry: list[str] = []

    def add_copied(self, copied: Copied, *, is_verified: bool) -> None:
        """Add an object that is at the destination."""
        self._rows.add(describe_copied(copied, is_verified=is_verified))

    def add_skipped(self, found: Found, reason: SkipReason) -> None:
        """Add an object that needs no copy."""
        self._rows.add(describe_skipped(found, reason))

    def add_failed(self, failed: Settled, error: CopyError) -> None:
        """Add an object that could not be copied, or whose copy differs from it."""
        self._rows.add(describe_failed(failed, error))
        if error.code == Code.INVALID_MESSAGE:  # it names no object, and stays in its queue
            return
        self._to_retry.append(describe_to_retry(self._bucket, failed))

    def add_vanished(self, found: Found) -> None:
        """Add an object that is gone."""
        self._rows.add(describe_vanished(found))

    def write(self, metrics: MetricsCollector) -> None:
        """Write the rows, and the list of failed objects if there are any, or may have been any before."""
        folder = self._writer.folder
        files = [(folder.name_batch(self._batch), self._rows.finish(), GZIP)]
        if self._to_retry or self._retried:
            failed = "".join(self._to_retry).encode("ascii")
            files.append((folder.name_failed(self._batch), failed, CSV))
        entry = self._batch.ranges[0].entry
        for key, content, content_type in files:
            try:
                self._writer.write(key, content, content_type, entry=entry, cleans_up=True)
            except CopyError as error:
                failure = Failure.of_error(error, entry=entry, key=f"(results of batch {self._batch.id + 1})")
                metrics.record_unknown(0, failure, transient=is_worth_a_retry(error))


def open_results(job: EffectiveJob, batch: Batch, stores: PacedStores, *, retried: bool) -> Results:
    """Return the results of a batch."""
    folder = find_results_folder(job, [batch])
    if folder is None or stores.results is None:
        return NoResults()
    writer = ResultsWriter(job, folder, stores.results)
    return BatchResults(batch, job.source.bucket, writer, retried=retried)
