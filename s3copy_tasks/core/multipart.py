"""Calculates multipart copies within S3's limits.

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
    """Sizes and counts at which a batch changes what it does. Tests lower them to use few, small objects.

    Attributes:
        single_copy_bytes: the largest object that one request copies.
        unproven_copy_bytes: the largest object that is copied by one request although it was uploaded in
            parts, so that the reply can't prove its content (docs/design/large-objects.md).
        part_bytes: the usual part size; parts are larger if 10,000 of them would not cover the object.
        unproven: copies that may wait to be verified by a listing, some 600 bytes of memory each. At this
            number the batch pauses to list them; after so many pages, that adds few extra requests.
    """

    single_copy_bytes: int = SINGLE_COPY_BYTES_MAX
    unproven_copy_bytes: int = 2**30
    part_bytes: int = 256 * 2**20
    unproven: int = 20_000


LIMITS = Limits()
RELAY_LIMITS = Limits(single_copy_bytes=0, part_bytes=32 * 2**20)
"""Of a relay. Small parts: several fit into its budget at a time. Even the smallest object takes one part: an
upload is dated at its start, before the source is read, so a source that changes meanwhile is newer than its
copy."""


def part_bytes(size: int, limits: Limits = LIMITS) -> int:
    """Return the part size for an object of `size` bytes.

    Raises:
        ValueError: the object is larger than S3 allows (48.8 TiB).
    """
    if size > OBJECT_BYTES_MAX:
        msg = f"{size} bytes are more than S3 allows in an object ({OBJECT_BYTES_MAX})"
        raise ValueError(msg)
    return max(limits.part_bytes, -(-size // PARTS_MAX))


def part_ranges(size: int, limits: Limits = LIMITS) -> Iterator[tuple[int, int, int]]:
    """Yield (part number from 1, first byte, last byte inclusive) of parts that cover the object once."""
    step = part_bytes(size, limits)
    for number, start in enumerate(range(0, size, step), start=1):
        yield number, start, min(start + step, size) - 1


def takes_parts(size: int, limits: Limits = LIMITS, *, is_multipart: bool) -> bool:
    """Say whether an object is copied in parts.

    Args:
        size: of the object.
        limits: at which it is.
        is_multipart: it was uploaded in parts.
    """
    return size > limits.single_copy_bytes or (is_multipart and size > limits.unproven_copy_bytes)


def count_parts(size: int, limits: Limits = LIMITS, *, is_multipart: bool = False) -> int:
    """Return in how many parts an object is copied; 0 if one request copies it: see `takes_parts`."""
    if not takes_parts(size, limits, is_multipart=is_multipart):
        return 0
    return -(-size // part_bytes(min(size, OBJECT_BYTES_MAX), limits))
