"""The clocks of two servers are compared by way of this machine's, with a margin for what can't be known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3copy_tasks.core.clocks import ClockReading, find_lag_seconds

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def read_clock(ahead: float, sent: float, took: float, at: float = 0.5) -> ClockReading:
    """Return the reading of a server's clock; it replied when so much of the time had passed."""
    start = NOON + timedelta(seconds=sent)
    server = start + timedelta(seconds=took * at + ahead)
    return ClockReading(
        server_time=server.replace(microsecond=0), sent=start, received=start + timedelta(seconds=took)
    )


seconds = st.floats(-500, 500)
durations = st.floats(0, 5)


@given(seconds, seconds, durations, durations, st.floats(0, 1))
def test_a_lag_is_never_underestimated(
    source: float, destination: float, took: float, took_again: float, at: float
) -> None:
    """Beyond the margin, a lag is at least the real one, and at most the margin more."""
    found = find_lag_seconds(
        read_clock(source, 0, took, at), read_clock(destination, took, took_again, 1 - at)
    )
    lag, margin = destination - source, took + took_again + 2
    assert found == 0 or lag <= found <= lag + margin + 1
    assert found > 0 or lag <= margin


@pytest.mark.parametrize("known", ["source", "destination", None])
def test_a_clock_that_is_not_known(known: str | None) -> None:
    """Without a date of both servers there is nothing to correct."""
    reading = read_clock(-60, 0, 0.1)
    assert find_lag_seconds(reading if known == "source" else None, None) == 0
    assert find_lag_seconds(None, reading if known == "destination" else None) == 0
