"""Carries out a whole run in this process: for the operator, which never deletes, and the command line."""

from __future__ import annotations

import itertools
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from functools import partial
from operator import setitem
from typing import TYPE_CHECKING

from s3copy_tasks.copy.runner import copy_batch, count_batch
from s3copy_tasks.copy.uploads import Attempt
from s3copy_tasks.core.collector import MetricsCollector, utc_now
from s3copy_tasks.core.metrics import Failure, TransferMetrics
from s3copy_tasks.delete.counting import DeleteCollector
from s3copy_tasks.delete.judge import VALID_FOR, Verdict, add_up_deletes, leave_unjudged
from s3copy_tasks.delete.runner import count_deletes, delete_batch
from s3copy_tasks.engine.sender import Sender, make_sender
from s3copy_tasks.errors import as_copy_error
from s3copy_tasks.plan.delete_planning import plan_deletes
from s3copy_tasks.plan.planning import plan_job
from s3copy_tasks.report import events
from s3copy_tasks.report.deletions import report_deletions
from s3copy_tasks.report.summary import details, outside_metrics, run_metrics, without_plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from s3copy_tasks.core.batch import Batch
    from s3copy_tasks.core.deletions import DeleteBatch, DeleteMetrics, DeletePlan
    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.objects import S3Object
    from s3copy_tasks.core.planner import Plan
    from s3copy_tasks.core.store import Stores
    from s3copy_tasks.interfaces import RunDetails
    from s3copy_tasks.plan.ahead import ListingAhead

_BATCHES_AT_ONCE = 2
"""While one waits for its last answers, the next one begins."""
_DELETES_AT_ONCE = 3
"""While one batch is proven, another one is deleted, and a third is listed again."""
_UNJUDGED = "the run ended before that"


def _ignore(_: object) -> None:
    """Do nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Functions that are called with the progress of a run.

    Attributes:
        listed: with the source objects that were checked.
        planned: with the objects that the batches will count.
        counted: with the objects counted so far; called for each object, from any thread.
        extraneous: with each object that only the destination of a mirror has.
    """

    listed: Callable[[int], None] = _ignore
    planned: Callable[[int], None] = _ignore
    counted: Callable[[int], None] | None = None
    extraneous: Callable[[S3Object], None] = _ignore


@dataclass(slots=True)
class InProcessRun:
    """A run that plans and copies in this process. `metrics` is exact even if `carry_out` raises.

    A mirror deletes nothing until `delete` is called.

    Attributes:
        job: the run, checked by preflight.
        stores: both sides.
        sender: the budget of requests; stopping it ends the run.
        attempt: which attempt of this run it is.
        watch: is called with the progress.
        ahead: what was listed while preflight ran; None for nothing.
        delete_plan: what is extraneous; None until it is planned, and if the job is not a mirror.
    """

    job: EffectiveJob
    stores: Stores
    sender: Sender
    attempt: Attempt = field(default_factory=Attempt)
    watch: Watch = field(default_factory=Watch)
    ahead: ListingAhead | None = None
    delete_plan: DeletePlan | None = field(default=None, init=False)
    _start: datetime = field(default_factory=utc_now)
    _outside: TransferMetrics | None = None
    _batches: tuple[Batch, ...] = ()
    _batch_metrics: dict[int, TransferMetrics] = field(default_factory=dict)
    _verdict: Verdict | None = None
    _delete_metrics: dict[int, DeleteMetrics] = field(default_factory=dict)

    def carry_out(self) -> None:
        """Plan and copy.

        Raises:
            CopyError: planning failed.
            InterruptedError: the sender was stopped.
        """
        plan = self._plan()
        events.objects_discovered(self.job, plan)
        if self.delete_plan is not None:
            events.objects_extraneous(self.job, self.delete_plan)
        if self.job.dry_run:
            return
        self._batches = plan.batches
        self.watch.planned(sum(batch.found for batch in plan.batches))
        self._copy_batches(plan.batches)

    def delete(self, plan: DeletePlan, verdict: Verdict) -> None:
        """Delete what is extraneous, after the copies, if the verdict allows it.

        Args:
            plan: this run's `delete_plan`.
            verdict: on the plan.

        Raises:
            InterruptedError: the sender was stopped.
        """
        self._verdict = verdict
        if verdict.reason is not None:
            events.deletes_refused(self.job, plan, verdict.reason)
        if verdict.kept is not None or not plan.batches:
            return
        reader = make_sender(self.job.transfer)
        with ThreadPoolExecutor(_DELETES_AT_ONCE, "s3copy-delete") as pool:
            try:
                deletes = []
                for batch in plan.batches:
                    proving = reader.share()
                    deletes.append(pool.submit(self._delete, batch, proving))
                    proving.last_begun.wait()
                for each in deletes:
                    each.result()
            except BaseException:
                self.sender.stop()
                reader.stop()
                pool.shutdown(cancel_futures=True)
                raise

    @property
    def metrics(self) -> TransferMetrics:
        """The metrics of the run; batches that never ran are unknown, and a failed plan is an error."""
        if self._outside is None:
            return TransferMetrics(
                operation_id=self.job.run_id, start_time=self._start, end_time=max(self._start, utc_now())
            )
        return run_metrics(self.job, self._outside, self._batches, self._batch_metrics)

    @property
    def details(self) -> RunDetails:
        """The promised metrics of the run, also by entry and by batch."""
        metrics, mirror, plan, deletions = self.metrics, self.job.mirror, self.delete_plan, None
        if mirror is not None and plan is not None:
            verdict = self._verdict or leave_unjudged(mirror, plan, _UNJUDGED)
            deletes = add_up_deletes(plan, verdict, self._delete_metrics)
            metrics = replace(metrics, requests=metrics.requests + deletes.requests)
            deletions = report_deletions(self.job, plan, deletes, verdict.reason)
        return details(self.job, metrics, self._batches, self._batch_metrics, deletions)

    def _plan(self) -> Plan:
        try:
            self.sender.check_running()
            plan = plan_job(
                self.job,
                self.stores,
                on_listed=self.watch.listed,
                sender=self.sender,
                retried=self.attempt.retried,
                ahead=self.ahead,
                kept=self.attempt.kept,
            )
            if self.job.mirror is not None:
                self.delete_plan = plan_deletes(
                    self.job, self.stores, sender=self.sender, on_extraneous=self.watch.extraneous
                )
        except BaseException as error:
            failed = without_plan(self.job.run_id, "plan", as_copy_error(error))
            self._outside = replace(failed, start_time=self._start, end_time=max(self._start, utc_now()))
            raise
        self._outside = outside_metrics(self.job, plan, self._start, utc_now(), self.sender.counted())
        return plan

    def _copy_batches(self, batches: Sequence[Batch]) -> None:
        """Copy all batches; the first error ends those that run, and the others never begin."""
        counted = itertools.count(1)
        copies: list[Future[None]] = []
        with ThreadPoolExecutor(_BATCHES_AT_ONCE, "s3copy-batch") as pool:
            try:
                for batch in itertools.takewhile(lambda _: not self.sender.is_stopped, batches):
                    sender = self.sender.share()
                    copies.append(pool.submit(self._copy, batch, sender, counted))
                    sender.last_begun.wait()
                wait(copies)
            except BaseException as error:  # of a signal
                self.sender.stop()
                self._note_signal(error, batches[0])
                raise
        errors = [found for each in copies if (found := each.exception())]
        if errors:
            raise next((found for found in errors if not isinstance(found, InterruptedError)), errors[0])
        if len(copies) < len(batches):
            self.sender.check_running()

    def _copy(self, batch: Batch, sender: Sender, counted: Iterator[int]) -> None:
        collector, watched = MetricsCollector(), self.watch.counted
        try:
            with count_batch(self.job, batch, collector, partial(setitem, self._batch_metrics, batch.id)):
                copy_batch(
                    self.job,
                    batch,
                    self.stores,
                    metrics=collector,
                    attempt=self.attempt,
                    on_counted=None if watched is None else lambda _: watched(next(counted)),
                    sender=sender,
                )
        finally:
            sender.last_begun.set()

    def _delete(self, batch: DeleteBatch, reader: Sender) -> None:
        """Delete a batch; one that never begins is unknown."""
        allowed = replace(batch, not_after=utc_now() + VALID_FOR)
        counted = DeleteCollector(allowed)
        sender, on_end = self.sender.share(), partial(setitem, self._delete_metrics, batch.id)
        try:
            with count_deletes(self.job, allowed, counted, on_end):
                delete_batch(self.job, allowed, self.stores, counted=counted, sender=sender, reader=reader)
        finally:
            reader.last_begun.set()

    def _note_signal(self, error: BaseException, batch: Batch) -> None:
        """Note why the run ends, beside the objects of its batches that are unknown for that."""
        collector = MetricsCollector()
        collector.start_operation(self.job.run_id)
        failure = Failure.of(
            entry=batch.ranges[0].entry,
            key="(run)",
            code=type(error).__name__,
            message=str(error),
            attempts=0,
        )
        collector.record_unknown(0, failure, transient=True)
        if self._outside is not None:
            self._outside += collector.metrics()
