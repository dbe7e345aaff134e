"""Which errors are retried, and when."""

from __future__ import annotations

import pytest

from s3copy_tasks.core.retry import delay_seconds
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
    "throttled-1": (THROTTLED, 1, 0.25),
    "throttled-2": (THROTTLED, 2, 0.5),
    "throttled-3": (THROTTLED, 3, 1.0),
    "throttled-5": (THROTTLED, 5, 4.0),
    "throttled-6": (THROTTLED, 6, 8.0),
    "throttled-8": (THROTTLED, 8, 20.0),
    "throttled-9": (THROTTLED, 9, 20.0),
    "throttled-11": (THROTTLED, 11, 20.0),
    "throttled-12": (THROTTLED, 12, None),
    "access": (AccessError("no", code="AccessDenied"), 1, None),
    "missing": (MissingError("no", code="NoSuchKey"), 1, None),
    "condition": (ConditionError("no", code="PreconditionFailed"), 1, None),
    "request": (RequestError("no", code="InvalidRequest"), 1, None),
    "config": (ConfigError("no", code="InvalidConfig"), 1, None),
}


@pytest.mark.parametrize(("error", "attempt", "cap"), CAPS.values(), ids=CAPS)
def test_delays(error: CopyError, attempt: int, cap: float | None) -> None:
    """Delays have full jitter, up to 1, 2, 4 ... 20 s; when throttled, a quarter, and 12 attempts, not 3."""
    delays = [delay_seconds(error, attempt, jitter) for jitter in (0.0, 0.5, 0.999)]
    assert delays == ([None] * 3 if cap is None else pytest.approx([0.0, cap * 0.5, cap * 0.999]))


def test_other_errors_are_not_retried() -> None:
    """An error that is not S3's is a bug: it is not retried."""
    assert delay_seconds(ValueError("bug"), 1, 0.5) is None
