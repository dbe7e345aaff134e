"""Each kind of fault at each request of SQS: no object is lost or copied twice, no message goes too early."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.faults.kinds import FAULTS, meanwhile, spoiled
from tests.faults.proxy import Fault, FaultProxy
from tests.support.s3.proxy import Reply
from tests.support.s3.queue_runs import QueueRuns, refused_by_sqs
from tests.support.s3.sides import Sides

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.s3.servers import Endpoint

pytestmark = pytest.mark.needs("queues")
STRUCK = {"ReceiveMessage": 1, "DeleteMessageBatch": 2, "ChangeMessageVisibilityBatch": 2}
"""How many requests, one after the other."""
OBJECTS = 12
"""A lost receive hides ten of them from the first run."""


def _refused(status: int, code: str) -> Fault:
    return Fault(f"{status} {code}", lambda request, forward: refused_by_sqs(status, code))


def _replaced(name: str, reply: Reply) -> Fault:
    return Fault(name, lambda request, forward: reply)


def _confirm_half(reply: Reply) -> Reply:
    """Leave out every other one of what SQS says it did."""
    document = json.loads(reply.body)
    kept = {name: said[::2] for name, said in document.items() if isinstance(said, list)}
    return Reply(reply.status, json.dumps(document | kept).encode())


KINDS = (
    _refused(400, "RequestThrottled"),
    _refused(403, "ExpiredToken"),
    _refused(500, "InternalFailure"),
    _refused(503, "ServiceUnavailable"),
    _replaced("web page", Reply(503, b"<html>", {"Content-Type": "text/html"})),
    _replaced("malformed", Reply(200, b'{"Messages": [{}], "Successful": [{}]}')),
    spoiled("200 with {} after the act", lambda reply: Reply(200, b"{}")),
    spoiled("half of it after the act", _confirm_half),
    FAULTS["200 with nothing after the act"],
    FAULTS["reset"],
    FAULTS["reset after the act"],
    FAULTS["truncated body"],
)


@pytest.fixture(scope="module")
def runs(server: Endpoint) -> Iterator[QueueRuns]:
    """One session for all tests: it takes longer than each of them."""
    with FaultProxy(server.url) as proxy, pytest.MonkeyPatch.context() as patch:
        sides = Sides(server, server.behind(proxy.url))
        for name, value in sides.environment.items():
            patch.setenv(name, value)
        yield QueueRuns(server, sides, proxy)


@pytest.mark.parametrize("fault", KINDS, ids=lambda fault: fault.name)
def test_faults_of_sqs(runs: QueueRuns, fault: Fault) -> None:
    """Faults at each request of a batch that lasts a minute and has a failure: a second run does the rest."""
    proxy, before = runs.proxy, len(runs.metrics)
    assert isinstance(proxy, FaultProxy)
    prefix = f"{KINDS.index(fault)}/"
    keys = {f"{prefix}n-{number:02}" for number in range(OBJECTS)}
    runs.write(*keys)
    proxy.rules.clear()
    proxy.add(meanwhile("a minute passes", lambda: runs.sender.pause(61)), "CopyObject")
    proxy.add(FAULTS["AccessDenied"], "CopyObject", nth=2)
    rules = [proxy.add(fault, operation, times=times) for operation, times in STRUCK.items()]
    runs.run()
    runs.run()
    assert all(rule.seen >= rule.times for rule in rules)
    runs.check(keys, prefix)
    total = sum(runs.metrics[before:][1:], runs.metrics[before])
    assert total.messages is not None
    assert total.messages.deleted == total.files_copied_successfully == OBJECTS
    assert (total.errors_encountered.total, total.files_failed) == (1, 1)
    assert runs.queue.state() == runs.dead.state() == (0, 0)
