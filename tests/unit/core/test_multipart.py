"""Part ranges by S3's limits: 10,000 parts, 5 GiB each, 48.8 TiB together."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from s3copy_tasks.core.multipart import Limits, count_parts, part_bytes, part_ranges

GIB, MIB = 2**30, 2**20
LARGEST = 10_000 * 5 * GIB


@settings(deadline=None, max_examples=60)
@given(size=st.integers(1, LARGEST))
@example(size=1)
@example(size=5 * GIB + 1)
@example(size=10_000 * 256 * MIB)
@example(size=10_000 * 256 * MIB + 1)
@example(size=LARGEST - 1)
@example(size=LARGEST)
def test_parts_cover_an_object_once(size: int) -> None:
    """Parts are numbered from 1, have no gaps or overlaps, and keep to S3's limits."""
    parts = list(part_ranges(size))
    assert [number for number, _, _ in parts] == list(range(1, len(parts) + 1))
    assert len(parts) <= 10_000
    assert parts[0][1] == 0
    assert parts[-1][2] == size - 1
    assert all(first == last_before + 1 for (_, _, last_before), (_, first, _) in pairwise(parts))
    lengths = [last - first + 1 for _, first, last in parts]
    assert all(5 * MIB <= length <= 5 * GIB for length in lengths[:-1])
    assert 1 <= lengths[-1] <= 5 * GIB


@settings(deadline=None, max_examples=60)
@given(size=st.integers(1, 5_000), part=st.integers(1, 100))
def test_small_limits(size: int, part: int) -> None:
    """Every byte is in exactly one part, whatever the part size."""
    parts = part_ranges(size, Limits(single_copy_bytes=1, part_bytes=part))
    covered = [byte for _, first, last in parts for byte in range(first, last + 1)]
    assert covered == list(range(size))


def test_too_large() -> None:
    """An object that is too large for S3 is refused."""
    with pytest.raises(ValueError, match="more than S3 allows in an object"):
        part_bytes(LARGEST + 1)


PARTS = {
    "empty": (0, 0),
    "5-GiB": (5 * GIB, 0),
    "above-5-GiB": (5 * GIB + 1, 21),
    "256-MiB-parts": (100 * GIB, 400),
    "largest": (LARGEST, 10_000),
}


@pytest.mark.parametrize(("size", "parts"), PARTS.values(), ids=PARTS)
def test_count_parts(size: int, parts: int) -> None:
    """One request copies up to 5 GiB; larger objects are copied in parts."""
    assert count_parts(size) == parts


@pytest.mark.parametrize(("size", "parts"), [(GIB, 0), (GIB + 1, 5), (5 * GIB, 20)])
def test_parts_of_what_was_uploaded_in_parts(size: int, parts: int) -> None:
    """From 1 GiB on it is copied in parts: the reply to one request would prove nothing either."""
    assert count_parts(size, is_multipart=True) == parts
    assert count_parts(size) == 0


@settings(deadline=None, max_examples=30)
@given(size=st.integers(5 * GIB + 1, LARGEST))
def test_the_parts_that_a_plan_counts(size: int) -> None:
    """A plan prices the same requests that the copy sends."""
    assert count_parts(size) == sum(1 for _ in part_ranges(size))
