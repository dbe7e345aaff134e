"""A server with a limit of requests per second, and a sender that does not know the limit."""

from __future__ import annotations

import random
from collections import Counter
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from s3copy_tasks.core.store import Deleted, DeleteRequest
from s3copy_tasks.engine.loop import wait_for
from s3copy_tasks.engine.paced_store import PacedStore
from s3copy_tasks.engine.sender import Sender
from s3copy_tasks.errors import ThrottledError
from tests.support.builders.virtual import VirtualTime

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

SLOW = ThrottledError("slow down", code="SlowDown")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limited:
    """A server with a token bucket of size `burst` that fills at `rate`; and its senders and duration."""

    rate: float
    burst: float
    round_trip: float = 0.03
    spread: float = 0.0
    in_flight: int = 256
    in_flight_most: int | None = None
    senders: int = 1
    seconds: float = 60.0
    settled_after: float = 10.0


SERVERS = {
    "S3's floor": Limited(rate=3_500, burst=35, seconds=8.0, settled_after=3.0),
    "a small burst": Limited(rate=3_500, burst=10, seconds=5.0, settled_after=3.0),
    "a minute": Limited(rate=350, burst=10),
    "far away, answers spread": Limited(
        rate=1_000, burst=50, round_trip=0.1, spread=0.5, in_flight=500, seconds=20.0
    ),
    "four batches share it": Limited(rate=350, burst=50, senders=4, in_flight=64),
    "others use nearly all of it": Limited(rate=50, burst=10, in_flight=64),
    "in flight as latency requires": Limited(
        rate=700, burst=35, round_trip=0.3, in_flight_most=4_000, seconds=20.0
    ),
}


class Trial:
    """Virtual time; `settled` counts accepted and refused requests, once the limit can be known."""

    def __init__(self, server: Limited) -> None:
        self._server = server
        self._time = VirtualTime()
        self._random = random.Random(5)
        self._tokens, self._filled = server.burst, 0.0
        self.settled: Counter[bool] = Counter()

    def run(self) -> None:
        """Send as many requests as the senders allow."""
        senders = [
            Sender(
                self._server.in_flight,
                in_flight_most=self._server.in_flight_most,
                wait=self._time.sleep,
                jitter=self._random.random,
                clock=lambda: self._time.now,
            )
            for _ in range(self._server.senders)
        ]
        count = self._server.in_flight_most or self._server.in_flight
        workers = (self._worker(one) for one in senders for _ in range(count))
        wait_for(self._time.run(*workers))

    async def _worker(self, sender: Sender) -> None:
        while self._time.now < self._server.seconds:
            await sender.send("CopyObject", self._request)

    async def _request(self) -> None:
        await self._time.sleep(self._way())
        now = self._time.now
        self._tokens = min(self._server.burst, self._tokens + (now - self._filled) * self._server.rate)
        self._filled = now
        accepted = self._tokens >= 1.0
        self._tokens -= accepted
        if self._server.settled_after <= now < self._server.seconds:
            self.settled[accepted] += 1
        await self._time.sleep(self._way())
        if not accepted:
            raise SLOW

    def _way(self) -> float:
        half = self._server.round_trip / 2
        return half * (1.0 + self._server.spread * self._random.random())


@pytest.mark.parametrize("server", SERVERS.values(), ids=SERVERS)
def test_a_limit_is_found_and_kept(server: Limited) -> None:
    """More than 90 % of what S3 accepts is used, under 5 % of requests are wasted, no object fails."""
    trial = Trial(server)
    trial.run()
    used = trial.settled[True] / (server.seconds - server.settled_after) / server.rate
    assert used > 0.9
    assert trial.settled[False] / trial.settled.total() < 0.05


def test_a_limit_of_keys_is_found_and_kept() -> None:
    """S3 refuses some of a request's keys: the rate falls to what it accepts, counted by keys."""
    time, rate, burst = VirtualTime(), 3_500, 1_000.0
    sender = Sender(16, wait=time.sleep, jitter=random.Random(5).random, clock=lambda: time.now)
    tokens, filled, found = burst, 0.0, Counter[bool]()

    class Store:
        async def delete_objects(
            self, requests: Sequence[DeleteRequest]
        ) -> Mapping[str, Deleted | ThrottledError]:
            nonlocal tokens, filled
            tokens, filled = min(burst, tokens + (time.now - filled) * rate), time.now
            accepted = min(int(tokens), len(requests))
            tokens -= accepted
            if 10.0 <= time.now < 30.0:
                found.update({True: accepted, False: len(requests) - accepted})
            await time.sleep(0.1)
            return {
                request.key: Deleted() if index < accepted else copy(SLOW)
                for index, request in enumerate(requests)
            }

    store: Any = Store()
    paced = PacedStore(store, sender)

    async def worker(number: int) -> None:
        while time.now < 30.0:
            requests = [DeleteRequest(key=f"{number}/{key}", etag="e") for key in range(1_000)]
            outcomes = await paced.delete_objects(requests)
            assert set(outcomes.values()) == {Deleted()}

    wait_for(time.run(*map(worker, range(16))))
    assert found[True] / 20.0 / rate > 0.9
    assert found[False] / found.total() < 0.05
