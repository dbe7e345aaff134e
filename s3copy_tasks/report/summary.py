"""Adds up a run and judges it: the same for a Dag and for the command line."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from s3copy_tasks.core.estimate import EntryPlan, make_entry_plans
from s3copy_tasks.core.job import entry_number
from s3copy_tasks.core.metrics import Errors, Failure, TransferMetrics, sum_metrics
from s3copy_tasks.core.objects import LEFT_OUT, SkipReason
from s3copy_tasks.core.queue import MessageCounts, Queue
from s3copy_tasks.core.request_counts import Requests, Tally
from s3copy_tasks.core.results_folder import find_results_folder
from s3copy_tasks.errors import Code, CopyError
from s3copy_tasks.report.deletions import judge_deletions
from s3copy_tasks.report.messages import find_nothing_in_scope, report_messages

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from s3copy_tasks.core.batch import Batch
    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.planner import Plan
    from s3copy_tasks.interfaces import BatchReport, DeletionsReport, EntryReport, RunDetails, RunReport

_RUN_AGAIN = "run again to copy what is missing"
_COMES_AGAIN = "what it received and did not delete comes again, in the next run"


def outside_metrics(
    job: EffectiveJob, plan: Plan, start: datetime, end: datetime, sent: Tally | None = None
) -> TransferMetrics:
    """Return the plan's own metrics: the objects outside the batches.

    In a dry run these are all objects, and what would be copied is skipped as `dry_run`.

    Args:
        job: the run.
        plan: of the run.
        start: when planning began; the run counts from then.
        end: when planning ended.
        sent: the requests of planning.
    """
    sent = sent or Tally()
    shares = sent.by_entry()
    entries = {entry.number: _outside(entry, dry_run=job.dry_run) for entry in plan.entries}
    parts = {
        number: replace(part, requests=shares.get(number, Requests())) for number, part in entries.items()
    }
    queue = plan.queue
    return replace(
        sum_metrics(parts.values()),
        operation_id=job.run_id,
        messages=None if queue is None else MessageCounts(waiting=queue.waiting),
        start_time=start,
        end_time=max(start, end),  # a clock may be set back
        requests=sent.requests(),
        entries=dict(sorted(parts.items())),
    )


def _outside(entry: EntryPlan, *, dry_run: bool) -> TransferMetrics:
    skipped = +entry.outside
    if dry_run:
        would_be_copied = entry.objects + entry.compare + entry.failing
        skipped = entry.skipped + Counter({SkipReason.DRY_RUN: would_be_copied})
    return TransferMetrics(total_files_found=skipped.total(), files_skipped=dict(sorted(skipped.items())))


def run_metrics(
    job: EffectiveJob,
    outside: TransferMetrics,
    batches: Iterable[Batch],
    metrics_by_batch: Mapping[int, TransferMetrics],
) -> TransferMetrics:
    """Add up a run: the objects outside the batches, the batches, and those that reported nothing.

    Args:
        job: the run.
        outside: the plan's own metrics.
        batches: all that were planned.
        metrics_by_batch: by batch id; if one is missing, its objects are unknown, never copied.
    """
    whole = sum_metrics([outside, *(batch_metrics(job, batch, metrics_by_batch) for batch in batches)])
    missing = _find_no_object(job, whole) + find_nothing_in_scope(job, whole)
    return replace(whole, errors_encountered=whole.errors_encountered + missing)


def _find_no_object(job: EffectiveJob, metrics: TransferMetrics) -> Errors:
    """Return the error of a list none of whose objects exists: most likely it is read in a wrong way."""
    left_out = sum(metrics.files_skipped.get(reason, 0) for reason in LEFT_OUT)
    gone = metrics.files_vanished
    if job.key_list is None or job.on_empty != "fail" or not 0 < gone == metrics.total_files_found - left_out:
        return Errors()
    msg = (
        f"{job.source} has none of the {gone} objects that {job.key_list} names. Check `from.keys` and "
        "`from.columns`, and that the data has arrived"
    )
    failure = Failure.of(entry=None, key="(list)", code=Code.NOTHING_FOUND, message=msg, attempts=0)
    return Errors(by_code={failure.code: 1}, first=(failure,))


def batch_metrics(
    job: EffectiveJob, batch: Batch, metrics_by_batch: Mapping[int, TransferMetrics]
) -> TransferMetrics:
    """Return a batch's metrics, its entries with the batch's times; unknown if it reported nothing."""
    metrics = metrics_by_batch[batch.id] if batch.id in metrics_by_batch else _lost(job, batch)
    return replace(
        metrics,
        entries={
            number: replace(part, start_time=metrics.start_time, end_time=metrics.end_time)
            for number, part in metrics.entries.items()
        },
    )


def _lost(job: EffectiveJob, batch: Batch) -> TransferMetrics:
    """Return the metrics of a batch that reported nothing; the objects that a queue gave it are not known."""
    has_queue = isinstance(job.keys_from, Queue)
    failure = Failure.of(
        entry=batch.ranges[0].entry,
        key=f"(batch {batch.label})",
        code=Code.BATCH_LOST,
        message=f"its task ended and reported nothing; {_COMES_AGAIN if has_queue else _RUN_AGAIN}",
        attempts=0,
    )
    return TransferMetrics(
        operation_id=job.run_id,
        total_files_found=batch.found,
        files_unknown=batch.found,
        errors_encountered=Errors(by_code={Code.BATCH_LOST: max(batch.found, 1)}, first=(failure,)),
        requests=Requests(at_least=True),
        messages=MessageCounts(at_least=True) if has_queue else None,
        entries={entry_number(entry): _unknown(objects) for entry, objects in batch.found_by_entry.items()},
    )


def _unknown(objects: int) -> TransferMetrics:
    errors = Errors(by_code={Code.BATCH_LOST: objects})
    return TransferMetrics(total_files_found=objects, files_unknown=objects, errors_encountered=errors)


def without_plan(run_id: str, step: str, error: CopyError | None = None) -> TransferMetrics:
    """Return the metrics of a run that has no plan, because `step` failed: nothing found, one error.

    Args:
        run_id: names the run.
        step: the step that failed, such as `preflight`.
        error: its error, if that is known.
    """
    known = error or CopyError("nothing was copied; its log has the reason", code=Code.PLAN_FAILED)
    failure = Failure.of_error(known, entry=None, key=f"({step})")
    return TransferMetrics(
        operation_id=run_id, errors_encountered=Errors(by_code={known.code: 1}, first=(failure,))
    )


def verdict(
    metrics: TransferMetrics, max_failed_objects: int, deletions: DeletionsReport | None = None
) -> str | None:
    """Return why a run has failed, with exact counts; None if it has not."""
    copies = _judge_copies(metrics, max_failed_objects)
    deletes = None if deletions is None else judge_deletions(deletions)
    return "; ".join(filter(None, (copies, deletes))) or None


def _judge_copies(metrics: TransferMetrics, max_failed_objects: int) -> str | None:
    if metrics.is_complete and metrics.files_failed <= max_failed_objects:
        return None
    codes = ", ".join(f"{code}: {count}" for code, count in metrics.errors_encountered.by_code.items())
    return (
        f"{metrics.files_failed} objects failed (limit {max_failed_objects}), "
        f"{metrics.files_unknown} unknown, {metrics.files_copied_successfully} copied "
        f"of {metrics.total_files_found} found. {codes}"
    )


def report(
    metrics: TransferMetrics,
    *,
    job: str | None,
    config_digest: str | None,
    dry_run: bool,
    results: str | None = None,
    deletions: DeletionsReport | None = None,
) -> RunReport:
    """Return a run's metrics, with the name and digest of its config if they are known.

    Args:
        metrics: of the run.
        job: name of the job.
        config_digest: of its config.
        dry_run: whether it only planned.
        results: address of the folder with its results; None if it has none.
        deletions: what a mirror deleted.
    """
    return {
        **metrics.as_dict(),
        "job": job,
        "config_digest": config_digest,
        "dry_run": dry_run,
        "results": results,
        "deletions": deletions,
        "queue": None if metrics.messages is None else report_messages(metrics.messages),
    }


def without_job(report: RunReport) -> RunDetails:
    """Return the metrics of a run that has no entries and no batches yet."""
    return {**report, "entries": [], "batches": []}


def details(
    job: EffectiveJob,
    metrics: TransferMetrics,
    batches: Sequence[Batch],
    metrics_by_batch: Mapping[int, TransferMetrics],
    deletions: DeletionsReport | None = None,
) -> RunDetails:
    """Return a run's promised metrics, and the same by entry and by batch.

    Args:
        job: the run.
        metrics: of `run_metrics`.
        batches: all that were planned.
        metrics_by_batch: by batch id.
        deletions: what a mirror deleted.
    """
    folder = find_results_folder(job, batches) if metrics.total_files_found else None
    return {
        **report(
            metrics,
            job=job.name,
            config_digest=job.digest,
            dry_run=job.dry_run,
            results=None if folder is None else str(folder),
            deletions=deletions,
        ),
        "entries": _entries(job, metrics),
        "batches": [_batch(batch, batch_metrics(job, batch, metrics_by_batch)) for batch in batches],
    }


def _entries(job: EffectiveJob, metrics: TransferMetrics) -> list[EntryReport]:
    return [
        {
            "entry": entry.path,
            "source": entry.source,
            "destination": entry.destination,
            **metrics.entries.get(entry.number, TransferMetrics()).counts(),
        }
        for entry in make_entry_plans(job).values()
    ]


def _batch(batch: Batch, metrics: TransferMetrics) -> BatchReport:
    whole = metrics.as_dict()
    return {
        "batch": batch.id,
        "label": batch.label,
        "start_time": whole["start_time"],
        "end_time": whole["end_time"],
        "duration_seconds": whole["duration_seconds"],
        "peak_in_flight": whole["peak_in_flight"],
        "limited_by": whole["limited_by"],
        **metrics.counts(),
    }
