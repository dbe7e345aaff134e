"""How a task ends: converts errors to Airflow's, decides on retries, and reports a run."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from threading import Thread, current_thread, main_thread
from typing import TYPE_CHECKING, cast

from s3copy_tasks.dag.airflow_versions import AirflowException, AirflowFailException
from s3copy_tasks.dag.telemetry.stats import send_stats
from s3copy_tasks.dag.xcom import BATCHES, ENTRIES, METRICS, dump_failed_step, push
from s3copy_tasks.errors import CopyError, TransientError, as_copy_error
from s3copy_tasks.report import events
from s3copy_tasks.report.summary import verdict, without_plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from airflow.sdk import Context

    from s3copy_tasks.config.job import CopyJob
    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.metrics import TransferMetrics
    from s3copy_tasks.engine.sender import Sender
    from s3copy_tasks.interfaces import RunDetails, RunReport

_NOT_RETRIED = (
    "This batch is not retried, because it has deleted messages; what is left comes again by the queue"
)


@contextmanager
def airflow_errors() -> Iterator[None]:
    """Convert the errors of this package to Airflow's.

    Raises:
        TransientError: unchanged; Airflow retries.
        AirflowFailException: for any other CopyError.
    """
    try:
        yield
    except TransientError:
        raise
    except CopyError as error:
        raise AirflowFailException(str(error)) from None


@contextmanager
def no_retry_once_settled(metrics: Callable[[], TransferMetrics]) -> Iterator[None]:
    """Let Airflow not retry a batch that has deleted messages of a queue: no other attempt can count them.

    What it has not settled comes again by the queue, in another batch or another run.

    Args:
        metrics: returns those of the batch.

    Raises:
        AirflowFailException: in place of an error that Airflow would retry.
    """
    try:
        yield
    except AirflowFailException:
        raise
    except Exception as error:
        messages = metrics().messages
        if messages is None or not messages.deleted:
            raise
        raise AirflowFailException(f"{type(error).__name__}: {error}. {_NOT_RETRIED}") from None


def will_retry(error: BaseException, context: Context) -> bool:
    """Return whether Airflow will retry a task that ends with this error."""
    final = (AirflowFailException, CopyError)  # a CopyError is final unless it is transient
    if isinstance(error, final) and not isinstance(error, TransientError):
        return False
    ti = context["ti"]
    return (ti.try_number or 1) <= ti.max_tries


@contextmanager
def push_reason(step: str, job: CopyJob | EffectiveJob, context: Context) -> Iterator[None]:
    """Push the error of a step before the copies, also a timeout, so that not only the step's log has it."""
    try:
        yield
    except BaseException as error:
        known = as_copy_error(error)
        reason = dump_failed_step(
            without_plan(context["run_id"], step, known),
            reason=known.message,
            job=job.name,
            config_digest=job.digest,
            dry_run=context["params"]["dry_run"],
        )
        push(context, METRICS, reason)
        raise


def is_retried(context: Context) -> bool:
    """Return whether this is not the first attempt of a task."""
    return (context["ti"].try_number or 1) > 1


@contextmanager
def stop_on_sigterm(sender: Sender) -> Iterator[None]:
    """Stop sending when Airflow terminates the task: some seconds are left to abort uploads and push metrics.

    Airflow's own handler calls the operator's `on_kill`, which a `@task` function does not have.
    """
    if current_thread() is not main_thread():
        yield
        return

    def stop(number: int, frame: FrameType | None) -> None:
        Thread(target=sender.stop).start()  # a signal handler must not wait for a lock
        if callable(before):
            before(number, frame)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def judge(metrics: TransferMetrics, max_failed_objects: int) -> None:
    """Raise unless at most `max_failed_objects` objects failed and none is unknown.

    Raises:
        AirflowException: more failed, and a retry may fix some of them.
        AirflowFailException: more failed, and a retry would not help.
    """
    reason = verdict(metrics, max_failed_objects)
    if reason is not None:
        raise (AirflowException if metrics.errors_encountered.transient else AirflowFailException)(reason)


def report_run(details: RunDetails, context: Context, *, failed: bool, final: bool = True) -> None:
    """Push a run's metrics, in total, by entry and by batch; log the one event that says how it ended.

    Args:
        details: of the run.
        context: of the task.
        failed: whether the run has failed.
        final: whether this is the last attempt; statistics count only that one.
    """
    lists = {ENTRIES, BATCHES}
    report = cast("RunReport", {key: value for key, value in details.items() if key not in lists})
    push(context, METRICS, report)
    push(context, ENTRIES, details["entries"])
    push(context, BATCHES, details["batches"])
    log_end = events.operation_failed if failed else events.operation_completed
    log_end(report)
    if final:
        send_stats(report, failed=failed)
