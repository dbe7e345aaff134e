"""Events of a queue over HTTP: all are handled, and the wire shows that no message is deleted too early."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_plus

import pytest

from s3copy_tasks.audit import Tally, audit
from s3copy_tasks.core.objects import SkipReason
from s3copy_tasks.core.options import TransferOptions
from s3copy_tasks.engine.sender import Sender
from tests.support.s3.queues import TEST_EVENT, EventQueue, by_eventbridge, by_sns, notify, record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from s3copy_tasks.core.job import EffectiveJob
    from tests.support.s3.proxy import Proxy, Reply, Request
    from tests.support.s3.servers import Endpoint
    from tests.support.s3.sides import Sides

pytestmark = pytest.mark.needs("queues")
OBJECTS = 200
DELETE = "AmazonSQS.DeleteMessageBatch"


class Wire:
    """What passed the proxy: when each copy was answered, and when each message was deleted."""

    def __init__(self, proxy: Proxy) -> None:
        self.copied: set[str] = set()
        self.keys: dict[str, list[str]] = {}
        self.early: list[str] = []
        self._forward = proxy.forward
        proxy.forward = self.forward  # type: ignore[method-assign]

    def forward(self, request: Request) -> Reply:
        action = request.headers.get("x-amz-target", "")
        if action == DELETE:
            for entry in json.loads(request.body)["Entries"]:
                waits_for = self.keys[entry["ReceiptHandle"]]
                self.early += [key for key in waits_for if key not in self.copied]
        reply = self._forward(request)
        if request.kind == "CopyObject" and reply.status == 200:
            self.copied.add(request.key.removeprefix("copy/"))
        elif action == "AmazonSQS.ReceiveMessage":
            for message in json.loads(reply.body).get("Messages", ()):
                self.keys[message["ReceiptHandle"]] = [
                    key for key in self.named(message["Body"]) if key.startswith("n-")
                ]
        return reply

    def named(self, body: str) -> Iterator[str]:
        """Yield the keys of a message in S3's own form, below the prefix."""
        try:
            document: Any = json.loads(body)
        except ValueError:
            return
        for one in document.get("Records", ()):
            yield unquote_plus(one["s3"]["object"]["key"]).removeprefix("data/")


def _in_turn(bucket: str, number: int, key: str) -> str:
    """Return an event of an object, in each of the forms in turn."""
    own = notify(record(bucket, key))
    return (own, by_sns(own), by_eventbridge(bucket, key), own)[number % 4]


def test_every_event_is_handled(server: Endpoint, sides: Sides, proxy: Proxy) -> None:
    """300 events, doubled, gone, removed, out of scope and unreadable: none is lost."""
    wire, queue, bucket = Wire(proxy), EventQueue(server), sides.source_bucket
    keys = [f"data/n-{number:03} +ü" for number in range(OBJECTS)]
    for key in keys:
        sides.put(key, key.encode())
    created = [_in_turn(bucket, number, key) for number, key in enumerate(keys)]
    queue.send(
        [
            *created,
            *(_in_turn(bucket, number, key) for number, key in enumerate(keys[:60])),
            notify(*(record(bucket, key) for key in keys[:5])),
            *(notify(record(bucket, f"data/gone-{number}")) for number in range(20)),
            *(notify(record(bucket, key, "ObjectRemoved:Delete")) for key in keys[:9]),
            *(notify(record(bucket, f"elsewhere/{number}")) for number in range(8)),
            TEST_EVENT,
            "not an event",
        ]
    )
    job = sides.job(
        keys_from=queue.at(proxy.url, sides.job().source),
        transfer=TransferOptions(concurrency=8, max_active_batches=1),
        run_started=None,
    )
    metrics = sides.copy_all(job)
    assert sides.copied() == {key.replace("data/", "copy/", 1): key.encode() for key in keys}
    assert wire.early == []
    assert metrics.files_copied_successfully == OBJECTS
    assert (metrics.files_vanished, metrics.files_failed, metrics.files_unknown) == (20, 1, 0)
    assert metrics.files_skipped[SkipReason.REMOVAL_EVENT] == 9
    assert metrics.files_skipped[SkipReason.OUT_OF_SCOPE] == 8
    assert metrics.messages is not None
    assert (metrics.messages.received, metrics.messages.deleted) == (300, 299)
    assert queue.state() == (0, 1)
    _check_by_listing(sides, job)


def _check_by_listing(sides: Sides, job: EffectiveJob) -> None:
    """An audit of the job lists both sides and finds them equal; a listing job has nothing to copy."""
    tally = Tally()
    assert list(audit(job, sides.stores(job), Sender(8), tally)) == []
    assert (tally.compared, tally.same) == (OBJECTS, OBJECTS)
    assert sides.plan(replace(job, keys_from=None)).batches == ()
