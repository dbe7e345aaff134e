"""A batch's share of the job's requests per second, by how many batches run: docs/design/throttling.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ASK_SECONDS = 5.0
"""Between an answer and the next question."""
ANSWER_SECONDS_MAX = 1.0
"""An answer that took longer is too old."""
NEW_SECONDS = ASK_SECONDS + ANSWER_SECONDS_MAX + 1.0
"""After this time all others have asked, and counted a new batch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RateShare:
    """Divides requests per second among batches that do not know each other; the sum is never exceeded.

    Attributes:
        per_second: of all batches together.
        at_once: the most batches that can run at the same time.
    """

    per_second: float
    at_once: int

    @property
    def of_new(self) -> float:
        """The share of a batch that others may not have counted yet: they leave room for it."""
        return self.per_second if self.at_once == 1 else self.per_second / self.at_once / 2

    @property
    def least(self) -> float:
        """The share of a batch that does not know how many run."""
        return self.per_second / self.at_once

    def of(self, running: int) -> float:
        """Return the share if so many run, this one included; there is room left for those that may begin."""
        running = min(max(running, 1), self.at_once)
        return (self.per_second - (self.at_once - running) * self.of_new) / running

    def follow(
        self, count: Callable[[], int], limit: Callable[[float], None], clock: Callable[[], float]
    ) -> Iterator[float]:
        """Limit a new batch's requests, and then by what runs; yields how many seconds to wait.

        Args:
            count: returns how many batches run now.
            limit: sets the limit of requests per second.
            clock: monotonic seconds.
        """
        limit(self.of_new)
        yield NEW_SECONDS
        before = self.at_once
        while True:
            limit(self.least)  # until the answer comes
            began = clock()
            running = count()
            if clock() - began <= ANSWER_SECONDS_MAX:
                limit(self.of(max(before, running)))  # what has just ended may still be sending
            before = running
            yield ASK_SECONDS
