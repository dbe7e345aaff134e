"""Cuts what a mirror finds extraneous into batches of key ranges: docs/design/deleting.md."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

from s3copy_tasks.core.deletions import (
    DeleteBatch,
    DeletePlan,
    DeleteRange,
    GroupPlan,
    hash_object,
    make_delete_plan_id,
    pack_hashes,
)
from s3copy_tasks.core.estimate import PAGE_KEYS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.mirror_group import MirrorGroup
    from s3copy_tasks.core.objects import S3Object

_LABEL_CHARACTERS_MAX = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How a plan is cut.

    Attributes:
        batch_keys: limit of objects that one batch deletes. The hashes of 10,000 are some 160 kB of JSON.
        gap_keys: limit of objects between two extraneous ones of a range, at least 1; more where joined.
        ranges: limit for a plan; past it, those with the smallest gaps are joined.
    """

    batch_keys: int = 10_000
    gap_keys: int = PAGE_KEYS
    ranges: int = 1_000


SIZES = Sizes()


@dataclass(slots=True)
class _Growing:
    """A range that grows; `gap` is the number of objects between the range before it and its first key."""

    prefix: str
    after: str | None
    through: str
    gap: int
    hashes: list[bytes] = field(default_factory=list)


class DeletePlanner:
    """Cuts extraneous objects into ranges. Groups come one after another, keys of each in ascending order.

    Args:
        job: the run, with a mirror.
        limit: of deletes; past it extraneous objects are only counted, and the plan has no batches.
        sizes: how the plan is cut.
    """

    def __init__(self, job: EffectiveJob, limit: int, sizes: Sizes = SIZES) -> None:
        self._job = job
        self._limit = limit
        self._groups: list[GroupPlan] = []
        self._ranges: list[_Growing] = []
        self._sizes = sizes
        self._gap_max = sizes.gap_keys
        self._total = 0
        self._begin("")

    def _begin(self, prefix: str) -> None:
        self._prefix = prefix
        self._last: str | None = None
        self._in_scope = self._extraneous = self._gap = 0
        self._open: _Growing | None = None

    def begin_group(self, group: MirrorGroup) -> None:
        """Begin with the objects of a group."""
        self._begin(group.prefix)

    def skip(self, key: str, *, in_scope: bool) -> None:
        """Note an object of the destination that is not extraneous."""
        self._in_scope += in_scope
        self._gap += 1
        self._last = key

    def add(self, found: S3Object) -> None:
        """Add an extraneous object."""
        self._in_scope += 1
        self._extraneous += 1
        self._total += 1
        if self._total > self._limit:
            self._ranges.clear()
        else:
            self._grow(found)
        self._gap, self._last = 0, found.key

    def finish_group(self, same_name: Iterable[S3Object], empty_sources: Iterable[str]) -> None:
        """End a group.

        Args:
            same_name: extraneous objects to keep for their names.
            empty_sources: source prefixes that have no object, with extraneous objects at their destination.
        """
        kept = {hash_object(found.key, found.etag) for found in same_name}
        if kept:
            for growing in self._ranges:
                growing.hashes = [each for each in growing.hashes if each not in kept]
            self._ranges = [growing for growing in self._ranges if growing.hashes]
        of = GroupPlan(
            prefix=self._prefix,
            in_scope=self._in_scope,
            extraneous=self._extraneous,
            same_name=len(kept),
            empty_sources=tuple(empty_sources),
        )
        self._groups.append(of)

    def finish(self) -> DeletePlan:
        """Return the plan."""
        packed = [[_freeze(growing) for growing in group] for group in self._pack()]
        name = make_delete_plan_id(self._job, packed)
        batches = tuple(
            DeleteBatch(
                id=index,
                of=len(packed),
                plan_id=name,
                label=_make_label(index + 1, ranges, len(packed)),
                ranges=tuple(ranges),
            )
            for index, ranges in enumerate(packed)
        )
        return DeletePlan(batches=batches, groups=tuple(self._groups))

    def _grow(self, found: S3Object) -> None:
        hashed = hash_object(found.key, found.etag)
        growing = self._open
        if (
            growing is not None
            and self._gap <= self._gap_max
            and len(growing.hashes) < self._sizes.batch_keys
        ):
            growing.through = found.key
            growing.hashes.append(hashed)
            return
        self._ranges.append(_Growing(self._prefix, self._last, found.key, self._gap, [hashed]))
        if len(self._ranges) > self._sizes.ranges:
            self._join()
        self._open = self._ranges[-1]

    def _join(self) -> None:
        """Join neighbours across ever larger gaps, until half of the ranges are left or all are joined."""
        while len(self._ranges) > self._sizes.ranges // 2 and self._gap_max < max(
            r.gap for r in self._ranges
        ):
            self._gap_max *= 2
            self._ranges = list(self._join_neighbours())

    def _join_neighbours(self) -> Iterator[_Growing]:
        waiting = self._ranges[0]
        for growing in self._ranges[1:]:
            fits = len(waiting.hashes) + len(growing.hashes) <= self._sizes.batch_keys
            if growing.prefix == waiting.prefix and growing.gap <= self._gap_max and fits:
                waiting.through = growing.through
                waiting.hashes += growing.hashes
            else:
                yield waiting
                waiting = growing
        yield waiting

    def _pack(self) -> list[list[_Growing]]:
        number, keys = 0, 0
        numbered: list[tuple[int, _Growing]] = []
        for growing in self._ranges:
            if keys and keys + len(growing.hashes) > self._sizes.batch_keys:
                number, keys = number + 1, 0
            keys += len(growing.hashes)
            numbered.append((number, growing))
        return [[growing for _, growing in group] for _, group in groupby(numbered, key=lambda pair: pair[0])]


def _freeze(growing: _Growing) -> DeleteRange:
    return DeleteRange(
        prefix=growing.prefix,
        after=growing.after,
        through=growing.through,
        extraneous=len(growing.hashes),
        hashes=pack_hashes(growing.hashes),
    )


def _make_label(number: int, ranges: Sequence[DeleteRange], of: int) -> str:
    name = ranges[0].prefix or "(whole bucket)"
    if len(name) > _LABEL_CHARACTERS_MAX:
        name = "..." + name[3 - _LABEL_CHARACTERS_MAX :]
    others = len({each.prefix for each in ranges}) - 1
    return f"{number}/{of} {name}{f' +{others}' if others else ''}"
