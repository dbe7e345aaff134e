"""Which errors are tried again, when, and how many requests may be in flight."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3copy_tasks.core.retry import RequestLimit, delay_seconds
from s3copy_tasks.errors import (
    AccessError,
    ConditionError,
    ConfigError,
    CopyError,
    MissingError,
    RequestError,
    ThrottledError,
    TransientError,
)

TRANSIENT = TransientError("reset", code="InternalError")
THROTTLED = ThrottledError("slow down", code="SlowDown")
CAPS: dict[str, tuple[CopyError, int, float | None]] = {
    "transient-1": (TRANSIENT, 1, 1.0),
    "transient-2": (TRANSIENT, 2, 2.0),
    "transient-3": (TRANSIENT, 3, None),
    "throttled-1": (THROTTLED, 1, 1.0),
    "throttled-2": (THROTTLED, 2, 2.0),
    "throttled-3": (THROTTLED, 3, 4.0),
    "throttled-5": (THROTTLED, 5, 16.0),
    "throttled-6": (THROTTLED, 6, 20.0),
    "throttled-9": (THROTTLED, 9, 20.0),
    "throttled-10": (THROTTLED, 10, None),
    "access": (AccessError("no", code="AccessDenied"), 1, None),
    "missing": (MissingError("no", code="NoSuchKey"), 1, None),
    "condition": (ConditionError("no", code="PreconditionFailed"), 1, None),
    "request": (RequestError("no", code="InvalidRequest"), 1, None),
    "config": (ConfigError("no", code="InvalidConfig"), 1, None),
}


@pytest.mark.parametrize(("error", "attempt", "cap"), CAPS.values(), ids=CAPS)
def test_delays(error: CopyError, attempt: int, cap: float | None) -> None:
    """Delays have full jitter below 1, 2, 4 ... 20 seconds; 3 attempts when transient, 10 when throttled."""
    delays = [delay_seconds(error, attempt, jitter) for jitter in (0.0, 0.5, 0.999)]
    assert delays == ([None] * 3 if cap is None else pytest.approx([0.0, cap * 0.5, cap * 0.999]))


def test_errors_of_others_are_not_tried_again() -> None:
    """An error that is not S3's is a bug: it is not tried again."""
    assert delay_seconds(ValueError("bug"), 1, 0.5) is None


@settings(deadline=None, max_examples=60)
@given(most=st.integers(1, 200), throttled=st.lists(st.booleans(), max_size=200))
def test_limit_stays_in_bounds(most: int, throttled: list[bool]) -> None:
    """The limit is never below 1 and never above what it started from."""
    limit = RequestLimit(most)
    assert limit.limit == most
    for slow in throttled:
        if slow:
            limit.throttled(limit.generation)
        else:
            limit.answered()
        assert 1 <= limit.limit <= most


def test_one_decrease_per_round_trip() -> None:
    """All throttled replies to requests of one round trip decrease the limit once."""
    limit = RequestLimit(64)
    sent_at = limit.generation
    for _ in range(64):
        limit.throttled(sent_at)
    assert limit.limit == int(64 * 0.85)
    limit.throttled(limit.generation)
    assert limit.limit == int(64 * 0.85 * 0.85)


def test_limit_recovers_by_one_per_window() -> None:
    """A window of answers raises the limit by about one, up to where it started."""
    limit = RequestLimit(64)
    limit.throttled(limit.generation)
    lowered = limit.limit
    for _ in range(lowered + 1):
        limit.answered()
    assert limit.limit == lowered + 1
    for _ in range(64 * 64):
        limit.answered()
    assert limit.limit == 64
