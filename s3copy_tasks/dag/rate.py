"""Keeps a batch's share of the job's requests per second up to date, by how many batches really run."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from s3copy_tasks.core.rate_share import RateShare
from s3copy_tasks.dag.best_effort import run_beside, warn_on_failure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow.sdk import Context

    from s3copy_tasks.core.batch import Batch
    from s3copy_tasks.core.deletions import DeleteBatch
    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.dag.best_effort import Wait
    from s3copy_tasks.engine.sender import Sender


@contextmanager
def share_rate(
    job: EffectiveJob,
    batch: Batch | DeleteBatch,
    sender: Sender,
    context: Context,
    *,
    wait: Wait | None = None,
) -> Iterator[None]:
    """Adapt a sender's limit while its batch runs, in a thread.

    If Airflow can't be asked, that is logged once, and the batch keeps the share that it has if as many as
    possible run.

    Args:
        job: the run.
        batch: the batch that runs.
        sender: sends its requests.
        context: of the task.
        wait: waits for a number of seconds and returns whether the batch has ended; None waits by the clock.
    """
    transfer = job.transfer
    share = RateShare(
        per_second=transfer.max_requests_per_second, at_once=min(batch.of, transfer.max_active_batches)
    )
    steps = share.follow(lambda: count_running(context), sender.limit, time.monotonic)
    sender.limit(share.of_new)

    def follow(wait: Wait) -> None:
        with warn_on_failure("the rate is not shared by what runs"):
            for seconds in steps:
                if wait(seconds):
                    return

    if share.at_once == 1:
        yield
        return
    with run_beside(follow, "rate", wait):
        yield


def count_running(context: Context) -> int:
    """Return how many instances of a mapped task run now, this one included."""
    ti = context["ti"]
    running: int = ti.get_ti_count(
        dag_id=ti.dag_id, task_ids=[ti.task_id], run_ids=[context["run_id"]], states=["running"]
    )
    return running
