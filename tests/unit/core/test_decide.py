"""Filters, and the decision from two listings: the truth tables of the configuration's documentation."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from s3copy_tasks.core.decide import Decider, build_filter
from s3copy_tasks.core.job import Filters, Overwrite
from s3copy_tasks.core.objects import Action, Decision, S3Object, SkipReason
from tests.support.builders.bench import make_job, make_object

T = datetime(2026, 1, 10, 12, 0, 0, tzinfo=UTC)
PLAIN, OTHER = '"0123456789abcdef0123456789abcdef"', '"fedcba9876543210fedcba9876543210"'
PARTS = '"00112233445566778899aabbccddeeff-3"'

FILTERS = {
    "none": (Filters(), "a/b.nc", None),
    "included": (Filters(include=("*.nc",)), "b.nc", None),
    "star-crosses-slash": (Filters(include=("*.nc",)), "a/b/c.nc", None),
    "star-in-the-middle-crosses-slash": (Filters(include=("a*c.nc",)), "a/b/c.nc", None),
    "star-matches-nothing": (Filters(include=("a*",)), "a", None),
    "whole-key-must-match": (Filters(include=("a",)), "ab", SkipReason.NOT_INCLUDED),
    "not-included": (Filters(include=("*.nc",)), "b.txt", SkipReason.NOT_INCLUDED),
    "second-include": (Filters(include=("*.nc", "*.txt")), "b.txt", None),
    "case-matters": (Filters(include=("*.nc",)), "B.NC", SkipReason.NOT_INCLUDED),
    "question-mark-is-one-character": (Filters(include=("a?c",)), "abc", None),
    "question-mark-is-not-none": (Filters(include=("a?c",)), "ac", SkipReason.NOT_INCLUDED),
    "set": (Filters(include=("[ab].nc",)), "b.nc", None),
    "not-in-set": (Filters(include=("[!ab].nc",)), "b.nc", SkipReason.NOT_INCLUDED),
    "dot-is-no-wildcard": (Filters(include=("a.nc",)), "axnc", SkipReason.NOT_INCLUDED),
    "pipe-is-no-alternative": (Filters(include=("a|b",)), "a", SkipReason.NOT_INCLUDED),
    "newline-in-key": (Filters(include=("a*b",)), "a\nb", None),
    "excluded": (Filters(exclude=("*.tmp",)), "a/b.tmp", SkipReason.EXCLUDED),
    "not-excluded": (Filters(exclude=("*.tmp",)), "a/b.nc", None),
    "exclude-wins": (Filters(include=("*",), exclude=("a/*",)), "a/b", SkipReason.EXCLUDED),
    "excluded-and-not-included": (
        Filters(include=("*.nc",), exclude=("*.tmp",)),
        "b.tmp",
        SkipReason.EXCLUDED,
    ),
    "marker-of-the-prefix": (Filters(include=("*",)), "", None),
    "modified-before": (Filters(modified_since=T + timedelta(seconds=1)), "a", SkipReason.NOT_MODIFIED_SINCE),
    "modified-at": (Filters(modified_since=T), "a", None),
    "exclude-before-date": (
        Filters(exclude=("a",), modified_since=T + timedelta(days=1)),
        "a",
        SkipReason.EXCLUDED,
    ),
}


@pytest.mark.parametrize(("filters", "suffix", "reason"), FILTERS.values(), ids=FILTERS)
def test_filters(filters: Filters, suffix: str, reason: SkipReason | None) -> None:
    """Globs match the whole key below the prefix, `*` crosses "/", and exclude wins over include."""
    assert build_filter(filters)(suffix, T) == reason


def source(etag: str = PLAIN, *, size: int = 5, modified: datetime = T) -> S3Object:
    return make_object("in/a", etag=etag, size=size, modified=modified)


def destination(etag: str = PLAIN, *, size: int = 5, seconds: float = 0) -> S3Object:
    modified = T + timedelta(seconds=seconds)
    return make_object("out/a", etag=etag, size=size, modified=modified, bucket="the-destination")


DAYS_7 = 7 * 86_400
CHANGED: dict[str, tuple[S3Object, S3Object | None, Decision]] = {
    "absent": (source(), None, Action.COPY),
    "other-size": (source(), destination(size=6, seconds=60), Action.COPY),
    "other-size-same-etag": (source(), destination(size=6), Action.COPY),
    "empty-objects": (source(size=0), destination(size=0), SkipReason.UNCHANGED),
    "same-etag-newer": (source(), destination(seconds=60), SkipReason.UNCHANGED),
    "same-etag-same-second": (source(), destination(), SkipReason.UNCHANGED),
    "same-etag-older": (source(), destination(seconds=-1), Action.COPY),
    "same-etag-without-quotes": (source(), destination(PLAIN.strip('"')), SkipReason.UNCHANGED),
    "same-multipart-etag-newer": (source(PARTS), destination(PARTS, seconds=60), SkipReason.UNCHANGED),
    "other-etag-newer": (source(), destination(OTHER, seconds=1), SkipReason.UNCHANGED),
    "other-etag-same-second": (source(), destination(OTHER), Action.COPY),
    "other-etag-older": (source(), destination(OTHER, seconds=-1), Action.COPY),
    "fraction-in-the-same-second": (source(), destination(OTHER, seconds=0.9), Action.COPY),
    "fraction-of-the-source": (
        source(modified=T + timedelta(seconds=0.9)),
        destination(seconds=0),
        SkipReason.UNCHANGED,
    ),
    "copied-in-parts": (source(), destination(PARTS, seconds=60), SkipReason.UNCHANGED),
    "straddle": (source(PARTS), destination(OTHER, seconds=60), Action.COMPARE),
    "straddle-at-seven-days": (source(PARTS), destination(OTHER, seconds=DAYS_7), Action.COMPARE),
    "straddle-after-seven-days": (
        source(PARTS),
        destination(OTHER, seconds=DAYS_7 + 1),
        SkipReason.UNCHANGED,
    ),
    "straddle-other-parts": (
        source(PARTS),
        destination(PARTS.replace("-3", "-2"), seconds=1),
        Action.COMPARE,
    ),
    "version-same-etag-older": (
        replace(source(), version_id="v1"),
        destination(seconds=-1),
        SkipReason.UNCHANGED,
    ),
    "version-other-etag-newer": (
        replace(source(), version_id="v1"),
        destination(OTHER, seconds=60),
        Action.COMPARE,
    ),
    "version-other-size": (replace(source(), version_id="v1"), destination(size=6, seconds=60), Action.COPY),
    "straddle-other-size": (source(PARTS), destination(OTHER, size=6, seconds=60), Action.COPY),
    "straddle-same-second": (source(PARTS), destination(OTHER), Action.COPY),
}


@pytest.mark.parametrize(("at_source", "at_destination", "decision"), CHANGED.values(), ids=CHANGED)
def test_changed(at_source: S3Object, at_destination: S3Object | None, decision: Decision) -> None:
    """Unchanged is the same size at a destination that is not older; the same second needs equal ETags."""
    decider = Decider(make_job(overwrite=Overwrite.CHANGED))
    assert decider.decide_named(at_source, at_destination, "out/a") is decision


@pytest.mark.parametrize("existing", [row[1] for row in CHANGED.values()], ids=CHANGED)
def test_always(existing: S3Object | None) -> None:
    """Overwrite always copies, whatever the destination has."""
    assert (
        Decider(make_job(overwrite=Overwrite.ALWAYS)).decide_named(source(), existing, "out/a") is Action.COPY
    )


@pytest.mark.parametrize("existing", [row[1] for row in CHANGED.values()], ids=CHANGED)
def test_never(existing: S3Object | None) -> None:
    """Overwrite never copies what is absent and nothing else."""
    decision = Decider(make_job(overwrite=Overwrite.NEVER)).decide_named(source(), existing, "out/a")
    assert decision is (Action.COPY if existing is None else SkipReason.EXISTS)


EARLIER = {
    "after-the-start": (destination(OTHER, seconds=1), True),
    "at-the-start": (destination(OTHER, seconds=0), False),
    "fraction-of-the-first-second": (destination(OTHER, seconds=0.9), False),
    "before-the-start": (destination(OTHER, seconds=-1), False),
    "other-size": (destination(OTHER, size=6, seconds=1), False),
    "absent": (None, False),
}


@pytest.mark.parametrize("overwrite", Overwrite)
@pytest.mark.parametrize(("existing", "earlier"), EARLIER.values(), ids=EARLIER)
def test_copied_earlier(existing: S3Object | None, earlier: bool, overwrite: Overwrite) -> None:  # noqa: FBT001
    """On a retry, the right size dated strictly after the run began is this run's copy, always."""
    job = make_job(run_started=T, overwrite=overwrite)
    again = Decider(job, retried=True).decide_named(source(), existing, "out/a")
    first = Decider(job, retried=False).decide_named(source(), existing, "out/a")
    assert (again is Action.COPIED_EARLIER) is earlier
    assert first is not Action.COPIED_EARLIER
    if not earlier:
        assert again is first


def test_a_source_written_again_is_not_done() -> None:
    """A copy of this run that is older than its source, whatever its size, is copied again."""
    written_again = replace(source(), last_modified=T + timedelta(hours=5))
    decider = Decider(make_job(run_started=T), retried=True)
    decision = decider.decide_named(written_again, destination(OTHER, seconds=300), "out/a")
    assert decision is Action.COPY


def test_copied_earlier_needs_the_start_of_the_run() -> None:
    """A run that does not know when it started takes nothing for its own copy."""
    decider = Decider(make_job(run_started=None), retried=True)
    assert decider.decide_named(source(), destination(OTHER, seconds=60), "out/a") is SkipReason.UNCHANGED


def test_filters_come_before_the_comparison() -> None:
    """A filtered object is counted as filtered at every attempt, whatever the destination has."""
    job = make_job(run_started=T, filters=Filters(exclude=("a",)))
    decision = Decider(job, retried=True).decide_listed(source(), destination(seconds=60), "a", "out/a")
    assert decision is SkipReason.EXCLUDED


def test_filters_spare_named_objects() -> None:
    """Filters do not apply to objects that the job names by key."""
    assert (
        Decider(make_job(filters=Filters(exclude=("*",)))).decide_named(source(), None, "out/a")
        is Action.COPY
    )


LENGTHS = {
    "ascii-1024": ("a" * 1024, Action.COPY),
    "ascii-1025": ("a" * 1025, Action.KEY_TOO_LONG),
    "two-bytes-1024": ("é" * 512, Action.COPY),
    "two-bytes-1026": ("é" * 513, Action.KEY_TOO_LONG),
    "four-bytes-1024": ("🛰" * 256, Action.COPY),
    "four-bytes-1028": ("🛰" * 257, Action.KEY_TOO_LONG),
}


@pytest.mark.parametrize(("key", "decision"), LENGTHS.values(), ids=LENGTHS)
def test_key_too_long(key: str, decision: Decision) -> None:
    """A destination key has at most 1,024 bytes of UTF-8, counted after the prefix was replaced."""
    assert Decider(make_job()).decide_named(source(), None, key) is decision
