"""Cuts the objects to copy into batches of key ranges.

A batch does not contain keys: see docs/design/key-ranges.md. Memory does not grow with the bucket.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, TypeVar

from s3copy_tasks.core.batch import Batch, KeyRange, make_label, make_plan_id
from s3copy_tasks.core.estimate import PAGE_KEYS, CopyEstimate, EntryPlan, make_entry_plans
from s3copy_tasks.core.growing_range import LISTED_PER_COPY, Cut, GrowingRange
from s3copy_tasks.core.objects import Action, SkipReason

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from s3copy_tasks.core.job import EffectiveJob, EntryId
    from s3copy_tasks.core.objects import Decision
    from s3copy_tasks.core.queue import QueueState

T = TypeVar("T")
BATCHES_MAX = 500
RANGES_MAX = 2_000
PLAN_BYTES_MAX = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run will do.

    Attributes:
        batches: at most 500.
        entries: the totals of each entry, in the job's order.
        queue: what the queue had that names the keys, of which nothing was received; None if there is none.
    """

    batches: tuple[Batch, ...]
    entries: tuple[EntryPlan, ...]
    queue: QueueState | None = None

    @property
    def outside(self) -> Counter[SkipReason]:
        """Skipped objects outside all batches' ranges, by reason."""
        return sum((entry.outside for entry in self.entries), start=Counter())


class Planner:
    """Cuts the objects to copy into key ranges, from a stream of decisions.

    Entries may be interleaved; the positions of one entry must ascend.

    Args:
        job: the run.
        batches_max: limit of batches, at least 1; they grow where more would be needed.
    """

    def __init__(self, job: EffectiveJob, batches_max: int = BATCHES_MAX) -> None:
        self._job = job
        self._batches_max = min(batches_max, BATCHES_MAX)
        self._plans = make_entry_plans(job)
        self._cuts: dict[tuple[EntryId, int | None], Cut] = {
            (entry, None): Cut(leaves_gaps=True) for entry in self._plans
        }
        self._estimate = CopyEstimate(job)
        self._gap_max = PAGE_KEYS  # leaving out a page without copies is cheaper than to list it again
        self._objects_max: float = job.transfer.batch_objects
        self._bytes_max = job.transfer.batch_bytes
        self._is_joined = False
        self._ranges = 0
        self._json_bytes = 0

    def add(
        self,
        entry: EntryId,
        position: str | int,
        size: int,
        decision: Decision,
        *,
        is_multipart: bool = False,
        heads: int = 0,
        file: int | None = None,
    ) -> None:
        """Add one decision.

        Args:
            entry: that the object belongs to.
            position: a key below the prefix, or an index into `objects`, or where a list's row ends.
            size: of the source.
            decision: for the object.
            is_multipart: the source was uploaded in parts.
            heads: HEAD requests that the decision takes.
            file: index of the list's file that names it; None if it was listed.
        """
        plan = self._plans[entry]
        cut = self._cuts.get((entry, None) if file is None else (None, file)) or self._begin_file(file)
        plan.count(size, decision)
        plan.head_requests += heads
        if decision is Action.COPY:
            plan.add_requests(self._estimate.count_requests(size, is_multipart=is_multipart))
        if isinstance(decision, SkipReason):
            self._skip(cut, position, decision)
        else:
            self._take(cut, position, size)
        cut.last = position

    def finish(self) -> Plan:
        """Return the plan; no decision may be added afterwards."""
        for cut in self._cuts.values():
            self._close(cut)
        groups = self._pack()
        while len(groups) > self._batches_max:
            self._grow()
            self._halve()
            groups = self._pack()
        for (entry, _), cut in self._cuts.items():
            if cut.leaves_gaps:
                gaps = (key_range.gap for key_range in cut.ranges)
                self._plans[entry].outside = sum(gaps, start=cut.pending)
        for group in groups:
            for entry in {key_range.entry for key_range in group}:
                self._plans[entry].batches += 1
            if self._job.results is not None:
                self._plans[group[0].entry].copy_requests += 1  # writes its results
        groups = spread(groups, self._job.transfer.max_active_batches)
        name = make_plan_id(self._job, groups)
        return Plan(
            batches=tuple(self._batch(index, len(groups), group, name) for index, group in enumerate(groups)),
            entries=tuple(self._plans.values()),
        )

    def _begin_file(self, file: int | None) -> Cut:
        cut = self._cuts[None, file] = Cut(leaves_gaps=False)
        return cut

    def _skip(self, cut: Cut, position: str | int, reason: SkipReason) -> None:
        if not cut.leaves_gaps:
            most = LISTED_PER_COPY * self._objects_max
            if not cut.is_open and (not cut.ranges or cut.ranges[-1].listed >= most):
                self._open(cut, position)
            cut.ranges[-1].skip(position, reason)
            if cut.is_open:
                self._close_if_full(cut)
            return
        cut.pending[reason] += 1
        cut.pending_found += 1
        if cut.is_open and cut.pending_found > self._gap_max:
            self._close(cut)

    def _take(self, cut: Cut, position: str | int, size: int) -> None:
        if not cut.is_open:
            self._open(cut, position)
        if cut.pending_found:
            cut.ranges[-1].take_gap(cut.pending)
            cut.pending.clear()
            cut.pending_found = 0
        last = cut.ranges[-1]
        last.through = position
        last.objects += 1
        last.bytes += size
        if last.objects >= self._objects_max or last.listed or last.bytes >= self._bytes_max:
            self._close_if_full(cut)

    def _open(self, cut: Cut, position: str | int) -> None:
        cut.ranges.append(GrowingRange(cut.last, position, cut.pending))
        cut.is_open, cut.pending, cut.pending_found = True, Counter(), 0

    def _close_if_full(self, cut: Cut) -> None:
        last = cut.ranges[-1]
        if last.objects + last.listed / LISTED_PER_COPY >= self._objects_max or last.bytes >= self._bytes_max:
            self._close(cut)

    def _close(self, cut: Cut) -> None:
        if not cut.is_open:
            return
        cut.is_open = False
        self._ranges += 1
        self._json_bytes += cut.ranges[-1].json_bytes
        if self._is_joined and len(cut.closed) == 1:
            return
        while self._ranges > RANGES_MAX or self._json_bytes > PLAN_BYTES_MAX:
            self._is_joined = not any(len(cut.closed) > 1 for cut in self._cuts.values())
            if self._is_joined:
                return  # each entry has one range: nothing is left to join
            before = self._ranges
            self._gap_max *= 2
            self._halve()
            if self._ranges == before:
                self._grow()

    def _grow(self) -> None:
        self._objects_max *= 2
        self._bytes_max *= 2

    def _halve(self) -> None:
        """Join neighbours in pairs, so that ranges keep similar sizes."""
        for cut in self._cuts.values():
            cut.ranges = list(self._join(cut))
        closed = [key_range for cut in self._cuts.values() for key_range in cut.closed]
        self._ranges = len(closed)
        self._json_bytes = sum(key_range.json_bytes for key_range in closed)

    def _join(self, cut: Cut) -> Iterator[GrowingRange]:
        waiting: GrowingRange | None = None
        for key_range in cut.closed:
            if waiting is not None and self._fits(waiting, key_range):
                waiting.absorb(key_range)
                yield waiting
                waiting = None
            else:
                if waiting is not None:
                    yield waiting
                waiting = key_range
        if waiting is not None:
            yield waiting
        yield from cut.ranges[len(cut.closed) :]

    def _fits(self, first: GrowingRange, follower: GrowingRange) -> bool:
        listed = follower.gap.total()
        weight = first.weight + follower.weight + listed / LISTED_PER_COPY
        return (
            listed <= self._gap_max
            and weight <= self._objects_max
            and first.bytes + follower.bytes <= self._bytes_max
        )

    def _pack(self) -> list[list[KeyRange]]:
        """Fill batches with ranges in order, each as full as its limits allow."""
        number, weight, size = 0, 0.0, 0
        numbered: list[tuple[int, KeyRange]] = []
        for (entry, file), cut in self._cuts.items():
            for key_range in cut.ranges:
                if numbered and (
                    weight + key_range.weight > self._objects_max or size + key_range.bytes > self._bytes_max
                ):
                    number, weight, size = number + 1, 0.0, 0
                weight, size = weight + key_range.weight, size + key_range.bytes
                numbered.append((number, _freeze(entry, file, key_range)))
        return [[r for _, r in group] for _, group in groupby(numbered, key=lambda pair: pair[0])]

    def _batch(self, index: int, of: int, ranges: list[KeyRange], name: str) -> Batch:
        frozen = tuple(ranges)
        named = make_label(index + 1, of, frozen, self._job)
        return Batch(id=index, of=of, plan_id=name, label=named, ranges=frozen)


def _freeze(entry: EntryId, file: int | None, key_range: GrowingRange) -> KeyRange:
    return KeyRange(
        entry=entry,
        file=file,
        after=key_range.after,
        through=key_range.through,
        found=key_range.objects + key_range.inside.total(),
        objects=key_range.objects,
        bytes=key_range.bytes,
    )


def spread(groups: Sequence[T], at_once: int) -> list[T]:
    """Return batches in the order in which they start: batches that run together have distant keys.

    S3 partitions a bucket by key: neighbours would share a partition, and its request limit (rule 22).
    """
    step = max(1, -(-len(groups) // at_once))
    return [groups[index] for first in range(step) for index in range(first, len(groups), step)]
