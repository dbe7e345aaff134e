"""Events of a queue over HTTP: all are handled, and the wire shows that no message is deleted too early."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from s3copy_tasks.audit import Tally, audit
from s3copy_tasks.core.objects import SkipReason
from s3copy_tasks.core.options import TransferOptions
from s3copy_tasks.engine.sender import Sender
from tests.support.s3.queue_wire import QueueWire
from tests.support.s3.queues import TEST_EVENT, EventQueue, by_eventbridge, by_sns, notify, record

if TYPE_CHECKING:
    from s3copy_tasks.core.job import EffectiveJob
    from tests.support.s3.proxy import Proxy
    from tests.support.s3.servers import Endpoint
    from tests.support.s3.sides import Sides

pytestmark = pytest.mark.needs("queues")
OBJECTS = 60


def _in_turn(bucket: str, number: int, key: str) -> str:
    """Return an event of an object, in each of the forms in turn."""
    own = notify(record(bucket, key))
    return (own, by_sns(own), by_eventbridge(bucket, key), own)[number % 4]


def test_every_event_is_handled(server: Endpoint, sides: Sides, proxy: Proxy) -> None:
    """120 events, doubled, gone, removed, out of scope and unreadable: none is lost."""
    wire, queue, bucket = QueueWire(proxy, sides), EventQueue(server), sides.source_bucket
    keys = [f"data/n-{number:03} +ü" for number in range(OBJECTS)]
    for key in keys:
        sides.put(key, key.encode())
    created = [_in_turn(bucket, number, key) for number, key in enumerate(keys)]
    queue.send(
        [
            *created,
            *(_in_turn(bucket, number, key) for number, key in enumerate(keys[:20])),
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
    assert (metrics.messages.received, metrics.messages.deleted) == (120, 119)
    assert queue.state() == (0, 1)
    _check_by_listing(sides, job)


def _check_by_listing(sides: Sides, job: EffectiveJob) -> None:
    """An audit of the job lists both sides and finds them equal; a listing job has nothing to copy."""
    tally = Tally()
    assert list(audit(job, sides.stores(job), Sender(8), tally)) == []
    assert (tally.compared, tally.same) == (OBJECTS, OBJECTS)
    assert sides.plan(replace(job, keys_from=None)).batches == ()
