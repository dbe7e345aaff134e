"""Events come while batches run side by side, or die: no object is lost, and none is copied twice."""

from __future__ import annotations

import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from threading import Thread
from typing import TYPE_CHECKING

import pytest

from s3copy_tasks.copy.runner import copy_batch
from s3copy_tasks.core.collector import MetricsCollector
from s3copy_tasks.core.objects import SkipReason
from s3copy_tasks.core.options import TransferOptions
from tests.support.airflow.stack import BIN
from tests.support.builders.documents import document, write
from tests.support.s3.event_stream import EventStream
from tests.support.s3.queue_wire import QueueWire
from tests.support.s3.queues import EventQueue
from tests.support.s3.sides import now

if TYPE_CHECKING:
    from pathlib import Path

    from s3copy_tasks.core.batch import Batch
    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.metrics import TransferMetrics
    from tests.support.s3.proxy import Proxy
    from tests.support.s3.servers import Endpoint
    from tests.support.s3.sides import Sides

pytestmark = pytest.mark.needs("queues")
EVENTS = int(os.environ.get("S3COPY_EVENTS", "220"))
"""10,000 take some minutes."""


class Archive:
    """A source that is written to, its queue, and what passes the wire."""

    def __init__(self, server: Endpoint, sides: Sides, proxy: Proxy) -> None:
        self.sides = sides
        self.proxy = proxy
        self.queue = EventQueue(server)
        self.wire = QueueWire(proxy, sides)
        self.stream = EventStream(sides, self.queue, EVENTS)
        self.batches: list[TransferMetrics] = []

    def job(self) -> EffectiveJob:
        return self.sides.job(
            keys_from=self.queue.at(self.proxy.url, self.sides.job().source),
            transfer=TransferOptions(concurrency=8, batch_objects=max(EVENTS // 6, 50), max_active_batches=2),
            run_started=None,
        )

    def run(self) -> int:
        """Run two batches side by side at most, each with sides of its own; return what they received."""
        job = self.job()
        with ThreadPoolExecutor(2) as pool:
            done = list(pool.map(lambda batch: self._copy(job, batch), self.sides.plan(job).batches))
        self.batches += done
        return sum(each.messages.received for each in done if each.messages is not None)

    def _copy(self, job: EffectiveJob, batch: Batch) -> TransferMetrics:
        metrics = MetricsCollector(now)
        metrics.start_operation(job.run_id)
        copy_batch(job, batch, self.sides.stores(job), metrics=metrics)
        return metrics.metrics()

    def run_until_empty(self) -> None:
        """Run again and again; what a killed worker has received is shown again first."""
        while self.run() or any(self.queue.state()):
            self.queue.show(list(self.wire.held))

    def check(self) -> None:
        """Check that all is there with its newest content, and nothing was done twice or too early."""
        expected = {key.replace("data/", "copy/", 1): body for key, body in self.sides.originals().items()}
        assert self.sides.copied() == expected
        assert self.wire.early == []
        assert {copied: times for copied, times in self.wire.copies.items() if times > 1} == {}
        assert self.queue.state() == (0, 0)
        for metrics in self.batches:
            check_law(metrics)


def check_law(metrics: TransferMetrics) -> None:
    """Check that each object that was found has one outcome, and each message one end."""
    settled = metrics.files_copied_successfully + metrics.files_vanished + sum(metrics.files_skipped.values())
    assert metrics.total_files_found == settled
    assert (metrics.files_failed, metrics.files_unknown) == (0, 0)
    assert metrics.messages is not None
    assert metrics.messages.received == metrics.messages.deleted


def test_events_come_while_batches_run(server: Endpoint, sides: Sides, proxy: Proxy) -> None:
    """Doubled, late, superseded and of objects that are gone: all are settled, each copy is made once."""
    archive = Archive(server, sides, proxy)
    writer = Thread(target=archive.stream.run)
    writer.start()
    while writer.is_alive():
        archive.run()
    writer.join()
    archive.run_until_empty()
    archive.check()
    received = sum(each.messages.received for each in archive.batches if each.messages is not None)
    assert received >= archive.stream.sent  # a message may come twice
    copied = sum(each.files_copied_successfully for each in archive.batches)
    assert copied == archive.wire.copies.total()
    assert sum(each.files_vanished for each in archive.batches) >= archive.stream.gone
    again = sum(each.files_skipped.get(SkipReason.UNCHANGED, 0) for each in archive.batches)
    assert again > 0


def test_a_worker_is_killed(server: Endpoint, sides: Sides, proxy: Proxy, tmp_path: Path) -> None:
    """What it had received comes again: what it had copied is found unchanged, and the rest is copied."""
    archive = Archive(server, sides, proxy)
    archive.stream.run()
    url = archive.queue.at(proxy.url, sides.job().source).url
    content = document(
        source={"bucket": sides.source_bucket, "connection": "aws_source"},
        destination={"bucket": sides.destination_bucket, "connection": "aws_destination"},
        prefixes=[{"source": "data/", "destination": "copy/"}],
        transfer={"concurrency": 8},
    )
    content["from"] = {"queue": url}
    worker = subprocess.Popen([BIN / "s3copy", "run", write(tmp_path, content)])
    archive.wire.wait_for_copies(EVENTS // 3)
    worker.kill()
    worker.wait()
    assert archive.wire.held
    archive.run_until_empty()
    archive.check()
