"""Merging two listings, and cutting the objects to copy into key ranges."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3copy_tasks.core.batch import Batch, make_plan_id
from s3copy_tasks.core.estimate import EntryPlan
from s3copy_tasks.core.job import ObjectEntry, PrefixEntry
from s3copy_tasks.core.merge import merge
from s3copy_tasks.core.objects import Action, Decision, SkipReason
from s3copy_tasks.core.options import TransferOptions
from s3copy_tasks.core.planner import Plan, Planner, spread
from s3copy_tasks.dag.xcom import dump
from s3copy_tasks.errors import RequestError
from tests.support.builders.bench import make_job, make_object

if TYPE_CHECKING:
    from s3copy_tasks.core.batch import KeyRange

SUFFIXES = st.text(st.sampled_from("ab/. é🛰\uffff"), max_size=4)
Run: TypeAlias = tuple[Decision, int]

PREFIXES = {"different": ("in/", "out/"), "whole-bucket": ("", "out/"), "same": ("x/", "x/")}


@pytest.mark.parametrize(("source_prefix", "destination_prefix"), PREFIXES.values(), ids=PREFIXES)
@settings(deadline=None, max_examples=60)
@given(source=st.sets(SUFFIXES.filter(bool)), destination=st.sets(SUFFIXES.filter(bool)))
def test_merge_is_set_difference(
    source_prefix: str, destination_prefix: str, source: set[str], destination: set[str]
) -> None:
    """Each source object comes once, in S3's order, with the destination object of its suffix or None."""

    def listing(prefix: str, suffixes: set[str]) -> list[str]:
        return sorted((prefix + suffix for suffix in suffixes), key=lambda key: key.encode())

    rows = list(
        merge(
            [make_object(key) for key in listing(source_prefix, source)],
            [make_object(key, bucket="other") for key in listing(destination_prefix, destination)],
            source_prefix,
            destination_prefix,
        )
    )
    assert [row[0] for row in rows] == listing("", source)
    assert [row[1].key for row in rows] == listing(source_prefix, source)
    matched = {row[0]: row[2].key for row in rows if row[2] is not None}
    assert matched == {suffix: destination_prefix + suffix for suffix in source & destination}


def test_merge_of_the_marker() -> None:
    """The object whose key equals the prefix takes part, with an empty suffix."""
    rows = list(merge([make_object("in/")], [make_object("out/", bucket="other")], "in/", "out/"))
    assert [(suffix, match is not None) for suffix, _, match in rows] == [("", True)]


UNSORTED = {
    "source-descends": (["in/b", "in/a"], []),
    "source-repeats": (["in/a", "in/a"], []),
    "destination-descends": (["in/z"], ["out/b", "out/a"]),
}


@pytest.mark.parametrize(("source", "destination"), UNSORTED.values(), ids=UNSORTED)
def test_unsorted_listings(source: list[str], destination: list[str]) -> None:
    """A listing that is not in UTF-8 binary order, like those of directory buckets, is refused."""
    with pytest.raises(RequestError) as refused:
        list(merge(map(make_object, source), map(make_object, destination), "in/", "out/"))
    assert refused.value.code == "ListingNotSorted"


def test_merge_streams() -> None:
    """Rows come before the listings are read to the end: memory does not grow with the bucket."""
    source = iter([make_object(f"in/{n}") for n in range(9)])
    destination = iter([make_object(f"out/{n}") for n in range(9)])
    next(merge(source, destination, "in/", "out/"))
    assert len(list(source)) == 8
    assert len(list(destination)) >= 7


def planner(entries: int = 1, *, objects: int = 0, batches_max: int = 500, **transfer: Any) -> Planner:
    job = make_job(
        prefixes=tuple(PrefixEntry(source=f"in{n}/", destination=f"out{n}/") for n in range(entries)),
        objects=tuple(ObjectEntry(source=f"o{n}", destination=f"p{n}") for n in range(objects)),
        transfer=TransferOptions(**transfer),
    )
    return Planner(job, batches_max)


def decided(runs: list[Run]) -> list[tuple[str, Decision]]:
    """Return (position, decision) of runs of equal decisions, in key order."""
    decisions = [decision for decision, length in runs for _ in range(length)]
    return [(f"{number:06}", decision) for number, decision in enumerate(decisions)]


def ranges_of(plan: Plan, entry: int | None) -> list[KeyRange]:
    """Return an entry's ranges in the order of their keys; batches start in another order."""
    found = [one for batch in plan.batches for one in batch.ranges if one.entry == entry]
    return sorted(found, key=lambda one: one.through)


def is_inside(position: str | int, one: KeyRange) -> bool:
    return (one.after is None or one.after < position) and position <= one.through  # type: ignore[operator]


RUNS = st.lists(
    st.tuples(
        st.sampled_from([Action.COPY, Action.COMPARE, SkipReason.UNCHANGED, SkipReason.EXCLUDED]),
        st.sampled_from([1, 2, 3, 40, 999, 1_000, 1_001, 1_500]),
    ),
    max_size=6,
)


@settings(deadline=None, max_examples=40)
@given(entries=st.lists(RUNS, min_size=1, max_size=3), batch_objects=st.sampled_from([1, 7, 100, 10_000]))
def test_ranges_partition_what_needs_a_copy(entries: list[list[Run]], batch_objects: int) -> None:
    """Ranges and outside count every object once; an object to copy is in exactly one range."""
    cut = planner(len(entries), batch_objects=batch_objects)
    rows = [decided(runs) for runs in entries]
    for entry, row in enumerate(rows):
        for position, decision in row:
            cut.add(entry, position, 5, decision)
    plan = cut.finish()

    outside: Counter[SkipReason] = Counter()
    for entry, row in enumerate(rows):
        ranges = ranges_of(plan, entry)
        assert all(one.through <= following.after for one, following in pairwise(ranges))  # type: ignore[operator]
        inside: list[list[Decision]] = [[] for _ in ranges]
        for position, decision in row:
            homes = [index for index, one in enumerate(ranges) if is_inside(position, one)]
            assert len(homes) == 1 if isinstance(decision, Action) else len(homes) <= 1
            if homes:
                inside[homes[0]].append(decision)
            elif isinstance(decision, SkipReason):
                outside[decision] += 1
        for one, decisions in zip(ranges, inside, strict=True):
            actions = sum(isinstance(decision, Action) for decision in decisions)
            assert (one.found, one.objects, one.bytes) == (len(decisions), actions, 5 * actions)
            assert actions > 0
    assert plan.outside == outside
    assert sum(batch.found for batch in plan.batches) + outside.total() == sum(map(len, rows))


@settings(deadline=None, max_examples=30)
@given(runs=RUNS, batch_objects=st.sampled_from([10, 100, 10_000]))
def test_entry_figures(runs: list[Run], batch_objects: int) -> None:
    """An entry's totals count the whole entry: ranges and gaps."""
    cut = planner(batch_objects=batch_objects)
    rows = decided(runs)
    for position, decision in rows:
        cut.add(0, position, 5, decision)
    entry = cut.finish().entries[0]
    decisions = Counter(decision for _, decision in rows)
    copies, compares = decisions[Action.COPY], decisions[Action.COMPARE]
    assert (entry.found, entry.objects, entry.compare) == (len(rows), copies, compares)
    assert entry.bytes == 5 * (copies + compares)
    assert entry.skipped == {reason: n for reason, n in decisions.items() if isinstance(reason, SkipReason)}
    assert entry.head_requests == 2 * decisions[Action.COMPARE]


def ranges_around_a_gap(length: int) -> list[KeyRange]:
    cut = planner()
    rows = decided([(Action.COPY, 2), (SkipReason.UNCHANGED, length), (Action.COPY, 2)])
    for position, decision in rows:
        cut.add(0, position, 1, decision)
    return ranges_of(cut.finish(), 0)


def test_a_gap_of_a_page_stays_inside() -> None:
    """Up to a page of unchanged keys is cheaper to list again than to leave out."""
    assert [one.found for one in ranges_around_a_gap(1_000)] == [1_004]


def test_a_longer_gap_ends_a_range() -> None:
    """More than a page of unchanged keys ends a range, and no batch lists them again."""
    first, second = ranges_around_a_gap(1_001)
    assert (first.after, first.through, first.found) == (None, "000001", 2)
    assert (second.after, second.through, second.found) == ("001002", "001004", 2)


FIRST: dict[str, tuple[list[tuple[str, Decision]], str | None]] = {
    "copied-first": ([("a", Action.COPY)], None),
    "marker-copied": ([("", Action.COPY), ("a", Action.COPY)], None),
    "marker-skipped": ([("", SkipReason.UNCHANGED), ("a", Action.COPY)], ""),
    "skipped-first": ([("a", SkipReason.UNCHANGED), ("b", Action.COPY)], "a"),
}


@pytest.mark.parametrize(("rows", "after"), FIRST.values(), ids=FIRST)
def test_first_lower_bound(rows: list[tuple[str, Decision]], after: str | None) -> None:
    """The lower bound is exclusive: None means from the start, so that the folder marker counts."""
    cut = planner()
    for position, decision in rows:
        cut.add(0, position, 1, decision)
    assert ranges_of(cut.finish(), 0)[0].after == after


def test_nothing_to_copy() -> None:
    """A plan without anything to copy has no batch; everything is outside."""
    cut = planner()
    for position, decision in decided([(SkipReason.UNCHANGED, 2_500)]):
        cut.add(0, position, 1, decision)
    plan = cut.finish()
    assert plan.batches == ()
    assert plan.outside == {SkipReason.UNCHANGED: 2_500}


def test_single_objects_are_index_ranges() -> None:
    """The job's objects are cut by their index; a missing object does not split a range."""
    cut = planner(0, objects=4)
    for index, decision in ((0, SkipReason.UNCHANGED), (1, Action.COPY), (3, Action.COPY)):
        cut.add(None, index, 1, decision)
    plan = cut.finish()
    assert [(one.after, one.through, one.objects) for one in ranges_of(plan, None)] == [(0, 3, 2)]
    assert plan.outside == {SkipReason.UNCHANGED: 1}


@settings(deadline=None, max_examples=30)
@given(sizes=st.lists(st.integers(0, 60), max_size=80), batch_objects=st.integers(1, 30))
def test_batches_keep_their_targets(sizes: list[int], batch_objects: int) -> None:
    """A batch has at most its number of objects, and exceeds its bytes by less than one object."""
    cut = planner(3, batch_objects=batch_objects, batch_bytes=100)
    for entry in range(3):
        for number, size in enumerate(sizes):
            cut.add(entry, f"{number:04}", size, Action.COPY)
    batches = cut.finish().batches
    assert sum(batch.objects for batch in batches) == 3 * len(sizes)
    for batch in batches:
        assert batch.objects <= batch_objects
        assert sum(one.bytes for one in batch.ranges) < 100 + 60


def test_small_entries_share_a_batch() -> None:
    """Thousands of small prefixes share few batches, instead of one each."""
    cut = planner(1_000, batch_objects=10_000)
    for entry in range(1_000):
        cut.add(entry, "a", 1, Action.COPY)
    plan = cut.finish()
    assert len(plan.batches) == 1
    assert plan.batches[0].label == "1/1 in0/ +999"


def test_entries_may_interleave() -> None:
    """Entries that are planned together are interleaved, and each is cut separately."""
    cut = planner(2)
    for position in ("a", "b", "c"):
        cut.add(0, position, 1, Action.COPY)
        cut.add(1, position, 1, Action.COPY)
    plan = cut.finish()
    for entry in (0, 1):
        assert [(one.after, one.through, one.found) for one in ranges_of(plan, entry)] == [(None, "c", 3)]


def assert_bounded(plan: Plan) -> None:
    assert len(plan.batches) <= 500
    assert sum(len(batch.ranges) for batch in plan.batches) <= 2_000
    assert len(json.dumps([dump(batch) for batch in plan.batches])) <= 1_000_000


def test_batches_are_at_most_500() -> None:
    """A run that would need more batches has larger ones, of similar sizes."""
    cut = planner(batch_objects=1)
    for number in range(6_000):
        cut.add(0, f"{number:06}", 1, Action.COPY)
    plan = cut.finish()
    assert_bounded(plan)
    assert sum(batch.objects for batch in plan.batches) == 6_000
    assert max(batch.objects for batch in plan.batches) <= 4 * 6_000 / 500


@pytest.mark.parametrize("limit", [1, 2, 7, 499, 1024])
def test_a_site_may_allow_fewer_batches(limit: int) -> None:
    """They grow as for the usual limit, and still hold every object; a site can't raise that limit."""
    cut = planner(2, batches_max=limit, batch_objects=1)
    for number in range(1_500):
        cut.add(number % 2, f"{number:06}", 1, Action.COPY)
    plan = cut.finish()
    assert_bounded(plan)
    assert len(plan.batches) <= limit
    assert sum(batch.objects for batch in plan.batches) == 1_500


def test_huge_objects_are_at_most_500_batches() -> None:
    """Bytes limit a batch, and still no run has more than 500 batches."""
    cut = planner(batch_bytes=10)
    for number in range(3_000):
        cut.add(0, f"{number:06}", 1_000, Action.COPY)
    plan = cut.finish()
    assert_bounded(plan)
    assert max(batch.objects for batch in plan.batches) <= 4 * 3_000 / 500


def test_ranges_are_at_most_2_000() -> None:
    """Scattered changes in a large bucket close the smallest gaps first: the long ones stay outside."""
    cut, position = planner(), 0
    for number in range(2_050):
        for _ in range(30_000 if number == 1_200 else 1_001):
            cut.add(0, f"{position:09}", 1, SkipReason.UNCHANGED)
            position += 1
        cut.add(0, f"{position:09}", 1, Action.COPY)
        position += 1
    plan = cut.finish()
    assert_bounded(plan)
    assert sum(batch.objects for batch in plan.batches) == 2_050
    assert sum(batch.found for batch in plan.batches) + plan.outside.total() == position
    assert plan.outside.total() >= 30_000


LONG_KEYS = {"ascii": "a" * 1_000, "two-bytes": "é" * 500, "four-bytes": "🛰" * 250}


@pytest.mark.parametrize("long", LONG_KEYS.values(), ids=LONG_KEYS)
def test_plan_is_at_most_1_mb(long: str) -> None:
    """The plan travels through XCom: with the longest keys it has larger ranges, not more bytes."""
    job = make_job(
        prefixes=(PrefixEntry(source=long + "/", destination="out/"),),
        transfer=TransferOptions(batch_objects=1),
    )
    cut = Planner(job)
    for number in range(3_000):
        cut.add(0, f"{long}{number:06}", 1, Action.COPY)
    plan = cut.finish()
    assert_bounded(plan)
    assert sum(batch.objects for batch in plan.batches) == 3_000
    assert len(plan.batches) >= 50


def test_entries_that_can_not_be_joined() -> None:
    """If each entry already is one range, larger batches would not help: they keep their size."""
    long = "🛰" * 240
    cut = planner(1_000, batch_objects=10)
    for entry in range(1_000):
        cut.add(entry, long + "a", 1, SkipReason.UNCHANGED)
        cut.add(entry, long + "b", 1, Action.COPY)
    plan = cut.finish()
    assert max(batch.objects for batch in plan.batches) == 10


def test_batches_belong_to_their_plan() -> None:
    """Batches are numbered from 0 and carry the id of their plan."""
    job = make_job(transfer=TransferOptions(batch_objects=1))
    cut = Planner(job)
    for position in "abc":
        cut.add(0, position, 1, Action.COPY)
    batches: tuple[Batch, ...] = cut.finish().batches
    assert [batch.id for batch in batches] == [0, 1, 2]
    assert {batch.plan_id for batch in batches} == {
        make_plan_id(job, [list(batch.ranges) for batch in batches])
    }


def test_a_plan_made_again_is_another_plan() -> None:
    """Metrics of an older plan's batches can't be mistaken for those of a newer one."""
    names = []
    for count in (3, 4):
        cut = Planner(make_job())
        for position in "abcd"[:count]:
            cut.add(0, position, 1, Action.COPY)
        names.append(cut.finish().batches[0].plan_id)
    assert names[0] != names[1]


def test_cost() -> None:
    """A million copies cost $5.00, and listing both sides twice $0.02 (rule 26)."""
    entry = EntryPlan("prefixes[0]", "in/", "out/", 0, found=10**6, batches=100, copy_requests=10**6)
    assert entry.cost_usd == pytest.approx(5.02)
    idle = EntryPlan("prefixes[0]", "in/", "out/", 0, found=10**6)
    assert idle.cost_usd == pytest.approx(0.01)


@given(batches=st.integers(0, 500), at_once=st.integers(1, 500))
def test_batches_that_run_at_once_are_far_apart(batches: int, at_once: int) -> None:
    """Every batch starts once; the first ones are spread over the whole key space (rule 22)."""
    order = spread(range(batches), at_once)
    assert sorted(order) == list(range(batches))
    one_round = order[: max(1, batches // max(1, -(-batches // at_once)))]
    assert all(later - earlier >= batches // at_once for earlier, later in pairwise(one_round))
