"""Writes objects of a run's results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s3copy_tasks.engine.loop import wait_for
from s3copy_tasks.errors import Code, CopyError
from s3copy_tasks.report import events

if TYPE_CHECKING:
    from s3copy_tasks.core.job import EffectiveJob, EntryId
    from s3copy_tasks.core.results_folder import ResultsFolder
    from s3copy_tasks.engine.paced_store import PacedStore

CSV, GZIP = "text/csv", "application/gzip"


class ResultsWriter:
    """Writes into the folder of one plan.

    Args:
        job: the run.
        folder: of its plan.
        store: the bucket.
    """

    def __init__(self, job: EffectiveJob, folder: ResultsFolder, store: PacedStore) -> None:
        self.folder = folder
        self._job = job
        self._store = store

    def write(
        self, key: str, content: bytes, content_type: str, *, entry: EntryId, cleans_up: bool = False
    ) -> None:
        """Write an object, and log that.

        Args:
            key: of the object, in the folder.
            content: of the object.
            content_type: of the object.
            entry: the request is counted for it.
            cleans_up: write even after the sender was stopped.

        Raises:
            CopyError: it could not be written; the code is always `RESULTS_NOT_WRITTEN`.
            InterruptedError: the sender was stopped.
        """
        where = self.folder.describe(key)
        try:
            wait_for(self._store.put_bytes(key, content, content_type, entry=entry, cleans_up=cleans_up))
        except CopyError as error:
            msg = f"results could not be written to {where}: {error.code}: {error.reason}"
            failed = type(error)(msg, code=Code.RESULTS_NOT_WRITTEN, remedy=error.remedy)
            failed.attempts = error.attempts
            events.results_not_written(self._job, where, failed)
            raise failed from None
        events.results_written(self._job, where, len(content))
