"""What became of each object of a batch: counted, logged, and kept as a row of the results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s3copy_tasks.core.deletions import KeptReason
from s3copy_tasks.report import events

if TYPE_CHECKING:
    from s3copy_tasks.core.deletions import DeleteBatch
    from s3copy_tasks.delete.candidates import Candidate
    from s3copy_tasks.delete.counting import DeleteCollector
    from s3copy_tasks.delete.results import DeleteResults
    from s3copy_tasks.errors import CopyError


class Account:
    """Takes the outcome of each object of a batch.

    Args:
        batch: of the plan.
        counted: counts them.
        results: keeps their rows.
    """

    def __init__(self, batch: DeleteBatch, counted: DeleteCollector, results: DeleteResults) -> None:
        self._batch = batch
        self._counted = counted
        self._results = results

    def delete(self, candidate: Candidate, marker_version_id: str | None) -> None:
        """Take an object that is deleted."""
        events.object_deleted(candidate.found.key, marker_version_id)
        self._counted.record_deleted(candidate.group.prefix)
        self._results.add(candidate.found, "deleted", marker=marker_version_id)

    def lose(self, candidate: Candidate) -> None:
        """Take an object that was gone when it was to be deleted."""
        self._counted.record_gone(candidate.group.prefix)
        self._results.add(candidate.found, "gone")

    def count_gone(self, group: str, objects: int) -> None:
        """Take objects that are no longer listed: nothing but their number is known."""
        self._counted.record_gone(group, objects)

    def keep(self, candidate: Candidate, reason: KeptReason) -> None:
        """Take an object that is kept."""
        events.object_kept(candidate.found.key, reason)
        self._counted.record_kept(candidate.group.prefix, reason)
        self._results.add(candidate.found, "kept", reason)

    def fail(self, candidate: Candidate, error: CopyError) -> None:
        """Take an object that S3 refused to delete."""
        events.delete_failed(candidate.found.key, error)
        self._counted.record_failed(candidate.group.prefix, candidate.found.key, error)
        self._results.add(candidate.found, "failed", error.code)

    def note(self, candidate: Candidate, error: CopyError) -> None:
        """Take an error of an object that stays unknown, or is kept for another reason."""
        events.delete_failed(candidate.found.key, error)
        self._counted.note(candidate.found.key, error)

    def abandon(self, error: CopyError) -> None:
        """Take the error that ends the deletes of the batch."""
        events.deletes_abandoned(self._batch, error)
        self._counted.note(f"(deletes {self._batch.label})", error)

    def keep_all(self, error: CopyError) -> None:
        """Take the error for which all objects of the batch are kept."""
        self.abandon(error)
        for group, objects in self._batch.extraneous_by_group.items():
            self._counted.record_kept(group, KeptReason.NOT_PROVEN, objects)
