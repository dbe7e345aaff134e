"""Plans a run of a queue's events: how many batches receive. Nothing is received."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

from s3copy_tasks.core.batch import Batch, KeyRange, make_label, make_plan_id
from s3copy_tasks.core.estimate import make_entry_plans
from s3copy_tasks.core.planner import Plan
from s3copy_tasks.core.retry import delay_seconds
from s3copy_tasks.errors import CopyError

if TYPE_CHECKING:
    from collections.abc import Callable

    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.queue import MessageQueue, QueueState


def plan_messages(
    job: EffectiveJob,
    queue: MessageQueue,
    *,
    batches_max: int,
    pause: Callable[[float], object] = time.sleep,
) -> Plan:
    """Return a plan of as many batches as the messages that wait fill, at least one.

    Args:
        job: the run.
        queue: of the job.
        batches_max: limit of batches, at least 1, beside that of batches that run at the same time: one that
            starts later would find the queue empty.
        pause: waits for the given seconds before a request is sent again.

    Raises:
        CopyError: the queue can't be read.
    """
    state = _read_state(queue, pause)
    filled = -(-state.waiting // job.transfer.batch_objects)
    count = max(1, min(filled, job.transfer.max_active_batches, batches_max))
    groups = [
        (KeyRange(entry=None, after=None, through=index, found=0, objects=0, bytes=0),)
        for index in range(count)
    ]
    name = make_plan_id(job, groups)
    plans = make_entry_plans(job)
    plans[None].batches = count
    if job.results is not None:
        plans[None].copy_requests = count
    batches = tuple(
        Batch(
            id=index, of=count, plan_id=name, label=make_label(index + 1, count, ranges, job), ranges=ranges
        )
        for index, ranges in enumerate(groups)
    )
    return Plan(batches=batches, entries=tuple(plans.values()), queue=state)


def _read_state(queue: MessageQueue, pause: Callable[[float], object]) -> QueueState:
    attempt = 1
    while True:
        try:
            return queue.read_state()
        except CopyError as error:
            seconds = delay_seconds(error, attempt, random.random())  # noqa: S311 - not for secrets
            if seconds is None:
                raise
        pause(seconds)
        attempt += 1
