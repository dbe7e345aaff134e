"""The promised log lines: one structured event each, the same for a Dag, an operator and a command.

Keys are untrusted input: they go into fields, never into the event's name.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog

from s3copy_tasks.core.objects import SkipReason

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from s3copy_tasks.core.batch import Batch
    from s3copy_tasks.core.deletions import DeleteBatch, DeleteMetrics, DeletePlan, KeptReason
    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.metrics import Failure, TransferMetrics
    from s3copy_tasks.core.planner import Plan
    from s3copy_tasks.core.queue import QueueState
    from s3copy_tasks.errors import CopyError
    from s3copy_tasks.interfaces import OperationMetrics

log = structlog.get_logger(__name__)

_BY_NAME = (SkipReason.EXCLUDED, SkipReason.NOT_INCLUDED)
"""Left out by the globs of a job. A filter by date may leave out everything: that is its purpose."""


def operation_started(job: EffectiveJob) -> None:
    """Log what is about to be checked and copied."""
    log.info(
        "operation started",
        operation_id=job.run_id,
        job=job.name,
        source=str(job.source),
        destination=str(job.destination),
        prefixes=len(job.prefixes),
        objects=len(job.objects),
        keys_from=None if job.keys_from is None else str(job.keys_from),
        overwrite=str(job.overwrite),
        dry_run=job.dry_run,
    )


def list_found(job: EffectiveJob, remarks: Sequence[str]) -> None:
    """Log which files of its list a run reads, and remarks on them, such as the age of an inventory."""
    of = job.key_list
    if of is None:
        return
    for remark in remarks:
        log.warning("list", remark=remark)
    log.info(
        "list found",
        operation_id=job.run_id,
        list=str(of),
        files=len(of.files),
        bytes=sum(file.size for file in of.files),
        made=None if of.made is None else of.made.isoformat(),
    )


def queue_found(job: EffectiveJob, state: QueueState | None, remarks: Sequence[str]) -> None:
    """Log how many messages the queue has that names the keys of a run, and remarks on it."""
    if state is None:
        return
    for remark in remarks:
        log.warning("queue", remark=remark)
    log.info(
        "queue found",
        operation_id=job.run_id,
        queue=str(job.keys_from),
        waiting=state.waiting,
        in_flight=state.in_flight,
        delayed=state.delayed,
        has_redrive=state.has_redrive,
    )


def preflight_passed(job: EffectiveJob, not_proven: Sequence[str], relay: str | None) -> None:
    """Log what could not be proven, why the bytes are relayed if they are, and that preflight passed."""
    for remark in not_proven:
        log.warning("not proven", remark=remark)
    if relay is not None:
        log.warning("relay", reason=relay)
    log.info("preflight passed", operation_id=job.run_id)


def objects_discovered(job: EffectiveJob, plan: Plan) -> None:
    """Log the result of the listings: one line for each entry of the job, and one for all.

    Where a queue names the keys, nothing is known of them yet: the line has the messages instead.
    """
    if plan.queue is not None:
        log.info(
            "messages waiting",
            operation_id=job.run_id,
            waiting=plan.queue.waiting,
            in_flight=plan.queue.in_flight,
            batches=len(plan.batches),
        )
        return
    for entry in plan.entries:
        log.info(
            "entry planned",
            entry=entry.path,
            source=entry.source,
            destination=entry.destination,
            found=entry.found,
            to_copy=entry.objects,
            to_compare=entry.compare,
            failing=entry.failing,
            bytes=entry.bytes,
            skipped=dict(entry.skipped),
        )
        if entry.found and sum(entry.skipped[reason] for reason in _BY_NAME) == entry.found:
            log.warning("the filters leave nothing of it to copy", entry=entry.path, source=entry.source)
    log.info(
        "objects discovered",
        operation_id=job.run_id,
        found=sum(entry.found for entry in plan.entries),
        to_copy=sum(entry.objects for entry in plan.entries),
        to_compare=sum(entry.compare for entry in plan.entries),
        failing=sum(entry.failing for entry in plan.entries),
        bytes=sum(entry.bytes for entry in plan.entries),
        batches=len(plan.batches),
    )


def objects_extraneous(job: EffectiveJob, plan: DeletePlan) -> None:
    """Log what only the destination of a mirror has: one line for each group of entries, and one for all."""
    for group in plan.groups:
        log.info(
            "group compared",
            destination=group.prefix,
            in_scope=group.in_scope,
            extraneous=group.extraneous,
            same_name=group.same_name,
        )
    log.info(
        "objects extraneous",
        operation_id=job.run_id,
        in_scope=plan.in_scope,
        extraneous=plan.extraneous,
        to_delete=plan.to_delete,
        batches=len(plan.batches),
        delete_folder=job.mirror.delete_folder if job.mirror else None,
    )
    if plan.comes_back:
        log.warning("the next copy brings back what is deleted", operation_id=job.run_id)


def deletes_refused(job: EffectiveJob, plan: DeletePlan, reason: str) -> None:
    """Log why a mirror deletes nothing at all."""
    log.error(
        "deletes refused",
        operation_id=job.run_id,
        in_scope=plan.in_scope,
        to_delete=plan.to_delete,
        reason=reason,
    )


def batch_started(job: EffectiveJob, batch: Batch) -> None:
    """Log which batch starts, and how many there are; numbers start at 1."""
    log.info(
        "batch started",
        operation_id=job.run_id,
        batch=batch.id + 1,
        of=batch.of,
        label=batch.label,
        objects=batch.objects,
    )


def batch_progress(job: EffectiveJob, batch: Batch, progress: Mapping[str, Any]) -> None:
    """Log the progress of a batch."""
    log.info("batch progress", operation_id=job.run_id, batch=batch.id + 1, label=batch.label, **progress)


def batch_finished(job: EffectiveJob, batch: Batch, metrics: TransferMetrics) -> None:
    """Log the result of a batch, however it ended."""
    log.info(
        "batch finished",
        operation_id=job.run_id,
        batch=batch.id + 1,
        of=batch.of,
        label=batch.label,
        copied=metrics.files_copied_successfully,
        failed=metrics.files_failed,
        unknown=metrics.files_unknown,
        bytes=metrics.total_bytes_transferred,
        seconds=metrics.duration_seconds,
        limited_by=metrics.requests.limited_by,
    )


def object_failed(key: str, error: CopyError | Failure) -> None:
    """Log an object that could not be copied, with the code and the attempts."""
    log.error("object failed", key=key, code=error.code, error=error.message, attempts=error.attempts)


def object_missing(key: str) -> None:
    """Log an object that the job names and that does not exist."""
    log.error("object is not there", key=key)


def results_written(job: EffectiveJob, address: str, size: int) -> None:
    """Log that an object of the results was written."""
    log.info("results written", operation_id=job.run_id, address=address, bytes=size)


def results_not_written(job: EffectiveJob, address: str, error: CopyError) -> None:
    """Log that an object of the results could not be written."""
    log.error(
        "results not written", operation_id=job.run_id, address=address, code=error.code, error=error.message
    )


def operation_completed(report: OperationMetrics) -> None:
    """Log the metrics of a run that succeeded."""
    log.info("operation completed", **report)


def operation_failed(report: OperationMetrics) -> None:
    """Log the metrics of a run that failed."""
    log.error("operation failed", **report)


def deletes_started(job: EffectiveJob, batch: DeleteBatch) -> None:
    """Log which batch of deletes starts, and how many there are; numbers start at 1."""
    log.info(
        "deletes started",
        operation_id=job.run_id,
        batch=batch.id + 1,
        of=batch.of,
        label=batch.label,
        objects=batch.extraneous,
    )


def deletes_finished(job: EffectiveJob, batch: DeleteBatch, metrics: DeleteMetrics) -> None:
    """Log what became of the objects of a batch."""
    total = metrics.total
    log.info(
        "deletes finished",
        operation_id=job.run_id,
        batch=batch.id + 1,
        deleted=total.deleted,
        gone=total.gone,
        kept={str(reason): number for reason, number in total.kept.items()},
        failed=total.failed,
        unknown=total.unknown,
    )


def deleting(key: str, etag: str) -> None:
    """Log that an object is about to be deleted."""
    log.info("deleting object", key=key, etag=etag)


def object_deleted(key: str, marker_version_id: str | None) -> None:
    """Log that an object is deleted, and the delete marker whose removal brings it back."""
    log.info("object deleted", key=key, marker_version_id=marker_version_id)


def object_kept(key: str, reason: KeptReason) -> None:
    """Log why an extraneous object is kept."""
    log.info("object kept", key=key, reason=str(reason))


def delete_failed(key: str, error: CopyError) -> None:
    """Log that S3 refused to delete an object, or that it did not answer."""
    log.error("delete failed", key=key, code=error.code, error=error.message, attempts=error.attempts)


def deletes_abandoned(batch: DeleteBatch, error: CopyError) -> None:
    """Log why a batch deletes nothing, or nothing more."""
    log.error("deletes abandoned", batch=batch.id + 1, code=error.code, error=error.message)
