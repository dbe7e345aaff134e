"""Which readings of a queue start a run."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3copy_tasks.core.queue import QueueState
from s3copy_tasks.core.waking import LEAST_SECONDS, MOST_SECONDS, WakeRule

POLL = 5
STATES = st.builds(QueueState, waiting=st.integers(0, 3), in_flight=st.integers(0, 2))
SERIES = st.lists(st.tuples(STATES, st.integers(1, 300)), max_size=30).map(
    lambda runs: [state for state, polls in runs for _ in range(polls)]
)


def play(states: list[QueueState]) -> list[int]:
    """Return the times of the events of a queue that is read every five seconds."""
    rule = WakeRule()
    return [POLL * i for i, state in enumerate(states) if rule.makes_event(POLL * i, state)]


def waiting(*numbers: int) -> list[QueueState]:
    return [QueueState(waiting=number) for number in numbers]


HELD = QueueState(waiting=0, in_flight=1)
CASES = {
    "nothing waits": (waiting(0) * 1_000, []),
    "messages are there from the start": (waiting(7), [0]),
    "one comes": (waiting(0, 0, 1), [10]),
    "one is settled at once": (waiting(1) + waiting(0) * 100, [0]),
    "one comes soon after: its event is held back": (waiting(1, 0, 1) + waiting(1) * 11, [0, 60]),
    "what was held back is settled meanwhile": (waiting(1, 0, 1) + waiting(0) * 30, [0]),
    "one stays": (waiting(1) * 721, [0, 60, 180, 420, 900, 1800, 2700, 3600]),
    "another one arrives": (waiting(1) * 100 + waiting(2) * 40, [0, 60, 180, 420, 500, 560, 680]),
    "one of two goes": (waiting(2) * 50 + waiting(1) * 2, [0, 60, 180, 250]),
    "a run receives one and puts it back": (
        (waiting(1) * 2 + [HELD] * 2) * 100,
        [0, 60, 180, 420, 900, 1800],
    ),
    "runs work it off": (waiting(*range(40, 0, -1)) + waiting(0) * 50, [0, 60, 120, 180]),
}


@pytest.mark.parametrize("case", CASES)
def test_events(case: str) -> None:
    """The number decides: a change makes an event after a minute at most, no change after ever longer."""
    states, events = CASES[case]
    assert play(states) == events


@given(SERIES)
def test_laws(states: list[QueueState]) -> None:
    """Events are at least a minute apart, messages wait at each, and none wait for long without one."""
    events = play(states)
    assert all(later - earlier >= LEAST_SECONDS for earlier, later in pairwise(events))
    assert all(states[at // POLL].waiting for at in events)
    for number, state in enumerate(states):
        recent = [at for at in events if POLL * number - MOST_SECONDS < at <= POLL * number]
        assert not state.waiting or recent, "an event in the last quarter of an hour"


@given(SERIES, STATES.filter(lambda state: state.waiting > 0))
def test_a_change_is_noticed(states: list[QueueState], last: QueueState) -> None:
    """A number that differs from the one before makes an event at once, if the last event is a minute ago."""
    before = states[-1] if states else QueueState(waiting=0)
    changed = before.waiting + before.in_flight != last.waiting + last.in_flight
    events, at = play([*states, last]), POLL * len(states)
    earlier = [event for event in events if event < at]
    if changed and (not earlier or at - earlier[-1] >= LEAST_SECONDS):
        assert events[-1] == at
