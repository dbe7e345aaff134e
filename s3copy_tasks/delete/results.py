"""A row for each extraneous object of a batch whose name is known, written at the end of the batch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s3copy_tasks.core.result_rows import HEADER, PackedRows, describe_delete
from s3copy_tasks.core.results_folder import find_results_folder
from s3copy_tasks.errors import CopyError
from s3copy_tasks.plan.results_writer import GZIP, ResultsWriter

if TYPE_CHECKING:
    from datetime import datetime

    from s3copy_tasks.core.deletions import DeleteBatch
    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.objects import S3Object
    from s3copy_tasks.delete.counting import DeleteCollector
    from s3copy_tasks.engine.paced_store import PacedStore


class DeleteResults:
    """Keeps the rows of a batch in memory, compressed; does nothing for a job that writes no results.

    Args:
        job: the run.
        batch: whose rows they are.
        store: the bucket of the results; None if there is none.
        started: when this attempt began, with its zone.
    """

    def __init__(
        self, job: EffectiveJob, batch: DeleteBatch, store: PacedStore | None, started: datetime
    ) -> None:
        folder = find_results_folder(job, [batch])
        self._writer = None if folder is None or store is None else ResultsWriter(job, folder, store)
        self._batch = batch
        self._started = started
        self._rows = PackedRows([HEADER])

    def add(self, found: S3Object, outcome: str, reason: str = "", marker: str | None = None) -> None:
        """Add an object: see `describe_delete`."""
        if self._writer is not None:
            self._rows.add(describe_delete(found, outcome, reason, marker))

    def write(self, counted: DeleteCollector) -> None:
        """Write the rows, even after the sender was stopped; a failure is counted, never raised."""
        if self._writer is None:
            return
        key = self._writer.folder.name_deletes(self._batch, self._started)
        try:
            self._writer.write(key, self._rows.finish(), GZIP, entry=None, cleans_up=True)
        except CopyError as error:
            counted.note(f"(results of deletes {self._batch.label})", error)
