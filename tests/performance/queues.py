"""Receives and deletes messages in a separate process, and measures what that costs."""

from __future__ import annotations

import itertools
import time
from typing import TYPE_CHECKING, Any

import boto3

from s3copy_tasks.core.collector import utc_now
from s3copy_tasks.core.held_messages import HIDDEN_SECONDS, HeldMessages, Incoming
from s3copy_tasks.core.location import Location
from s3copy_tasks.core.messages import parse_message
from s3copy_tasks.core.queue import Queue, Received
from s3copy_tasks.s3.queue_client import SqsQueue
from tests.performance.child import obey
from tests.performance.null_sqs import TOGETHER
from tests.support.s3.queues import notify, record
from tests.support.s3.servers.endpoint import REGION

if TYPE_CHECKING:
    from collections.abc import Callable

_BEFORE = 100


class Queues:
    """The methods that a benchmark calls; each returns CPU seconds."""

    def curl(self, url: str, messages: int) -> float:
        """Receive and delete as this package does."""
        queue = SqsQueue(Queue(url=url, location=Location(bucket="events", region=REGION)))

        def handle_ten() -> None:
            received = queue.receive(wait_seconds=5, hidden_seconds=HIDDEN_SECONDS)
            left = queue.delete([message.handle for message in received])
            if left or len(received) != TOGETHER:
                raise RuntimeError(f"{len(received)} received, {len(left)} not deleted")

        return _measure(handle_ten, messages)

    def boto3(self, url: str, messages: int) -> float:
        """Receive and delete as boto3 does."""
        client = boto3.client("sqs", region_name=REGION, endpoint_url=url.rpartition("/1111")[0])

        def handle_ten() -> None:
            received = client.receive_message(QueueUrl=url, MaxNumberOfMessages=TOGETHER)["Messages"]
            entries: Any = [
                {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
                for number, message in enumerate(received)
            ]
            client.delete_message_batch(QueueUrl=url, Entries=entries)

        return _measure(handle_ten, messages)

    def ledger(self, messages: int) -> float:
        """Read messages, and note what each waits for until it can be deleted; sends nothing."""
        held, numbers = HeldMessages(), itertools.count()

        def handle_ten() -> None:
            ten = [_make_message(next(numbers)) for _ in range(TOGETHER)]
            read = [(message, tuple(event.key for event in parse_message(message.body))) for message in ten]
            incoming = [Incoming(message, keys, in_scope=True, outside="") for message, keys in read]
            for key in held.take(incoming).keys:
                held.settle(key)
            held.confirm_deleted(held.next_to_delete())

        return _measure(handle_ten, messages)


def _make_message(number: int) -> Received:
    body = notify(record("granules", f"data/2026/331/granule-{number:012}.nc"))
    return Received(id=str(number), handle=f"handle-{number}", body=body, receives=1, sent=utc_now())


def _measure(handle_ten: Callable[[], None], messages: int) -> float:
    for _ in range(_BEFORE // TOGETHER):
        handle_ten()
    began = time.process_time()
    for _ in range(messages // TOGETHER):
        handle_ten()
    return time.process_time() - began


if __name__ == "__main__":
    obey(Queues())
