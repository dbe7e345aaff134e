"""What limits a batch, in virtual time: a listing, workers, and a server that answers or throttles."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

from s3copy_tasks.engine.loop import wait_for
from s3copy_tasks.engine.sender import Sender
from s3copy_tasks.engine.workers import Workers
from s3copy_tasks.errors import ThrottledError
from tests.support.builders.virtual import VirtualTime

SLOW = ThrottledError("slow down", code="SlowDown")
_BURST = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """A batch, its listing, and a server; `accepted` requests a second are not throttled."""

    objects: int = 1_000
    page_keys: int = 1_000
    page_seconds: float = 0.0
    in_flight: int = 256
    in_flight_most: int | None = None
    opened: int | None = None
    per_second: float | None = 3_500.0
    latency: float = 0.03
    accepted: float | None = None
    cpu_share: float = 0.3
    late_seconds: float = 0.0


class Trial:
    """Copies all objects.

    Attributes:
        limited_by: seconds by bottleneck.
        seconds: how long it took.
        peak: the most in flight.
    """

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._time = VirtualTime()
        self._tokens, self._filled = _BURST, 0.0
        self._copied = 0
        self._sender = Sender(
            setting.in_flight,
            in_flight_most=setting.in_flight_most,
            opened=setting.opened,
            per_second=setting.per_second,
            wait=self._time.sleep,
            jitter=lambda: 0.5,
            clock=lambda: self._time.now,
            cpu_clock=lambda: setting.cpu_share * self._time.now,
        )
        workers = Workers(
            self._copy,
            lambda: self._sender.in_flight_limit,
            watch=self._sender.watch_bottlenecks(),
            pause=lambda seconds: self._time.sleep(seconds + setting.late_seconds),
        )
        wait_for(self._time.run(self._list(workers)))
        workers.abandon()
        self.seconds = self._time.now
        requests = self._sender.counted().requests()
        self.limited_by, self.peak = requests.limited_by, requests.peak_in_flight

    async def _list(self, workers: Workers[int]) -> None:
        """Add objects as pages arrive and workers have room; return when all are copied."""
        setting = self._setting
        for number in range(setting.objects):
            if setting.page_seconds and number % setting.page_keys == 0:
                await self._time.sleep(setting.page_seconds)
            while number - self._copied >= 2 * self._sender.in_flight_limit:
                await self._time.sleep(0.001)
            workers.add(number)
        workers.close()
        while self._copied < setting.objects:
            await self._time.sleep(0.001)

    async def _copy(self, _: int) -> None:
        await self._sender.send("CopyObject", self._answer)
        self._copied += 1

    async def _answer(self) -> None:
        await self._time.sleep(self._setting.latency / 2)
        is_accepted = self._setting.accepted is None or self._take_token(self._setting.accepted)
        await self._time.sleep(self._setting.latency / 2)
        if not is_accepted:
            raise SLOW

    def _take_token(self, per_second: float) -> bool:
        now = self._time.now
        self._tokens = min(_BURST, self._tokens + (now - self._filled) * per_second)
        self._filled = now
        is_left = self._tokens >= 1.0
        self._tokens -= is_left
        return is_left


LIMITED = {
    "rate": ("rate", Setting(per_second=200)),
    "S3": ("s3", Setting(accepted=200)),
    "in flight": ("in_flight", Setting(in_flight=8, latency=0.3, objects=200)),
    "listing": ("listing", Setting(page_keys=50, page_seconds=0.31)),
    "CPU": ("cpu", Setting(cpu_share=0.95, per_second=None, in_flight=16)),
    "CPU that others use": ("cpu", Setting(late_seconds=0.03, per_second=None, in_flight=16)),
    "rate, and the CPU is nearly used": ("rate", Setting(per_second=200, cpu_share=0.95)),
}


@pytest.mark.parametrize(("limit", "setting"), LIMITED.values(), ids=LIMITED)
def test_what_limits_a_batch_is_said(limit: str, setting: Setting) -> None:
    """Of the time of a batch that one thing limits, nine tenths are counted for it, and none twice."""
    trial = Trial(setting)
    assert trial.limited_by[limit] > 0.9 * trial.seconds
    assert sum(trial.limited_by.values()) <= trial.seconds + 0.001


def test_what_limits_a_batch_may_change() -> None:
    """A page after two seconds is copied while the next arrives: after that, only the rate limits."""
    trial = Trial(Setting(page_keys=500, page_seconds=2.0, per_second=250))
    assert trial.limited_by == pytest.approx({"rate": 4.0, "listing": 2.0}, abs=0.1)


FAR = Setting(objects=8_000, latency=0.3, in_flight_most=4_000, opened=256)


@pytest.mark.parametrize(
    ("setting", "least", "most"),
    [
        pytest.param(FAR, 1_000, 1_500, id="CPU time left"),
        pytest.param(replace(FAR, cpu_share=0.95), 256, 256, id="no CPU time left"),
        pytest.param(replace(FAR, late_seconds=0.03), 256, 256, id="others use the CPU"),
        pytest.param(replace(FAR, latency=0.03, per_second=1_000), 1, 60, id="no more needed"),
    ],
)
def test_connections_open_while_there_is_cpu_time(setting: Setting, least: int, most: int) -> None:
    """Beyond the first, each costs a handshake: they are opened if they are needed and can be paid for."""
    assert least <= Trial(setting).peak <= most
