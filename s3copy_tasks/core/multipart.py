"""Arithmetic of multipart copies, by S3's limits.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SINGLE_COPY_BYTES_MAX = 5 * 2**30
"""The largest object that one CopyObject takes."""
PARTS_MAX = 10_000
PART_BYTES_MAX = 5 * 2**30
OBJECT_BYTES_MAX = PARTS_MAX * PART_BYTES_MAX


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Where a batch does something else. Smaller figures let a test do it with few and small objects.

    Attributes:
        single_copy_bytes: the largest object that is copied by one request.
        part_bytes: the usual part; more where 10,000 parts would not cover the object.
        unproven: copies that may wait to be found in a listing, some 600 bytes each: then the batch stops to
            look for them. One that lists again after so many pages lists little more.
    """

    single_copy_bytes: int = SINGLE_COPY_BYTES_MAX
    part_bytes: int = 256 * 2**20
    unproven: int = 20_000


LIMITS = Limits()


def part_bytes(size: int, limits: Limits = LIMITS) -> int:
    """Return the part size for an object of `size` bytes.

    Raises:
        ValueError: the object is larger than S3 allows (48.8 TiB).
    """
    if size > OBJECT_BYTES_MAX:
        msg = f"{size} bytes are more than an object of S3 may have ({OBJECT_BYTES_MAX})"
        raise ValueError(msg)
    return max(limits.part_bytes, -(-size // PARTS_MAX))


def part_ranges(size: int, limits: Limits = LIMITS) -> Iterator[tuple[int, int, int]]:
    """Yield (part number from 1, first byte, last byte inclusive), which together cover the object once."""
    step = part_bytes(size, limits)
    for number, start in enumerate(range(0, size, step), start=1):
        yield number, start, min(start + step, size) - 1


def copy_requests(size: int) -> int:
    """Return how many requests billed as COPY an object takes: 1, or create + parts + complete."""
    if size <= SINGLE_COPY_BYTES_MAX:
        return 1
    return 2 + -(-size // part_bytes(min(size, OBJECT_BYTES_MAX)))
