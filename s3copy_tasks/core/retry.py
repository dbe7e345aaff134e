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

_NOT_DONE = frozenset(
    {
        Code.ENDPOINT_UNREACHABLE,
        "BadDigest",
        "ConditionalRequestConflict",
        "IncompleteBody",
        "OperationAborted",
        "RequestTimeout",
        "XAmzContentSHA256Mismatch",
        "408",
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
