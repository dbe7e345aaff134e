"""A rendered job checks itself: keys, overlaps and equal destinations (rule 25)."""

from __future__ import annotations

from typing import Any

import pytest

from s3copy_tasks.core.job import EffectiveJob, Mirror, ObjectEntry, PrefixEntry
from s3copy_tasks.core.key_list import KeyList, ResultsPlace
from s3copy_tasks.core.location import Location
from s3copy_tasks.core.queue import Queue
from s3copy_tasks.errors import ConfigError
from tests.support.builders.bench import make_job

LONG = "é" * 512 + "/"  # 1,025 bytes
BAD_KEYS: dict[str, tuple[dict[str, Any], str]] = {
    "empty-source": ({"objects": (ObjectEntry(source="", destination="b"),)}, "objects[0].source"),
    "empty-destination": ({"objects": (ObjectEntry(source="a", destination=""),)}, "objects[0].destination"),
    "long-source": ({"objects": (ObjectEntry(source=LONG, destination="b"),)}, "objects[0].source"),
    "long-destination": ({"objects": (ObjectEntry(source="a", destination=LONG),)}, "objects[0].destination"),
    "long-source-prefix": ({"prefixes": (PrefixEntry(source=LONG, destination="b/"),)}, "prefixes[0].source"),
    "long-destination-prefix": (
        {
            "prefixes": (
                PrefixEntry(source="a/", destination="b/"),
                PrefixEntry(source="c/", destination=LONG),
            )
        },
        "prefixes[1].destination",
    ),
}


@pytest.mark.parametrize(("changes", "path"), BAD_KEYS.values(), ids=BAD_KEYS)
def test_bad_keys(changes: dict[str, Any], path: str) -> None:
    """A key is not empty and has at most 1,024 bytes after rendering; the message names the entry."""
    with pytest.raises(ConfigError) as refused:
        make_job(**changes)
    assert path in refused.value.message


def test_longest_key() -> None:
    """A key of exactly 1,024 bytes is allowed."""
    entry = ObjectEntry(source="é" * 512, destination="a" * 1024)
    assert make_job(objects=(entry,)).objects == (entry,)


def same_bucket(
    read: str, write: str, *, by_key: bool = False, destination: Location | None = None
) -> EffectiveJob:
    bucket = Location(bucket="one-bucket")
    if by_key:
        entries: dict[str, Any] = {"objects": (ObjectEntry(source=read, destination=write),)}
    else:
        entries = {"prefixes": (PrefixEntry(source=read, destination=write),)}
    return make_job(source=bucket, destination=destination or bucket, **entries)


OVERLAPS = {
    "equal": ("a/", "a/"),
    "destination-below-source": ("a/", "a/b/"),
    "source-below-destination": ("a/b/", "a/"),
    "whole-bucket-read": ("", "a/"),
    "whole-bucket-written": ("a/", ""),
}


@pytest.mark.parametrize(("read", "write"), OVERLAPS.values(), ids=OVERLAPS)
def test_overlaps(read: str, write: str) -> None:
    """In one bucket, a destination that overlaps a source is refused: the job would copy its own copies."""
    with pytest.raises(
        ConfigError, match=r"overlaps s3://one-bucket/.*, the source of (prefixes|objects)\[[01]\]"
    ):
        same_bucket(read, write)


def test_overlap_with_the_source_of_another_entry() -> None:
    """A destination overlaps any source of the job, not only the one of its own entry."""
    bucket = Location(bucket="one-bucket")
    entries = (PrefixEntry(source="a/", destination="x/"), PrefixEntry(source="x/y/", destination="z/"))
    with pytest.raises(
        ConfigError, match=r"overlaps s3://one-bucket/.*, the source of (prefixes|objects)\[[01]\]"
    ):
        make_job(source=bucket, destination=bucket, prefixes=entries)


MIXED_OVERLAPS = {
    "object-written-below-read-prefix": (
        (PrefixEntry(source="a/", destination="b/"),),
        (ObjectEntry(source="c", destination="a/c"),),
    ),
    "object-read-below-written-prefix": (
        (PrefixEntry(source="a/", destination="b/"),),
        (ObjectEntry(source="b/c", destination="d"),),
    ),
    "object-onto-itself": ((), (ObjectEntry(source="a", destination="a"),)),
    "object-onto-another-source": (
        (),
        (ObjectEntry(source="a", destination="b"), ObjectEntry(source="b", destination="c")),
    ),
}


@pytest.mark.parametrize(("prefixes", "objects"), MIXED_OVERLAPS.values(), ids=MIXED_OVERLAPS)
def test_overlaps_of_objects(prefixes: tuple[PrefixEntry, ...], objects: tuple[ObjectEntry, ...]) -> None:
    """Overlaps of single objects are found, too, on both sides."""
    bucket = Location(bucket="one-bucket")
    with pytest.raises(
        ConfigError, match=r"overlaps s3://one-bucket/.*, the source of (prefixes|objects)\[[01]\]"
    ):
        make_job(source=bucket, destination=bucket, prefixes=prefixes, objects=objects)


def test_apart_in_one_bucket() -> None:
    """Prefixes and keys that are only similar do not overlap."""
    assert same_bucket("a/", "ab/").prefixes
    assert same_bucket("a/b", "a/bc", by_key=True).objects


def test_equal_prefixes_of_two_buckets() -> None:
    """The same prefix may be read in one bucket and written in another."""
    assert same_bucket("a/", "a/", destination=Location(bucket="other-bucket")).prefixes


def test_one_bucket_by_two_endpoints() -> None:
    """A bucket is the same bucket, whatever its endpoint."""
    by_address = Location(bucket="one-bucket", endpoint_url="http://localhost:9000")
    with pytest.raises(ConfigError, match="overlaps"):
        same_bucket("a/", "a/", destination=by_address)


def test_one_bucket_reached_by_two_roles() -> None:
    """A bucket is the same bucket, whatever the role."""
    reader = Location(bucket="one-bucket", role_arn="arn:aws:iam::111122223333:role/writer")
    with pytest.raises(
        ConfigError, match=r"overlaps s3://one-bucket/.*, the source of (prefixes|objects)\[[01]\]"
    ):
        same_bucket("a/", "a/", destination=reader)


def test_overlapping_sources() -> None:
    """Sources may overlap: reading twice is harmless."""
    entries = (PrefixEntry(source="a/", destination="x/"), PrefixEntry(source="a/b/", destination="y/"))
    assert make_job(prefixes=entries).prefixes == entries


def test_equal_object_destinations() -> None:
    """Two objects for one destination key are refused, and both are named."""
    entries = [ObjectEntry(source=source, destination="same") for source in ("a", "b")]
    with pytest.raises(ConfigError) as refused:
        make_job(objects=(ObjectEntry(source="z", destination="apart"), *entries))
    assert "objects[2]" in refused.value.message
    assert "objects[1]" in refused.value.message


def test_every_problem_is_named() -> None:
    """One error names all problems."""
    entries = (ObjectEntry(source="", destination="x"), ObjectEntry(source=LONG, destination="x"))
    with pytest.raises(ConfigError) as refused:
        make_job(objects=entries)
    assert len(refused.value.message.splitlines()) == 3


def test_an_access_point_has_its_region() -> None:
    """Its ARN names the region, and the config may name another."""
    point = "arn:aws-cn:s3:cn-north-1:111122223333:accesspoint/ops"
    assert Location(bucket=point).region == "cn-north-1"
    assert Location(bucket=point, region="eu-west-1").region == "eu-west-1"
    assert Location(bucket="ops").region is None


ENTRY, OTHER = PrefixEntry(source="a/", destination="out/"), PrefixEntry(source="out/b/", destination="c/")
BUCKET = Location(bucket="one-bucket")
UNSAFE: dict[str, tuple[dict[str, Any], tuple[PrefixEntry, ...], str]] = {
    "no-prefix": ({"prefixes": ()}, (), "needs prefixes"),
    "entry-that-the-mirror-lacks": ({}, (OTHER,), "lacks entries that the run copies"),
    "object-that-the-mirror-lacks": (
        {"objects": (ObjectEntry(source="x", destination="y"),)},
        (ENTRY,),
        "lacks entries that the run copies",
    ),
    "list": ({"keys_from": KeyList(location=BUCKET, key="list.csv")}, (ENTRY,), "a run by a list"),
    "own-results": (
        {"name": "out", "results": ResultsPlace(location=BUCKET, prefix="")},
        (ENTRY,),
        "the job's own results in s3://one-bucket/out/",
    ),
    "source-of-an-entry-that-the-run-leaves-out": ({}, (ENTRY, OTHER), "overlaps s3://one-bucket/out/b/"),
}


@pytest.mark.parametrize(("changes", "prefixes", "words"), UNSAFE.values(), ids=UNSAFE)
def test_unsafe_mirrors(changes: dict[str, Any], prefixes: tuple[PrefixEntry, ...], words: str) -> None:
    """A run that could delete its own source, list, results, or copies of its job can't be made."""
    mirror = Mirror(max_deleted_objects=1, max_deleted_percent=10, prefixes=prefixes)
    sides = {"source": BUCKET, "destination": BUCKET, "prefixes": (ENTRY,), "mirror": mirror}
    with pytest.raises(ConfigError) as refused:
        make_job(**sides | changes)
    assert words in refused.value.message


@pytest.mark.parametrize(
    ("objects", "percent"), [(-1, 10), (100_001, 10), (1, 0), (1, 100.5), (1, float("nan"))]
)
def test_limits_of_deletes(objects: int, percent: float) -> None:
    """There are at most 100,000 deletes in a run, and never more than all objects."""
    with pytest.raises(ConfigError, match="limits out of range"):
        Mirror(max_deleted_objects=objects, max_deleted_percent=percent)


def test_a_queue_has_a_connection_of_its_own() -> None:
    """How a queue is read is among what a run needs, as a list's bucket is."""
    reached = Location(bucket="source-bucket", connection="aws_queue")
    queue = Queue(url="https://sqs.us-west-2.amazonaws.com/111122223333/created", location=reached)
    assert reached in make_job(keys_from=queue).locations
