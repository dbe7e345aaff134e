"""Runs of a job that a queue names the keys of, over HTTP, with pauses that take no time."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from s3copy_tasks.copy.runner import copy_batch, count_batch
from s3copy_tasks.core.collector import MetricsCollector
from s3copy_tasks.core.options import TransferOptions
from tests.support.builders.bench import impatient
from tests.support.s3.proxy import Reply
from tests.support.s3.queue_wire import QueueWire
from tests.support.s3.queues import EventQueue, notify, record
from tests.support.s3.sides import now

if TYPE_CHECKING:
    from s3copy_tasks.core.metrics import TransferMetrics
    from tests.support.s3.proxy import Proxy
    from tests.support.s3.servers import Endpoint
    from tests.support.s3.sides import Sides

RECEIVES_MAX = 5


class QueueRuns:
    """A source, the queue of its events, a queue of dead letters, and one run after the other.

    Args:
        server: of both queues.
        sides: both buckets.
        proxy: before the buckets and the queue.
        in_flight: requests of S3 at once.

    Attributes:
        dead: gets what was received `RECEIVES_MAX` times.
        sender: whose clock moves only while something waits.
        metrics: of all runs so far.
    """

    def __init__(self, server: Endpoint, sides: Sides, proxy: Proxy, *, in_flight: int = 8) -> None:
        self.sides = sides
        self.proxy = proxy
        self.wire = QueueWire(proxy, sides)
        self.dead = EventQueue(server)
        redrive = {"deadLetterTargetArn": self.dead.arn, "maxReceiveCount": RECEIVES_MAX}
        self.queue = EventQueue(server, {"RedrivePolicy": json.dumps(redrive)})
        self.sender = impatient(in_flight)
        self.metrics: list[TransferMetrics] = []
        self._job = sides.job(
            keys_from=self.queue.at(proxy.url, sides.job().source),
            transfer=TransferOptions(concurrency=in_flight, max_active_batches=1),
            run_started=None,
        )

    def write(self, *keys: str) -> None:
        """Write objects below `data/`, and send an event for each."""
        for key in keys:
            self.sides.put(f"data/{key}", key.encode())
        self.queue.send(notify(record(self.sides.source_bucket, f"data/{key}")) for key in keys)

    def run(self) -> TransferMetrics:
        """Show what is hidden, as SQS does in the end; then plan and copy."""
        self.queue.show(list(self.wire.held))
        (batch,) = self.sides.plan(self._job).batches
        metrics = MetricsCollector(now)
        sender = self.sender.share()
        with count_batch(self._job, batch, metrics):
            copy_batch(self._job, batch, self.sides.stores(self._job), metrics=metrics, sender=sender)
        self.metrics.append(metrics.metrics())
        return self.metrics[-1]

    def copied(self, prefix: str = "") -> dict[str, str]:
        """Return the ETag of each object of the destination, by its key below `copy/`."""
        listed = self.sides.destination.list_objects_v2(
            Bucket=self.sides.destination_bucket, Prefix=f"copy/{prefix}"
        )
        return {
            row["Key"].removeprefix("copy/"): row["ETag"].strip('"') for row in listed.get("Contents", ())
        }

    def check(self, keys: set[str], prefix: str = "") -> None:
        """Check that objects were copied, each once, and that no message was deleted before."""
        copied = self.copied(prefix)
        assert copied.keys() == keys
        assert {key: self.wire.copies[key, etag] for key, etag in copied.items()} == dict.fromkeys(keys, 1)
        assert self.wire.early == []


def refused_by_sqs(status: int, code: str) -> Reply:
    """Return an error as SQS sends it."""
    body = json.dumps({"__type": f"com.amazonaws.sqs#{code}", "message": "made up by the test"})
    return Reply(status, body.encode(), {"Content-Type": "application/x-amz-json-1.0"})
