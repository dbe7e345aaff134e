"""Batches that come and go share one rate, in virtual time."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3copy_tasks.core.rate_share import ANSWER_SECONDS_MAX, ASK_SECONDS, NEW_SECONDS, RateShare

PER_SECOND = 3_500.0


@dataclass(eq=False)
class Batch:
    """A batch that runs from `start` on for `seconds`; its questions take `answer_seconds`."""

    start: float
    seconds: float
    answer_seconds: float = 0.0
    rate: float = 0.0
    steps: Iterator[float] | None = None

    @property
    def end(self) -> float:
        return self.start + self.seconds


class Run:
    """Batches in virtual time, no more than `at_once`: others wait for their turn, as in Airflow."""

    def __init__(self, at_once: int, batches: list[Batch]) -> None:
        self.now = 0.0
        self.share = RateShare(per_second=PER_SECOND, at_once=at_once)
        self.running: list[Batch] = []
        self.rates: list[tuple[float, float]] = []
        self._waiting = sorted(batches, key=lambda batch: batch.start)
        self._events: list[tuple[float, int, Batch]] = []

    def run(self) -> None:
        """Let time pass until all batches have ended; note the sum of the rates after each step."""
        for number, batch in enumerate(self._waiting):
            heapq.heappush(self._events, (batch.start, number, batch))
        number = len(self._waiting)
        while self._events:
            self.now, _, batch = heapq.heappop(self._events)
            self.running = [other for other in self.running if other.end > self.now]
            wait = self._step(batch)
            if wait is not None:
                number += 1
                heapq.heappush(self._events, (self.now + wait, number, batch))
            if self.running:
                self.rates.append((self.now, sum(other.rate for other in self.running)))

    def _step(self, batch: Batch) -> float | None:
        if batch.steps is None:
            if len(self.running) >= self.share.at_once:
                batch.start = min(other.end for other in self.running)
                return batch.start - self.now
            batch.start = self.now
            self.running.append(batch)
            batch.steps = self._steps_of(batch)
        return next(batch.steps) if batch in self.running else None

    def _steps_of(self, batch: Batch) -> Iterator[float]:
        asked = 0

        def clock() -> float:
            nonlocal asked
            asked += 1
            return 0.0 if asked % 2 else batch.answer_seconds

        def limit(per_second: float) -> None:
            batch.rate = per_second

        for seconds in self.share.follow(lambda: len(self.running), limit, clock):
            yield seconds + batch.answer_seconds * (asked > 0)


BATCHES = st.builds(
    Batch,
    start=st.floats(0, 60),
    seconds=st.floats(0.1, 60),
    answer_seconds=st.sampled_from([0.0, 0.01, 0.5, ANSWER_SECONDS_MAX]),
)


@settings(deadline=None, max_examples=300)
@given(at_once=st.integers(1, 16), batches=st.lists(BATCHES, min_size=1, max_size=24))
def test_the_sum_never_exceeds_the_job(at_once: int, batches: list[Batch]) -> None:
    """Whenever batches start, ask and end, also at the same moment, they send no more than the job may."""
    run = Run(at_once, batches)
    run.run()
    assert max(rate for _, rate in run.rates) <= PER_SECOND * (1 + 1e-9)


def test_a_batch_that_runs_alone_gets_more_than_its_part() -> None:
    """A pool of one slot is not limited to an eighth of the rate."""
    run = Run(8, [Batch(start=0.0, seconds=120.0)])
    run.run()
    assert run.rates[0][1] == PER_SECOND / 16
    assert run.rates[-1][1] > PER_SECOND / 2


def test_batches_that_run_together_share_evenly() -> None:
    """If as many run as can, each has its part, and all is used."""
    run = Run(4, [Batch(start=0.0, seconds=60.0) for _ in range(4)])
    run.run()
    assert {rate for now, rate in run.rates if now > NEW_SECONDS + ASK_SECONDS} == {PER_SECOND}


def test_a_single_batch_has_everything_at_once() -> None:
    """A job with one batch at a time never waits."""
    share = RateShare(per_second=PER_SECOND, at_once=1)
    assert share.of_new == share.least == share.of(1) == PER_SECOND


def test_without_an_answer_in_time_a_batch_keeps_its_part() -> None:
    """An answer that took too long is not believed."""
    run = Run(8, [Batch(start=0.0, seconds=60.0, answer_seconds=2 * ANSWER_SECONDS_MAX)])
    run.run()
    assert run.rates[-1][1] == PER_SECOND / 8


def test_a_lower_count_is_believed_when_it_is_seen_twice() -> None:
    """What has just ended may still be sending: a task that was marked failed runs on for some seconds."""
    share, limits = RateShare(per_second=PER_SECOND, at_once=8), [0.0]
    counts = iter([8, 1, 1, 8])
    steps = share.follow(lambda: next(counts), limits.append, lambda: 0.0)
    seen = [limits[-1] for _ in zip(range(5), steps, strict=False)]
    assert seen == [share.of_new, share.of(8), share.of(8), share.of(1), share.of(8)]


@pytest.mark.parametrize("running", [0, 9])
def test_counts_are_bounded(running: int) -> None:
    """A count that can't be right is taken as the nearest that can."""
    share = RateShare(per_second=PER_SECOND, at_once=8)
    assert share.of(running) == share.of(min(max(running, 1), 8))
