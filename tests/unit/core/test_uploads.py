"""Which open uploads earlier attempts of a batch left, and what to list to find them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3copy_tasks.core.batch import Batch, KeyRange
from s3copy_tasks.core.job import Filters, ObjectEntry, PrefixEntry
from s3copy_tasks.core.store import ListedUpload
from s3copy_tasks.core.uploads import EarlierUploads, UploadOwner, UploadSpan, find_upload_spans
from tests.support.builders.bench import make_job
from tests.support.s3.memory import DAY_ONE, WRITER

SECOND = timedelta(seconds=1)
JOB = make_job(
    prefixes=(
        PrefixEntry(source="in/", destination="out/"),
        PrefixEntry(source="flat/", destination="flat-out/", recursive=False),
    ),
    objects=tuple(ObjectEntry(source=f"o/{name}", destination=f"named/{name}") for name in "abcd"),
    filters=Filters(exclude=("*.tmp",), modified_since=DAY_ONE + timedelta(days=9)),
)


def batch(*ranges: tuple[int | None, str | int | None, str | int]) -> Batch:
    """Return a batch of ranges: entry, lower bound, upper bound."""
    made = tuple(
        KeyRange(entry=entry, after=after, through=through, found=1, objects=1, bytes=1)
        for entry, after, through in ranges
    )
    return Batch(id=0, of=1, plan_id="plan", label="label", ranges=made)


BATCH = batch((0, "b", "d"), (0, "k", "m"), (1, None, "f"), (None, 0, 2))


def upload(key: str, **changes: Any) -> ListedUpload:
    values: dict[str, Any] = {
        "key": key,
        "upload_id": "id",
        "initiated": DAY_ONE + SECOND,
        "initiator": WRITER,
    }
    return ListedUpload(**(values | changes))


# A key -> whether the batch writes it.
KEYS = {
    "out/b": False,
    "out/b1": True,
    "out/c/deep": True,
    "out/d": True,
    "out/d1": False,
    "out/k": False,
    "out/l": True,
    "out/n": False,
    "out/l.tmp": False,
    "outside/c": False,
    "c": False,
    "flat-out/": True,
    "flat-out/a": True,
    "flat-out/a/deep": False,
    "flat-out/g": False,
    "named/a": False,
    "named/b": True,
    "named/c": True,
    "named/cc": False,
    "named/d": False,
}


@pytest.mark.parametrize(("key", "written"), KEYS.items(), ids=KEYS)
def test_keys_of_a_batch(key: str, written: bool) -> None:  # noqa: FBT001
    """An upload is this run's only if its key is in a range of the batch, and no filter excludes it."""
    owner = EarlierUploads(JOB, BATCH, WRITER).find_owner(upload(key))
    assert owner is (UploadOwner.THIS_RUN if written else UploadOwner.OTHERS)


MILLISECOND = timedelta(milliseconds=1)
ANOTHER = "arn:aws:iam::444455556666:user/another"
ALL: list[tuple[dict[str, Any], str | None, UploadOwner]] = [
    ({}, WRITER, UploadOwner.THIS_RUN),
    ({"initiator": ANOTHER}, WRITER, UploadOwner.OTHERS),
    ({"initiator": None}, WRITER, UploadOwner.UNKNOWN),
    ({}, None, UploadOwner.UNKNOWN),
    ({"initiator": None}, None, UploadOwner.UNKNOWN),
    ({"initiated": DAY_ONE}, WRITER, UploadOwner.OTHERS),
    ({"initiated": DAY_ONE - SECOND}, WRITER, UploadOwner.OTHERS),
    ({"initiated": DAY_ONE + SECOND - MILLISECOND}, WRITER, UploadOwner.OTHERS),
    ({"initiated": DAY_ONE + SECOND + MILLISECOND}, WRITER, UploadOwner.THIS_RUN),
    ({"initiated": DAY_ONE - SECOND, "initiator": None}, WRITER, UploadOwner.OTHERS),
]


@pytest.mark.parametrize(("changes", "initiator", "owner"), ALL)
def test_owner(changes: dict[str, Any], initiator: str | None, owner: UploadOwner) -> None:
    """This run's uploads started after it, by its principal; without an initiator the owner is unknown."""
    assert EarlierUploads(JOB, BATCH, initiator).find_owner(upload("out/c", **changes)) is owner


NESTED = make_job(
    prefixes=(
        PrefixEntry(source="in/", destination="out/"),
        PrefixEntry(source="more/", destination="out/deep/"),
    ),
    objects=(ObjectEntry(source="o", destination="out/o"),),
)
# Ranges of a batch, and who owns an upload to a key.
SHARED: list[tuple[list[tuple[int | None, str | int | None, str | int]], str, UploadOwner]] = [
    ([(0, None, "z")], "out/a", UploadOwner.THIS_RUN),
    ([(0, None, "z")], "out/deep/a", UploadOwner.UNKNOWN),
    ([(1, None, "z")], "out/deep/a", UploadOwner.UNKNOWN),
    ([(0, None, "z"), (1, None, "z")], "out/deep/a", UploadOwner.THIS_RUN),
    ([(0, None, "z"), (1, "b", "z")], "out/deep/a", UploadOwner.UNKNOWN),
    ([(0, None, "z")], "out/o", UploadOwner.UNKNOWN),
    ([(None, None, 0)], "out/o", UploadOwner.UNKNOWN),
    ([(0, None, "z"), (None, None, 0)], "out/o", UploadOwner.THIS_RUN),
]


@pytest.mark.parametrize(("ranges", "key", "owner"), SHARED)
def test_entries_that_share_a_destination(
    ranges: list[tuple[int | None, str | int | None, str | int]], key: str, owner: UploadOwner
) -> None:
    """If an entry of another batch may be writing the key now, the owner is unknown."""
    assert EarlierUploads(NESTED, batch(*ranges), WRITER).find_owner(upload(key)) is owner


def test_a_run_without_a_start_owns_nothing() -> None:
    """Without the run's start, its uploads can't be distinguished from older ones."""
    job = make_job(run_started=None)
    assert (
        EarlierUploads(job, batch((0, None, "z")), WRITER).find_owner(upload("out/c")) is UploadOwner.OTHERS
    )


def test_ranges_of_one_prefix_are_listed_together() -> None:
    """Each prefix is listed once, from its least bound to its greatest, and each single object alone."""
    assert find_upload_spans(JOB, BATCH) == [
        UploadSpan(entry=0, prefix="out/", after="out/b", through="out/m"),
        UploadSpan(entry=1, prefix="flat-out/", after=None, through="flat-out/f"),
        UploadSpan(entry=None, prefix="named/b", after=None, through="named/b"),
        UploadSpan(entry=None, prefix="named/c", after=None, through="named/c"),
    ]


suffixes = st.text("ab/\u00e9", max_size=3)
ranges = st.one_of(
    st.tuples(st.integers(0, 1), st.none() | suffixes, suffixes),
    st.tuples(st.none(), st.none() | st.integers(0, 3), st.integers(0, 3)),
)
keys = st.one_of(
    st.builds(str.__add__, st.sampled_from(["out/", "flat-out/"]), suffixes),
    st.sampled_from(["named/a", "named/b", "named/c", "named/d"]),
)


def covers(span: UploadSpan, key: str) -> bool:
    return key.startswith(span.prefix) and (span.after is None or key > span.after) and (key <= span.through)


@given(ranges=st.lists(ranges, min_size=1, max_size=4), key=keys)
def test_uploads_of_this_run_are_listed(ranges: list[tuple[Any, Any, Any]], key: str) -> None:
    """Whatever the ranges, an upload that counts as this run's is in what is listed."""
    made, job = batch(*ranges), JOB
    is_own = EarlierUploads(job, made, WRITER).find_owner(upload(key)) is UploadOwner.THIS_RUN
    assert not is_own or any(covers(span, key) for span in find_upload_spans(job, made))
