"""How many requests may start per second."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3copy_tasks.core.request_rate import RequestRate


@settings(deadline=None, max_examples=60)
@given(
    in_flight=st.integers(1, 1_000),
    per_second=st.none() | st.floats(1.5, 10_000),
    events=st.lists(st.tuples(st.floats(0.0, 1.0), st.booleans()), max_size=200),
)
def test_rate_stays_in_bounds(
    in_flight: int, per_second: float | None, events: list[tuple[float, bool]]
) -> None:
    """The rate is never below 1 a second, and never above what the job allows."""
    rate, now = RequestRate(in_flight, per_second), 0.0
    least = 0.0 if per_second is None else 1 / per_second
    for seconds, slow in events:
        now += seconds
        if slow:
            rate.throttled(rate.generation, now)
        else:
            rate.answered(now)
        assert least <= rate.gap_seconds <= max(1.0, least)


def answered(rate: RequestRate, start: float, per_second: int, seconds: float) -> float:
    """Let so many requests be answered; return when the last one was."""
    for number in range(int(per_second * seconds)):
        rate.answered(start + (number + 1) / per_second)
    return start + seconds


def test_no_pace_until_throttled() -> None:
    """No request waits for its time before S3 asks to slow down."""
    rate = RequestRate(64)
    answered(rate, 0.0, 1_000, 5.0)
    assert rate.gap_seconds == 0.0


def test_the_first_slow_down_sets_the_rate_to_what_was_answered() -> None:
    """S3 accepts the rate of recent answers."""
    rate = RequestRate(64)
    now = answered(rate, 0.0, 1_000, 5.1)
    rate.throttled(rate.generation, now)
    assert 1 / rate.gap_seconds == pytest.approx(1_000, rel=0.02)


def test_one_decrease_per_round_trip() -> None:
    """All throttled replies to requests of one round trip lower the rate once."""
    rate = RequestRate(64)
    now = answered(rate, 0.0, 1_000, 5.1)
    rate.throttled(rate.generation, now)
    first, sent_at = rate.gap_seconds, rate.generation
    for _ in range(64):
        rate.throttled(sent_at, now + 1.0)
    assert rate.gap_seconds == pytest.approx(first / 0.97)
    rate.throttled(rate.generation, now + 1.1)
    assert rate.gap_seconds == pytest.approx(first / 0.97 / 0.94), "the second one in a row lowers it more"


def test_a_rate_that_is_used_rises_faster_and_faster() -> None:
    """A rate that S3 tolerates is raised every quarter of a second: it doubles within four seconds."""
    rate = RequestRate(64)
    now = answered(rate, 0.0, 1_000, 5.1)
    rate.throttled(rate.generation, now)
    steps = []
    for _ in range(16):
        before = rate.gap_seconds
        now = answered(rate, now, int(1 / before), 0.26)
        steps.append(before / rate.gap_seconds)
    assert steps == pytest.approx(sorted(steps))
    assert 2.0 < math.prod(steps) < 5.0


def test_a_rate_that_is_not_used_stays() -> None:
    """If there are few requests for other reasons, that proves nothing about S3."""
    rate = RequestRate(64)
    now = answered(rate, 0.0, 1_000, 5.1)
    rate.throttled(rate.generation, now)
    before = rate.gap_seconds
    answered(rate, now, 100, 5.0)
    assert rate.gap_seconds == before


def test_a_new_limit_is_kept_at_once() -> None:
    """A rate that S3 did not lower follows the limit up and down."""
    rate = RequestRate(64, 100)
    for per_second in (1_000, 50, 3_500):
        rate.limit(per_second)
        assert rate.gap_seconds == 1 / per_second


def test_a_new_limit_does_not_raise_a_lowered_rate() -> None:
    """What S3 asked for stays, unless the limit is even lower."""
    rate = RequestRate(64, 1_000)
    rate.throttled(rate.generation, 1.0)
    lowered = rate.gap_seconds
    rate.limit(3_500)
    assert rate.gap_seconds == lowered
    rate.limit(10)
    assert rate.gap_seconds == 1 / 10


def test_a_rate_that_is_far_too_high_falls_to_that_of_the_answers() -> None:
    """If S3 accepts a tenth of the requests, the rate is right within a second, not after minutes."""
    rate = RequestRate(1_000)
    now = answered(rate, 0.0, 3_000, 1.0)
    for number in range(600):
        now += 0.3 / 100
        if number % 10:
            rate.throttled(rate.generation - (number % 100 != 1), now)
        else:
            rate.answered(now)
    assert 1 / rate.gap_seconds < 100


def test_a_request_of_many_keys_delays_the_next_by_a_second_at_most() -> None:
    """However far S3 has lowered the rate; only the job's own limit may ask for more."""
    lowered, limited = RequestRate(64), RequestRate(64, per_second=100)
    for second in range(200):
        lowered.throttled(lowered.generation, float(second))
    assert lowered.gap_seconds > 0.5
    assert (lowered.seconds_of(1), lowered.seconds_of(1_000)) == (lowered.gap_seconds, 1.0)
    assert (limited.seconds_of(1), limited.seconds_of(1_000)) == pytest.approx((0.01, 10.0))
