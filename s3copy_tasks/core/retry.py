"""Which errors are worth another try, and how long to wait. The only owner of retries of a request.

Errors of S3 become classes in `s3copy_tasks.s3.errors`; here the class decides.
"""

from __future__ import annotations

from s3copy_tasks.errors import ThrottledError, TransientError

ATTEMPTS_MAX = 3
"""Requests for one object when errors are transient: FR-005."""
THROTTLED_ATTEMPTS_MAX = 10
"""Requests for one object when S3 asks to slow down: that is no failure of the object."""
_DELAY_SECONDS_MAX = 20.0


def delay_seconds(error: Exception, attempt: int, jitter: float) -> float | None:
    """Return how long to wait before the next attempt, or None to give up.

    Exponential with full jitter: below 1, 2, 4 seconds, and on, up to 20.
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/

    Args:
        error: what the attempt ended with.
        attempt: how many attempts were made, from 1.
        jitter: a random number in [0, 1).
    """
    if isinstance(error, ThrottledError):
        attempts_max = THROTTLED_ATTEMPTS_MAX
    elif isinstance(error, TransientError):
        attempts_max = ATTEMPTS_MAX
    else:
        return None
    if attempt >= attempts_max:
        return None
    return jitter * min(2.0 ** (attempt - 1), _DELAY_SECONDS_MAX)


class RequestLimit:
    """How many requests may be in flight: one step up per answered window, a sixth down when throttled.

    Additive increase, multiplicative decrease (rule 19 of docs/design/rules.md). The decrease happens
    once per round trip: requests that were sent before the last decrease do not count again.

    Args:
        most: the limit that it starts from and never passes.
    """

    _DECREASE = 0.85

    def __init__(self, most: int) -> None:
        self._most = most
        self._limit = float(most)
        self._generation = 0

    @property
    def limit(self) -> int:
        """Requests that may be in flight now, at least 1."""
        return int(self._limit)

    @property
    def generation(self) -> int:
        """Counts decreases; a request remembers it when it is sent."""
        return self._generation

    def answered(self) -> None:
        """Take note of a request that was not throttled."""
        if self._limit < self._most:
            self._limit = min(float(self._most), self._limit + 1.0 / self._limit)

    def throttled(self, generation: int) -> None:
        """Take note of a throttled request that was sent at `generation`."""
        if generation == self._generation:
            self._limit = max(1.0, self._limit * self._DECREASE)
            self._generation += 1
