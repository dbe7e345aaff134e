"""Tells every few seconds how far a batch has come: in its task's log, and as an XCom for the page."""

from __future__ import annotations

from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

from s3copy_tasks.core.collector import utc_now
from s3copy_tasks.dag.best_effort import aside
from s3copy_tasks.dag.xcom import PROGRESS
from s3copy_tasks.report import events

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from airflow.sdk import Context

    from s3copy_tasks.core.batch import Batch
    from s3copy_tasks.core.collector import MetricsCollector
    from s3copy_tasks.core.job import EffectiveJob

SECONDS = 5.0


@contextmanager
def progress_told(
    job: EffectiveJob,
    batch: Batch,
    metrics: MetricsCollector,
    context: Context,
    *,
    wait: Callable[[float], bool] | None = None,
) -> Iterator[None]:
    """Tell of a batch while it is copied, from a thread of its own; tell nothing after that.

    Airflow's connection to a task's supervisor has a lock, so a push may come from any thread. One that fails
    is a warning in the log, and the next is tried.

    Args:
        job: the run.
        batch: that is copied.
        metrics: counts its objects.
        context: of the task.
        wait: waits that many seconds and returns whether the batch has ended; None waits by the clock.
    """
    ended = Event()
    wait = wait or ended.wait

    def tell() -> None:
        while not wait(SECONDS):
            with aside("progress is not shown"):
                progress = _progress(batch, metrics)
                events.batch_progress(job, batch, progress)
                context["ti"].xcom_push(key=PROGRESS, value=progress)

    teller = Thread(target=tell, name="progress", daemon=True)
    teller.start()
    try:
        yield
    finally:
        ended.set()
        teller.join()


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
