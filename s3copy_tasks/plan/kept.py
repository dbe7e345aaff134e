"""Keeps the decisions of a small plan, so that the same process can copy without listing again."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from s3copy_tasks.core.batch import KeyRange
    from s3copy_tasks.core.decide import Found
    from s3copy_tasks.core.job import EntryId

KEPT_MAX = 100_000
"""Objects whose decisions are kept; they take 60 MB."""
_position = attrgetter("position")


@dataclass(frozen=True, slots=True)
class KeptRange:
    """The objects of a range with their decisions; `begin` and `close` do nothing."""

    found: Sequence[Found]

    def begin(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""

    def __iter__(self) -> Iterator[Found]:
        """Yield the objects in key order."""
        return iter(self.found)


class KeptDecisions:
    """The decisions of a plan: all of them, or none if there are too many.

    Args:
        most: limit of objects.
    """

    def __init__(self, most: int = KEPT_MAX) -> None:
        self._most = most
        self._count = 0
        self._found: defaultdict[tuple[EntryId, int | None], list[Found]] = defaultdict(list)

    def add(self, found: Found) -> None:
        """Keep the decision for the next object of an entry, or of a list's file."""
        if self._count > self._most:
            return
        self._count += 1
        if self._count <= self._most:
            self._found[_find_stream(found)].append(found)
        else:
            self._found.clear()

    def find_range(self, key_range: KeyRange) -> KeptRange | None:
        """Return a range; None unless the decisions for all its objects were kept."""
        kept = self._found.get(_find_stream(key_range), [])
        first = 0
        if key_range.after is not None:
            first = bisect_right(kept, key_range.after, key=_position)
        last = bisect_right(kept, key_range.through, key=_position)
        found = kept[first:last]
        return KeptRange(found) if len(found) == key_range.found else None


def _find_stream(of: Found | KeyRange) -> tuple[EntryId, int | None]:
    """Return the entry or the file whose positions an object's or a range's are compared with."""
    return (of.entry, None) if of.file is None else (None, of.file)
