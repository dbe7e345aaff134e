"""Errors carry a stable code and travel between processes."""

from __future__ import annotations

import pickle

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
    """An error comes out of another process with its class, its code, its message and its attempts."""
    error = cls("it is gone", code="NoSuchKey")
    error.attempts = 3
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is cls
    assert (back.code, back.message, back.attempts) == ("NoSuchKey", "it is gone", 3)
    assert str(back) == "NoSuchKey: it is gone"
