"""When messages that wait in a queue start a run: a rule over the queue's numbers, without a clock."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from s3copy_tasks.core.queue import QueueState

LEAST_SECONDS = 60
"""Between two events: each is a row in Airflow's database, and starts a run."""
MOST_SECONDS = 15 * 60


@dataclass(slots=True)
class WakeRule:
    """Says which readings of a queue are events that start a run; a new one has seen an empty queue.

    There are events while messages wait: the first at once, if the last one was `LEAST_SECONDS` ago, and else
    then. Each later one follows after twice the time, up to `MOST_SECONDS`, as long as the queue has the same
    number of messages: no run settles them.

    Messages in flight count, too: a run that receives messages and puts them back changes nothing.
    """

    _number: int = 0
    _event_at: float = -inf
    _wait: float = LEAST_SECONDS
    _next_wait: float = LEAST_SECONDS

    def makes_event(self, now: float, state: QueueState) -> bool:
        """Return whether to make an event now.

        Args:
            now: seconds of a clock that only goes forward.
            state: of the queue, as it was just read.
        """
        number = state.waiting + state.in_flight
        if number != self._number:
            self._number, self._wait, self._next_wait = number, LEAST_SECONDS, LEAST_SECONDS
        if not state.waiting or now < self._event_at + self._wait:
            return False
        self._event_at = now
        self._wait, self._next_wait = self._next_wait, min(2 * self._next_wait, MOST_SECONDS)
        return True
