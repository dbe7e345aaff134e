"""Groups of entries: each maps ranges of its destination keys to all sources, and back."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from s3copy_tasks.core.job import KEY_BYTES_MAX, PrefixEntry
from s3copy_tasks.core.mirror_group import group_mirror, map_bounds
from tests.support.builders.mirror import entries, make_mirror

PREFIXES = st.sampled_from(["", "a/", "a/b/", "a/b/c/", "b/"])
KEYS = st.text(st.sampled_from("ab/\uffff"), min_size=1, max_size=5) | PREFIXES.filter(bool)
ENTRIES = st.builds(PrefixEntry, source=PREFIXES, destination=PREFIXES, recursive=st.booleans())
EVERY = st.lists(ENTRIES, min_size=1, max_size=4, unique_by=lambda entry: (entry.source, entry.destination))


def maps_to(entry: PrefixEntry, source: str) -> str | None:
    """Return the destination key of a source key; None if the entry does not copy it."""
    suffix = source.removeprefix(entry.source)
    if not source.startswith(entry.source) or ("/" in suffix and not entry.recursive):
        return None
    return entry.destination + suffix


@given(every=EVERY, source=st.sets(KEYS), cuts=st.sets(KEYS, max_size=3))
def test_ranges_of_sources_map_onto_ranges_of_keys(
    every: list[PrefixEntry], source: set[str], cuts: set[str]
) -> None:
    """What the mapped bounds of all entries list is what any entry of the job copies to the range."""
    job = make_mirror(prefixes=tuple(every[:2]), all_prefixes=tuple(every))
    bounds = [None, *sorted(cuts), None]
    for group in group_mirror(job):
        for after, through in pairwise(bounds):
            expected = {
                key
                for entry in every
                for each in source
                if (key := maps_to(entry, each)) is not None and key.startswith(group.prefix)
                if (after is None or key > after) and (through is None or key <= through)
            }
            found = set()
            for entry in group.entries:
                mapped = map_bounds(entry, after, through)
                if mapped is None:
                    continue
                first = None if mapped.after is None else entry.source + mapped.after
                last = None if mapped.through is None else entry.source + mapped.through
                for each in source:
                    if (first is None or each > first) and (last is None or each <= last):
                        found.add(maps_to(entry, each))
            assert found - {None} == expected


@given(every=EVERY, key=KEYS)
def test_sources_of_a_key(every: list[PrefixEntry], key: str) -> None:
    """All source keys that any entry of the job copies to it, and no other one."""
    job = make_mirror(prefixes=tuple(every[:2]), all_prefixes=tuple(every))
    for group in group_mirror(job):
        if not key.startswith(group.prefix):
            continue
        found = group.find_sources(key)
        assert all(any(maps_to(entry, source) == key for entry in every) for source in found)
        for entry in every:
            source = entry.source + key.removeprefix(entry.destination)
            if source and maps_to(entry, source) == key:
                assert source in found


def test_groups_are_apart() -> None:
    """Each key of the run's destinations is in one group, with all entries that write there."""
    every = entries(("a/", "out/"), ("b/", "out/sub/"), ("c/", "else/"), ("d/", ""))
    (whole,) = group_mirror(make_mirror(prefixes=every))
    assert (whole.prefix, whole.scope) == ("", every)
    nested, outer = group_mirror(make_mirror(prefixes=every[1:3], all_prefixes=every))
    assert (nested.prefix, outer.prefix) == ("else/", "out/sub/")
    assert outer.entries == entries(("b/", "out/sub/"), ("a/sub/", "out/sub/"), ("d/out/sub/", "out/sub/"))


def test_a_bound_that_is_too_long_lists_from_the_start() -> None:
    """S3 refuses a longer key; what comes before the range is skipped by its reader."""
    long = PrefixEntry(source="in/" + "x" * 1_000 + "/", destination="out/")
    bounds = map_bounds(long, "out/" + "y" * 100, "out/z")
    assert bounds is not None
    assert (bounds.after, bounds.through) == (None, "z")
    (group,) = group_mirror(make_mirror(prefixes=(long,)))
    assert group.find_sources("out/" + "y" * 100) == []
    assert len(group.find_sources("out/" + "y" * 20)[0]) == KEY_BYTES_MAX
