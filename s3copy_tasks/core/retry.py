"""Decides which errors are worth another attempt, and how long to wait. Requests are retried only by this.

`s3copy_tasks.s3.errors` maps S3's errors to classes; here the class decides.
"""

from __future__ import annotations

from s3copy_tasks.errors import Code, CopyError, ExpiredError, ThrottledError, TransientError

ATTEMPTS_MAX = 3
"""Limit of requests for one object when errors are transient: FR-005."""
THROTTLED_ATTEMPTS_MAX = 12
"""Limit of requests for one object when S3 asks to slow down, which is not the object's failure. About a
minute."""
_DELAY_SECONDS_MAX = 20.0
_SPAN_SECONDS = 0.25
_LOWERED, _AGAIN = 0.97, 0.94
"""The rate is multiplied by this after a SlowDown; by the second if it follows right after another."""
_STEP_LEAST, _STEP_GROWTH, _STEP_MOST = 0.01, 1.25, 0.2
"""How much the rate is raised, as a share of it."""
_USED = 0.75
_ROUND_TRIP_SECONDS = 0.1
"""A guess, used if S3 asks to slow down before any request was answered."""
_FIRST_GAP, _GAP_SECONDS_MAX = 0.0001, 1.0


_NOT_DONE = frozenset(
    {
        Code.ENDPOINT_UNREACHABLE,
        "ConditionalRequestConflict",
        "IncompleteBody",
        "OperationAborted",
        "RequestTimeout",
    }
)
"""Codes of requests that are worth another attempt and were certainly not carried out."""


def may_be_done(error: CopyError) -> bool:
    """Say whether a request that failed may have been carried out: its reply was lost or unclear."""
    if error.may_be_done is not None:
        return error.may_be_done
    if isinstance(error, (ThrottledError, ExpiredError)):
        return False
    return isinstance(error, TransientError) and error.code not in _NOT_DONE


def delay_seconds(error: Exception, attempt: int, jitter: float) -> float | None:
    """Return how long to wait before the next attempt, or None to give up.

    Exponential with full jitter: up to 1, 2, 4 seconds, and so on, up to 20. A quarter of that when S3 asks
    to slow down: `RequestRate` lowers the rate already, and a batch has to wait for its last object.
    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/

    Args:
        error: what the attempt ended with.
        attempt: how many attempts were made, from 1.
        jitter: a random number in [0, 1).
    """
    if isinstance(error, ThrottledError):
        attempts_max, first_seconds = THROTTLED_ATTEMPTS_MAX, 0.25
    elif isinstance(error, TransientError):
        attempts_max, first_seconds = ATTEMPTS_MAX, 1.0
    else:
        return None
    if attempt >= attempts_max:
        return None
    return jitter * min(first_seconds * 2.0 ** (attempt - 1), _DELAY_SECONDS_MAX)


class RequestRate:
    """How many requests may start in a second: any number, until S3 asks to slow down.

    The first SlowDown sets the rate to that of recent answers. Each later one lowers it, once per round trip:
    requests that were sent before the last decrease do not count again. Each quarter of a second in which the
    rate was used up raises it, by more each time until the next SlowDown (docs/design/throttling.md).

    Args:
        in_flight: limit of parallel requests; the first SlowDown leaves ten times as many per second.
        per_second: limit of requests per second; None means no limit.

    Attributes:
        gap_seconds: between the starts of two requests; 0 means no gap.
        generation: counts decreases; each request remembers it when it is sent.
    """

    def __init__(self, in_flight: int, per_second: float | None = None) -> None:
        self._least_gap = 0.0 if per_second is None else 1.0 / per_second
        self._first_gap_most = max(_ROUND_TRIP_SECONDS / in_flight, self._least_gap / _LOWERED)
        self.gap_seconds = self._least_gap
        self.generation = 0
        self._answered = 0
        self._since = self._lowered = float("-inf")
        self._step = _STEP_LEAST

    def answered(self, now: float) -> None:
        """Note a request that was not throttled."""
        self._answered += 1
        if now - self._since >= _SPAN_SECONDS:
            self._raise_if_used(now)

    def throttled(self, generation: int, now: float) -> None:
        """Note a throttled request that was sent at `generation`."""
        if generation != self.generation:
            return
        if self.gap_seconds > self._least_gap:
            soon = now - self._lowered < _SPAN_SECONDS
            self.gap_seconds = min(self.gap_seconds / (_AGAIN if soon else _LOWERED), _GAP_SECONDS_MAX)
        else:
            lately = (now - self._since) / max(self._answered, 1)
            self.gap_seconds = min(max(lately, self._least_gap / _LOWERED, _FIRST_GAP), self._first_gap_most)
        self.generation += 1
        self._step = _STEP_LEAST
        self._lowered = self._since = now
        self._answered = 0

    def _raise_if_used(self, now: float) -> None:
        """Raise the rate if it was used up since the last check."""
        used = self._answered * self.gap_seconds
        if used > _USED * (now - self._since):
            self.gap_seconds = max(self.gap_seconds / (1.0 + self._step), self._least_gap)
            self._step = min(self._step * _STEP_GROWTH, _STEP_MOST)
        self._answered, self._since = 0, now
