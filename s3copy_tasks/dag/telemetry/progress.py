"""Reports the progress of a batch every few seconds: in its task's log, and as an XCom for the page."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from s3copy_tasks.core.collector import utc_now
from s3copy_tasks.dag.best_effort import run_beside, warn_on_failure
from s3copy_tasks.dag.xcom import PROGRESS, push
from s3copy_tasks.report import events

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow.sdk import Context

    from s3copy_tasks.core.batch import Batch
    from s3copy_tasks.core.collector import MetricsCollector
    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.dag.best_effort import Wait

SECONDS = 5.0


@contextmanager
def report_progress(
    job: EffectiveJob,
    batch: Batch,
    metrics: MetricsCollector,
    context: Context,
    *,
    wait: Wait | None = None,
) -> Iterator[None]:
    """Report the progress of a batch while it is copied, in a thread.

    Airflow's connection to a task's supervisor has a lock, so any thread may push. A failed push is logged as
    a warning, and the next one follows as usual.

    Args:
        job: the run.
        batch: the batch that is copied.
        metrics: counts its objects.
        context: of the task.
        wait: waits for a number of seconds and returns whether the batch has ended; None waits by the clock.
    """

    def report(wait: Wait) -> None:
        while not wait(SECONDS):
            with warn_on_failure("progress is not shown"):
                progress = _progress(batch, metrics)
                events.batch_progress(job, batch, progress)
                push(context, PROGRESS, progress)

    with run_beside(report, "progress", wait):
        yield


def _progress(batch: Batch, metrics: MetricsCollector) -> dict[str, Any]:
    so_far = metrics.so_far()
    return {
        "found": so_far.found,
        "of": batch.found,
        "copied": so_far.copied,
        "failed": so_far.failed,
        "bytes": so_far.bytes,
        "objects_per_second": round(so_far.copied / so_far.seconds, 3) if so_far.seconds else 0.0,
        "at": utc_now().isoformat(),
    }
