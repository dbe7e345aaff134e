"""The garbage collector runs less often, and only for a while."""

from __future__ import annotations

import gc

import pytest

from s3copy_tasks.engine.garbage import collect_garbage_rarely


def test_only_meanwhile() -> None:
    """Whatever ends the work, the process has its former thresholds again."""
    before = gc.get_threshold()
    with pytest.raises(KeyError):
        break_off(before)
    assert gc.get_threshold() == before


@collect_garbage_rarely()
def break_off(before: tuple[int, int, int]) -> None:
    """Fail, like a listing may."""
    assert gc.get_threshold()[0] > before[0]
    raise KeyError
