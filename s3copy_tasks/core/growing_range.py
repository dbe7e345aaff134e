"""Ranges while a plan grows them: of the keys of one entry, or of the rows of one file of a list."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from s3copy_tasks.core.objects import SkipReason

LISTED_PER_COPY = 100
"""Number of keys that count as one object if a batch lists but does not copy them."""
_RANGE_BYTES = 90  # of a range as JSON, without its bounds


@dataclass(slots=True)
class GrowingRange:
    """A range that is still growing, with the gap of skipped objects before it."""

    after: str | int | None
    through: str | int
    gap: Counter[SkipReason]
    inside: Counter[SkipReason] = field(default_factory=Counter)
    objects: int = 0
    bytes: int = 0
    listed: int = 0

    @property
    def weight(self) -> float:
        """Objects to copy, and a share of those that are only listed."""
        return self.objects + self.listed / LISTED_PER_COPY

    @property
    def json_bytes(self) -> int:
        """Estimate of its size in a plan."""
        return _RANGE_BYTES + len(json.dumps([self.after, self.through]))

    def take_gap(self, gap: Counter[SkipReason]) -> None:
        """Add the skipped objects before the next one."""
        self.inside += gap
        self.listed += gap.total()

    def skip(self, position: str | int, reason: SkipReason) -> None:
        """Add a skipped object."""
        self.through = position
        self.inside[reason] += 1
        self.listed += 1

    def absorb(self, follower: GrowingRange) -> None:
        """Add the next range of the same entry, and the gap between."""
        self.take_gap(follower.gap + follower.inside)
        self.through = follower.through
        self.objects += follower.objects
        self.bytes += follower.bytes


@dataclass(slots=True)
class Cut:
    """The ranges of one entry, or of one file of a list, while it is cut, in order.

    Attributes:
        leaves_gaps: skipped keys may be outside all ranges; rows of a list never are.
    """

    leaves_gaps: bool
    ranges: list[GrowingRange] = field(default_factory=list)
    is_open: bool = False
    last: str | int | None = None
    pending: Counter[SkipReason] = field(default_factory=Counter)
    pending_found: int = 0

    @property
    def closed(self) -> list[GrowingRange]:
        """The ranges that no longer grow."""
        return self.ranges[:-1] if self.is_open else self.ranges
