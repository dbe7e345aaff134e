"""A job with a list or with results keeps its places apart: what it copies, its list, and its results."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3copy_tasks.core.job import EffectiveJob, ObjectEntry, PrefixEntry
from s3copy_tasks.core.key_list import Column, KeyList, ResultsPlace
from s3copy_tasks.core.location import Location
from s3copy_tasks.errors import Code, ConfigError
from tests.support.builders.bench import make_job

SOURCE, DESTINATION = Location(bucket="ops-granules"), Location(bucket="partner-granules")
BARE = KeyList(location=Location(bucket="ops-lists"), key="a.csv", columns=(Column.KEY,))


def job_of(*pairs: tuple[str, str], **changes: Any) -> EffectiveJob:
    """Return a job of prefixes, each a source and a destination."""
    prefixes = tuple(PrefixEntry(source=source, destination=destination) for source, destination in pairs)
    return make_job(source=SOURCE, destination=DESTINATION, prefixes=prefixes, **changes)


def refusal(*pairs: tuple[str, str], **changes: Any) -> list[str]:
    """Return the fields that the refusal of a job names."""
    with pytest.raises(ConfigError) as refused:
        job_of(*pairs, **changes)
    assert refused.value.code == Code.INVALID_CONFIG
    return [line.partition(": ")[0] for line in refused.value.message.splitlines()]


TIED = {
    "equal": (("a/", "out/"), ("b/", "out/")),
    "below": (("a/", "out/"), ("b/", "out/deep/")),
    "the whole bucket": (("a/", ""), ("b/", "out/")),
}
APART = {
    "one": (("a/", "out/"),),
    "two": (("a/", "out/"), ("b/", "other/")),
    "names that begin alike": (("a/", "out/"), ("b/", "output/")),
}


@pytest.mark.parametrize("pairs", TIED.values(), ids=TIED)
def test_rows_need_destinations_apart(pairs: tuple[tuple[str, str], ...]) -> None:
    """Rows are not sorted: two that would write one key are not found, so no two may."""
    assert refusal(*pairs, keys_from=BARE) == ["prefixes[1].destination"]
    inventory = KeyList(location=BARE.location, key="a/", inventory=True)
    assert refusal(*pairs, keys_from=inventory) == ["prefixes[1].destination"]


@pytest.mark.parametrize("pairs", TIED.values(), ids=TIED)
def test_rows_that_say_their_destination_may_go_below_another(pairs: tuple[tuple[str, str], ...]) -> None:
    """With the column `destination`, and in listings, destinations may be nested."""
    named = KeyList(location=BARE.location, key="a.csv", columns=(Column.KEY, Column.DESTINATION))
    assert job_of(*pairs, keys_from=named).keys_from == named
    assert job_of(*pairs).keys_from is None


@pytest.mark.parametrize("pairs", APART.values(), ids=APART)
def test_destinations_apart_are_taken(pairs: tuple[tuple[str, str], ...]) -> None:
    """A prefix is below another only at a slash."""
    assert job_of(*pairs, keys_from=BARE).keys_from == BARE


@given(destinations=st.lists(st.sampled_from(["", "a/", "a/b/", "a/c/", "ab/", "b/"]), max_size=4))
def test_the_rule_is_that_of_every_pair(destinations: list[str]) -> None:
    """Destinations are refused exactly if one begins another."""
    pairs = [(f"s{index}/", destination) for index, destination in enumerate(destinations)]
    tied = any(
        one.startswith(other)
        for i, one in enumerate(destinations)
        for j, other in enumerate(destinations)
        if i != j
    )
    if tied:
        assert refusal(*pairs, keys_from=BARE)
    else:
        job_of(*pairs, keys_from=BARE)


CLASHES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "the list among the copies": ({"keys_from": ("partner-granules", "backup/a.csv")}, ["from"]),
    "lists among the copies": ({"keys_from": ("partner-granules", "backup/lists/")}, ["from"]),
    "the list beside the copies": ({"keys_from": ("partner-granules", "lists/a.csv")}, []),
    "the list in the source": ({"keys_from": ("ops-granules", "daily/a.csv")}, []),
    "the list elsewhere": ({"keys_from": ("ops-lists", "backup/a.csv")}, []),
    "results below the source": ({"results": ("ops-granules", "daily/results/")}, ["results"]),
    "results in the source": ({"results": ("ops-granules", "daily/")}, ["results"]),
    "results beside the source": ({"results": ("ops-granules", "results/")}, []),
    "results among the copies": ({"results": ("partner-granules", "backup/results/")}, ["results"]),
    "results beside the copies": ({"results": ("partner-granules", "results/")}, []),
    "results above the copies": ({"results": ("partner-granules", "")}, []),
    "results elsewhere": ({"results": ("ops-results", "daily/")}, []),
}


@pytest.mark.parametrize(("places", "expected"), CLASHES.values(), ids=CLASHES)
def test_lists_and_results_are_kept_out_of_what_is_copied(
    places: dict[str, tuple[str, str]], expected: list[str]
) -> None:
    """A run overwrites neither its list nor its results, and does not copy its results."""
    changes: dict[str, Any] = {}
    for name, (bucket, key) in places.items():
        location = Location(bucket=bucket)
        changes[name] = (
            KeyList(location=location, key=key)
            if name == "keys_from"
            else ResultsPlace(location=location, prefix=key)
        )
    if expected:
        assert refusal(("daily/", "backup/"), **changes) == expected
    else:
        assert job_of(("daily/", "backup/"), **changes).prefixes


def test_a_file_of_this_machine_is_in_no_bucket() -> None:
    """Its path is not compared with keys, whatever it is called."""
    local = KeyList(location=None, key="backup/a.csv")
    assert job_of(("daily/", "backup/"), keys_from=local).keys_from == local


def test_single_objects_have_no_place_below_them() -> None:
    """Only a prefix contains other keys."""
    entry = ObjectEntry(source="a", destination="results/")
    place = ResultsPlace(location=DESTINATION, prefix="results/copies/")
    assert make_job(source=SOURCE, destination=DESTINATION, objects=(entry,), results=place).results == place
