"""Faults while thousands of requests are in flight: each object has its own outcome, and is counted once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import pytest

from s3copy_tasks.copy.runner import copy_batch, count_batch
from s3copy_tasks.core.in_flight import IN_FLIGHT_LEAST, IN_FLIGHT_MOST
from s3copy_tasks.core.options import AUTO, TransferOptions
from s3copy_tasks.core.store import Stores
from s3copy_tasks.engine.sender import Sender, make_sender
from s3copy_tasks.errors import RequestError, ThrottledError, TransientError
from tests.support.builders.bench import Bench, impatient
from tests.support.s3.memory import MemoryStore

if TYPE_CHECKING:
    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.metrics import TransferMetrics
    from s3copy_tasks.core.store import Store
    from tests.support.s3.memory import Call

Way: TypeAlias = Callable[[str], Awaitable[None]]
"""Holds a request of a verb for as long as it takes to the server."""
KINDS = 20
"""Objects whose numbers have the same remainder have the same fault."""
RESET, SLOW, REFUSED, DELETED, LOST = range(5)
ROUND_TRIP_SECONDS = 0.3
PATIENCE_SECONDS = 60


async def far(_: str) -> None:
    """Let each request take the same time."""
    await asyncio.sleep(ROUND_TRIP_SECONDS)


class Crowd:
    """Holds copies until so many have come; all later ones pass."""

    def __init__(self, size: int) -> None:
        self._missing = size
        self._is_complete = asyncio.Event()

    async def __call__(self, verb: str) -> None:
        if verb == "copy_object":
            self._missing -= 1
            if self._missing <= 0:
                self._is_complete.set()
            await asyncio.wait_for(self._is_complete.wait(), PATIENCE_SECONDS)


class Distant:
    """A store in memory, and the way to it."""

    def __init__(self, store: MemoryStore, way: Way) -> None:
        self._store = store
        self._way = way

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        verb = getattr(self._store, name)

        async def call(*args: Any, **options: Any) -> Any:
            await self._way(name)
            return verb(*args, **options)

        return call


class Faults:
    """What happens to the first copy of some objects; what is `REFUSED` or `DELETED` is so for good."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._seen: set[str] = set()
        bench.server.before.append(self._before)
        bench.server.after.append(self._after)

    def stop(self) -> None:
        self._bench.server.before.clear()
        self._bench.server.after.clear()

    def _before(self, call: Call) -> None:
        if call.verb != "copy_object":
            return
        kind, is_first = kind_of(call), call.key not in self._seen
        self._seen.add(call.key)
        if kind == REFUSED:
            raise RequestError("refused for good", code="InvalidRequest")
        if kind == RESET and is_first:
            raise TransientError("not done", code="InternalError")
        if kind == SLOW and is_first:
            raise ThrottledError("slow down", code="SlowDown")
        if kind == DELETED:
            self._bench.delete(call.key.replace("out/", "in/"))

    def _after(self, call: Call) -> None:
        if call.verb == "copy_object" and kind_of(call) == LOST:
            raise TransientError("the reply is lost", code="ConnectionClosedError")


def kind_of(call: Call) -> int:
    return int(call.key.removeprefix("out/")) % KINDS


@dataclass(frozen=True)
class Many:
    """A job with many objects, what sends its requests, and what holds them.

    Attributes:
        objects: how many there are.
        transfer: options of the job.
        way: to the server.
        make_sender: makes a sender of the options.
        peak: so many requests are in flight at the same time, or more.
    """

    objects: int
    transfer: TransferOptions
    way: Way
    make_sender: Callable[[TransferOptions], Sender]
    peak: int

    def copy(self, bench: Bench, job: EffectiveJob) -> TransferMetrics:
        """Carry out a job of one batch."""
        (batch,) = bench.plan(job).batches
        collector = bench.collector(job)
        stores = Stores(
            source=self._behind_way(bench.source), destination=self._behind_way(bench.destination)
        )
        with count_batch(job, batch, collector):
            copy_batch(job, batch, stores, metrics=collector, sender=self.make_sender(self.transfer))
        return collector.metrics()

    def _behind_way(self, store: MemoryStore) -> Store:
        return cast("Store", Distant(store, self.way))


MANY = {
    "4,000": Many(
        objects=5_000,
        transfer=TransferOptions(concurrency=IN_FLIGHT_MOST),
        way=Crowd(IN_FLIGHT_MOST),
        make_sender=lambda transfer: impatient(transfer.in_flight),
        peak=IN_FLIGHT_MOST,
    ),
    "auto": Many(
        objects=1_500,
        transfer=TransferOptions(concurrency=AUTO),
        way=far,
        make_sender=make_sender,
        peak=IN_FLIGHT_LEAST + 1,
    ),
}


@pytest.mark.parametrize("many", MANY.values(), ids=MANY)
def test_each_object_has_its_outcome(many: Many) -> None:
    """Nothing is lost or counted twice; the next run copies exactly what failed."""
    bench, each = Bench(), many.objects // KINDS
    bench.put(*(f"in/{number:05}" for number in range(many.objects)))
    faults = Faults(bench)
    metrics = many.copy(bench, bench.started(transfer=many.transfer))
    assert metrics.requests.peak_in_flight >= many.peak
    assert metrics.errors_encountered.by_code == {"InvalidRequest": each}
    assert (metrics.files_failed, metrics.files_vanished, metrics.files_unknown) == (each, each, 0)
    assert metrics.files_copied_successfully == len(bench.written) == many.objects - 2 * each

    faults.stop()
    again = many.copy(bench, bench.started(transfer=many.transfer))
    assert (again.files_copied_successfully, again.files_failed) == (each, 0)
    assert len(bench.written) == many.objects - each
    assert bench.plan(bench.started(transfer=many.transfer)).batches == ()
