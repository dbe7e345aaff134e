"""A plan of deletes: its ranges hold exactly what is extraneous, in batches and ranges of limited size."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3copy_tasks.core.delete_planner import DeletePlanner, Sizes
from s3copy_tasks.core.deletions import (
    DeleteBatch,
    DeleteCounts,
    DeleteMetrics,
    KeptReason,
    PlannedHashes,
    hash_object,
    pack_hashes,
)
from s3copy_tasks.core.mirror_group import group_mirror
from s3copy_tasks.core.request_counts import Requests
from tests.support.builders.bench import make_object
from tests.support.builders.mirror import entries, make_mirror

if TYPE_CHECKING:
    from collections.abc import Sequence

    from s3copy_tasks.core.deletions import DeletePlan, DeleteRange
    from s3copy_tasks.core.objects import S3Object

SKIPPED, EXTRANEOUS, SAME_NAME = range(3)


def plan_objects(
    groups: Sequence[Sequence[int]], sizes: Sizes, limit: int = 100_000
) -> tuple[DeletePlan, list[list[S3Object]]]:
    """Return the plan of groups of objects, each of a kind, and the ones that may be deleted."""
    job = make_mirror(prefixes=entries(*((f"{n:03}/", f"{n:03}/") for n in range(len(groups)))))
    planner = DeletePlanner(job, limit, sizes)
    to_delete = []
    for group, kinds in zip(group_mirror(job), groups, strict=True):
        found = [make_object(f"{group.prefix}{place:06}") for place in range(len(kinds))]
        planner.begin_group(group)
        for each, kind in zip(found, kinds, strict=True):
            if kind == SKIPPED:
                planner.skip(each.key, in_scope=True)
            else:
                planner.add(each)
        kept = [each for each, kind in zip(found, kinds, strict=True) if kind == SAME_NAME]
        planner.finish_group(kept, ())
        to_delete.append([each for each, kind in zip(found, kinds, strict=True) if kind == EXTRANEOUS])
    return planner.finish(), to_delete


def check_cut(batches: Sequence[DeleteBatch], sizes: Sizes, to_delete: Sequence[Sequence[S3Object]]) -> None:
    """Check that ranges are in order and apart, and hold what is to delete and nothing else."""
    ranges = [each for batch in batches for each in batch.ranges]
    assert all(0 < batch.extraneous <= sizes.batch_keys for batch in batches)
    assert all(
        one.through <= (other.after or "") for one, other in pairwise(ranges) if same_group(one, other)
    )
    left = {each.key: each for group in to_delete for each in group}
    for each in ranges:
        hashes = PlannedHashes(each.hashes)
        within = [key for key in left if key.startswith(each.prefix)]
        keys = [key for key in within if (each.after is None or key > each.after) and key <= each.through]
        assert all(hashes.take(key, left.pop(key).etag) is True for key in keys)
        assert (len(keys), len(hashes)) == (each.extraneous, 0)
    assert not left


def same_group(one: DeleteRange, other: DeleteRange) -> bool:
    return one.prefix == other.prefix


KINDS = st.sampled_from([SKIPPED, SKIPPED, EXTRANEOUS, EXTRANEOUS, SAME_NAME])
SIZES = st.builds(
    Sizes, batch_keys=st.integers(1, 6), gap_keys=st.integers(1, 3), ranges=st.sampled_from([1, 2, 4, 1_000])
)


@given(groups=st.lists(st.lists(KINDS, max_size=25), min_size=1, max_size=3), sizes=SIZES)
def test_ranges_hold_exactly_what_is_extraneous(groups: list[list[int]], sizes: Sizes) -> None:
    """With its hash, each once; and the totals of each group are right."""
    plan, to_delete = plan_objects(groups, sizes)
    check_cut(plan.batches, sizes, to_delete)
    for group, kinds in zip(plan.groups, groups, strict=True):
        count = Counter(kinds)
        assert (group.in_scope, group.extraneous) == (len(kinds), count[EXTRANEOUS] + count[SAME_NAME])
        assert (group.same_name, group.to_delete) == (count[SAME_NAME], count[EXTRANEOUS])


@given(kinds=st.lists(KINDS, max_size=12), limit=st.integers(0, 8))
def test_over_the_limit_nothing_is_planned(kinds: list[int], limit: int) -> None:
    """Objects are only counted then: not even the first ones of them may be deleted."""
    plan, _ = plan_objects([kinds], Sizes(), limit)
    extraneous = len(kinds) - kinds.count(SKIPPED)
    assert plan.extraneous == extraneous
    assert sum(batch.extraneous for batch in plan.batches) == (plan.to_delete if extraneous <= limit else 0)


def test_sparse_keys_are_at_most_1_000_ranges() -> None:
    """What is extraneous in many places is joined across the smallest gaps; a batch is never too large."""
    sizes = Sizes(gap_keys=2, batch_keys=1_100)
    kinds = ([SKIPPED] * 4 + [EXTRANEOUS] + [SKIPPED] * 7 + [EXTRANEOUS, EXTRANEOUS]) * 1_200
    plan, to_delete = plan_objects([kinds], sizes)
    assert sum(len(batch.ranges) for batch in plan.batches) <= sizes.ranges
    check_cut(plan.batches, sizes, to_delete)


def test_a_batch_deletes_at_most_10_000() -> None:
    """Whatever it costs to list its ranges."""
    plan, _ = plan_objects([[EXTRANEOUS] * 9_999, [EXTRANEOUS] * 2, [EXTRANEOUS] * 10_001], Sizes())
    assert [batch.extraneous for batch in plan.batches] == [9_999, 2, 10_000, 1]
    assert {len(batch.plan_id) for batch in plan.batches} == {len(plan.batches[0].plan_id)}


@pytest.mark.parametrize(
    ("key", "etag", "taken"),
    [("a", '"1"', True), ("a", "1", True), ("a", '"2"', KeptReason.CHANGED), ("b", '"1"', False)],
    ids=["same", "without quotes", "another ETag", "another key"],
)
def test_hashes_are_of_key_and_etag(*, key: str, etag: str, taken: KeptReason | bool) -> None:
    """Each is taken once; an ETag counts without its quotes, which servers may leave out."""
    hashes = PlannedHashes(pack_hashes([hash_object("a", '"1"'), hash_object("c\ud800", '"3"')]))
    assert hashes.take(key, etag) == taken
    assert hashes.take(key, etag) is False
    assert len(hashes) == (1 if taken else 2)


COUNTS = st.builds(
    DeleteCounts,
    deleted=st.integers(0, 9),
    gone=st.integers(0, 9),
    kept=st.dictionaries(st.sampled_from(KeptReason), st.integers(1, 9), max_size=2),
    failed=st.integers(0, 9),
    unknown=st.integers(0, 9),
)
METRICS = st.builds(
    DeleteMetrics,
    groups=st.dictionaries(st.sampled_from(["a/", "b/", ""]), COUNTS),
    requests=st.builds(Requests, at_least=st.booleans()),
)


@given(one=METRICS, other=METRICS, third=METRICS)
def test_metrics_of_deletes_add_up(one: DeleteMetrics, other: DeleteMetrics, third: DeleteMetrics) -> None:
    """In any order and grouping, with nothing as their zero; and no object is lost."""
    assert (one + other) + third == one + (other + third)
    assert one + other == other + one
    assert DeleteMetrics() + one == one == one + DeleteMetrics()
    assert (one + other).total.extraneous == one.total.extraneous + other.total.extraneous
