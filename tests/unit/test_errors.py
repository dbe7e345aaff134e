"""Errors carry a stable code and travel between processes."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING

import pytest

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

if TYPE_CHECKING:
    from collections.abc import Callable

CLASSES = [
    AccessError,
    ConditionError,
    ConfigError,
    MissingError,
    RequestError,
    ThrottledError,
    TransientError,
]


@pytest.mark.parametrize("cls", CLASSES)
def test_errors_pickle(cls: type[CopyError]) -> None:
    """An error from another process keeps its class, code, message, attempts and S3's id of the request."""
    error = cls("it is gone", code="NoSuchKey")
    error.attempts, error.request_id = 3, "4442587FB7D0A2F9"
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is cls
    assert (back.code, back.message, back.attempts) == ("NoSuchKey", "it is gone", 3)
    assert back.request_id == "4442587FB7D0A2F9"
    assert str(back) == "NoSuchKey: it is gone"


@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("travel", [copy.copy, lambda error: pickle.loads(pickle.dumps(error))])
def test_remedies(cls: type[CopyError], travel: Callable[[CopyError], CopyError]) -> None:
    """A remedy is the message's last line, once, and stays separate from the reason in another process."""
    error = travel(cls("not allowed", code="AccessDenied", remedy="Missing in the policy: {}"))
    assert (error.reason, error.remedy) == ("not allowed", "Missing in the policy: {}")
    assert str(error) == "AccessDenied: not allowed\nMissing in the policy: {}"
    assert error.args == (error.message,)


def test_most_errors_have_no_remedy() -> None:
    """If no statement would help, the reason is the message."""
    error = MissingError("it is gone", code="NoSuchKey")
    assert (error.message, error.remedy) == (error.reason, None)
