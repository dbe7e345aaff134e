"""A task that Airflow ends stops sending, leaves no upload behind, and still reports its metrics."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from s3copy_tasks.copy.runner import copy_batch, count_batch
from s3copy_tasks.core.collector import MetricsCollector, utc_now
from s3copy_tasks.core.job import Mirror
from s3copy_tasks.core.multipart import Limits
from s3copy_tasks.dag.outcome import stop_on_sigterm
from s3copy_tasks.delete.counting import DeleteCollector
from s3copy_tasks.delete.runner import count_deletes, delete_batch
from s3copy_tasks.engine.sender import Sender
from s3copy_tasks.plan.delete_planning import plan_deletes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from tests.support.s3.proxy import Proxy, Reply, Request
    from tests.support.s3.sides import Sides

    Handle = Callable[[Sender], AbstractContextManager[None]]

LIMITS = Limits(single_copy_bytes=6 * 2**20, part_bytes=5 * 2**20)


class TaskTimeoutError(BaseException):
    """As Airflow's, whose home changes with the version: not an `Exception`."""


@contextmanager
def raise_on_timeout(_: Sender) -> Iterator[None]:
    """Handle SIGALRM as Airflow does for `execution_timeout`: in the main thread, wherever that is."""

    def end(*_: object) -> None:
        raise TaskTimeoutError

    before = signal.signal(signal.SIGALRM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGALRM, before)


ENDINGS = {
    "SIGTERM": (signal.SIGTERM, stop_on_sigterm, InterruptedError),
    "execution_timeout": (signal.SIGALRM, raise_on_timeout, TaskTimeoutError),
}


@pytest.mark.parametrize(("number", "handle", "error"), ENDINGS.values(), ids=ENDINGS)
def test_a_signal_in_the_middle_of_a_multipart_copy(
    sides: Sides, proxy: Proxy, number: signal.Signals, handle: Handle, error: type[BaseException]
) -> None:
    """No request starts after the signal but the abort; the rest of the batch is unknown, never copied."""
    sides.put("data/0", b"x")
    sides.put("data/1", b"y" * (12 * 2**20))
    sides.put("data/2", b"z")
    job = sides.preflight(sides.job()).job
    (batch,) = sides.plan(job).batches
    sender, collector = Sender(1), MetricsCollector()
    proxy.forget()

    def end_the_task(request: Request) -> Reply | None:
        if request.kind == "UploadPartCopy":
            os.kill(os.getpid(), number)
            sender._pacer._stopping.wait(10)
        return None

    proxy.answer = end_the_task
    before = signal.getsignal(number)
    with (
        pytest.raises(error),
        count_batch(job, batch, collector),
        handle(sender),
    ):
        copy_batch(job, batch, sides.stores(job), metrics=collector, limits=LIMITS, sender=sender)
    assert signal.getsignal(number) is before
    assert sides.open_uploads() == []
    assert proxy.kinds()["UploadPartCopy"] == 1
    assert proxy.kinds()["AbortMultipartUpload"] == 1
    metrics = collector.metrics()
    assert metrics.total_files_found == 3
    assert metrics.files_copied_successfully + metrics.files_unknown == 3
    assert metrics.files_unknown >= 1
    assert "copy/1" not in sides.copied()
    assert set(metrics.errors_encountered.by_code) == {error.__name__}


@pytest.mark.needs("conditional_deletes")
@pytest.mark.parametrize(("number", "handle", "error"), ENDINGS.values(), ids=ENDINGS)
def test_a_signal_in_the_middle_of_deletes(
    sides: Sides, proxy: Proxy, number: signal.Signals, handle: Handle, error: type[BaseException]
) -> None:
    """No delete starts after the signal; what it may have interrupted is never counted as kept."""
    sides.put("data/a")
    for old in range(5):
        sides.destination.put_object(Bucket=sides.destination_bucket, Key=f"copy/{old}", Body=b"x")
    mirror = Mirror(
        max_deleted_objects=9, max_deleted_percent=100, allows_unversioned=True, prefixes=sides.job().prefixes
    )
    job = sides.job(mirror=mirror)
    stores = sides.stores(job)
    (batch,) = plan_deletes(job, stores, sender=Sender(1)).batches
    allowed = replace(batch, not_after=utc_now() + timedelta(minutes=5))
    sender, counted = Sender(1), DeleteCollector(allowed)

    def end_the_task(request: Request) -> Reply | None:
        if request.kind == "DeleteObject":
            os.kill(os.getpid(), number)
            sender._pacer._stopping.wait(5)
        return None

    proxy.answer = end_the_task
    with pytest.raises(error), count_deletes(job, allowed, counted), handle(sender):
        delete_batch(job, allowed, stores, counted=counted, sender=sender, reader=Sender(1))
    assert proxy.kinds()["DeleteObject"] == 1
    left = sum(key.startswith("copy/") for key in sides.copied())
    total = counted.metrics().total
    assert (left >= 4, total.extraneous) == (True, 5)
    assert total.deleted + total.gone + total.unknown >= 5 - left
