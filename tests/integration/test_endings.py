"""A task that Airflow ends stops sending, leaves no upload behind, and still reports its metrics."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from s3copy_tasks.copy.runner import copy_batch, count_batch
from s3copy_tasks.core.collector import MetricsCollector
from s3copy_tasks.core.multipart import Limits
from s3copy_tasks.dag.outcome import stop_on_sigterm
from s3copy_tasks.engine.sender import Sender

if TYPE_CHECKING:
    from tests.support.s3.proxy import Proxy, Reply, Request
    from tests.support.s3.sides import Sides

LIMITS = Limits(single_copy_bytes=6 * 2**20, part_bytes=5 * 2**20)


def test_sigterm_in_the_middle_of_a_multipart_copy(sides: Sides, proxy: Proxy) -> None:
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
            os.kill(os.getpid(), signal.SIGTERM)
            sender._pacer._stopping.wait(10)
        return None

    proxy.answer = end_the_task
    before = signal.getsignal(signal.SIGTERM)
    with (
        pytest.raises(InterruptedError),
        count_batch(job, batch, collector),
        stop_on_sigterm(sender),
    ):
        copy_batch(job, batch, sides.stores(job), metrics=collector, limits=LIMITS, sender=sender)
    assert signal.getsignal(signal.SIGTERM) is before
    assert sides.open_uploads() == []
    assert proxy.kinds()["UploadPartCopy"] == 1
    assert proxy.kinds()["AbortMultipartUpload"] == 1
    metrics = collector.metrics()
    assert metrics.total_files_found == 3
    assert metrics.files_copied_successfully + metrics.files_unknown == 3
    assert metrics.files_unknown >= 1
    assert "copy/1" not in sides.copied()
