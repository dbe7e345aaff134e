"""Metrics add up, are consistent, and show untrusted text safely."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3copy_tasks.core.bottleneck import Bottleneck
from s3copy_tasks.core.collector import MetricsCollector
from s3copy_tasks.core.metrics import Errors, Failure, TransferMetrics, sum_metrics
from s3copy_tasks.core.objects import SkipReason
from s3copy_tasks.core.queue import MessageCounts
from s3copy_tasks.core.request_counts import Kind, Requests, Tally
from s3copy_tasks.core.text import printable
from tests.support.s3.memory import DAY_ONE, Clock


def sorted_counts(keys: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[Any, int]]:
    return st.dictionaries(keys, st.integers(1, 10**9), max_size=5).map(lambda one: dict(sorted(one.items())))


FAILURES = st.builds(
    Failure,
    entry=st.integers(-1, 3),
    key=st.text(max_size=3),
    code=st.sampled_from(["AccessDenied", "SlowDown", "BatchLost"]),
    message=st.text(max_size=5),
    attempts=st.integers(0, 10),
)
COUNTS = st.integers(0, 10**9)
REQUESTS = st.builds(
    Requests,
    by_kind=sorted_counts(st.sampled_from(["CopyObject", "HeadObject", "ListObjectsV2"])),
    retried=COUNTS,
    throttled=COUNTS,
    peak_in_flight=st.integers(0, 1_000),
    latency=sorted_counts(st.integers(0, 259)),
    limited_milliseconds=sorted_counts(st.sampled_from([str(limit) for limit in Bottleneck])),
)


MESSAGES = st.builds(
    MessageCounts,
    waiting=COUNTS,
    received=COUNTS,
    deleted=COUNTS,
    oldest_seconds=st.none() | st.integers(0, 10**6).map(float),
    outside=st.sampled_from(["", "in/a", "in/b"]),
    at_least=st.booleans(),
    may_wait=st.booleans(),
)


@st.composite
def metrics(draw: st.DrawFn, *, depth: int = 1) -> TransferMetrics:
    """Any valid metrics of the operation "op", or the zero."""
    if draw(st.integers(0, 9)) == 0:
        return TransferMetrics()
    names = ("files_copied_successfully", "files_failed", "files_vanished", "files_unknown")
    fates: dict[str, Any] = {name: draw(COUNTS) for name in names}
    skipped = draw(st.dictionaries(st.sampled_from(SkipReason), st.integers(1, 10**9)))
    failures = draw(st.lists(FAILURES, max_size=8))
    start = DAY_ONE + timedelta(seconds=draw(st.integers(0, 10**6)))
    return TransferMetrics(
        operation_id="op",
        start_time=start,
        end_time=start + timedelta(seconds=draw(st.integers(0, 10**6))),
        total_files_found=sum(fates.values()) + sum(skipped.values()),
        files_copied_earlier=draw(st.integers(0, fates["files_copied_successfully"])),
        files_verified=draw(st.integers(0, fates["files_copied_successfully"])),
        files_mismatched=draw(st.integers(0, fates["files_failed"])),
        requests=draw(REQUESTS),
        messages=draw(st.none() | MESSAGES),
        files_ambiguous=draw(st.integers(0, fates["files_copied_successfully"])),
        total_bytes_transferred=draw(COUNTS),
        files_skipped=dict(sorted(skipped.items())),
        errors_encountered=Errors(
            by_code=dict(sorted(Counter(failure.code for failure in failures).items())),
            first=tuple(sorted(failures)),
            transient=draw(COUNTS),
        ),
        entries=draw(
            st.dictionaries(st.integers(-1, 3), metrics(depth=depth - 1), max_size=3)
            if depth
            else st.just({})
        ),
        **fates,
    )


@settings(deadline=None, max_examples=60)
@given(a=metrics(), b=metrics(), c=metrics())
def test_addition_is_a_commutative_monoid(a: TransferMetrics, b: TransferMetrics, c: TransferMetrics) -> None:
    """Parts add up in any order and any grouping, and the zero changes nothing."""
    assert (a + b) + c == a + (b + c)
    assert a + b == b + a
    assert a + TransferMetrics() == a == TransferMetrics() + a
    assert sum_metrics([a, b, c]) == a + b + c
    assert sum_metrics([]) == TransferMetrics()


@settings(deadline=None, max_examples=40)
@given(a=metrics(), b=metrics())
def test_sum(a: TransferMetrics, b: TransferMetrics) -> None:
    """A sum has the sums of the counts, the first start, the last end, and every error by code."""
    both = a + b
    assert both.total_files_found == a.total_files_found + b.total_files_found
    assert both.files_copied_earlier == a.files_copied_earlier + b.files_copied_earlier
    assert both.total_bytes_transferred == a.total_bytes_transferred + b.total_bytes_transferred
    assert Counter(both.files_skipped) == Counter(a.files_skipped) + Counter(b.files_skipped)
    times = [part.start_time for part in (a, b) if part.start_time]
    assert both.start_time == (min(times) if times else None)
    ends = [part.end_time for part in (a, b) if part.end_time]
    assert both.end_time == (max(ends) if ends else None)
    assert both.requests.sent == a.requests.sent + b.requests.sent
    assert both.requests.throttled == a.requests.throttled + b.requests.throttled
    assert both.requests.peak_in_flight == max(a.requests.peak_in_flight, b.requests.peak_in_flight)
    assert both.errors_encountered.total == a.errors_encountered.total + b.errors_encountered.total


def test_different_operations() -> None:
    """Metrics of two operations do not add up."""
    with pytest.raises(ValueError, match="different operations do not add up: a, b"):
        TransferMetrics(operation_id="a") + TransferMetrics(operation_id="b")


INVALID: dict[str, tuple[dict[str, Any], str]] = {
    "negative-copied": ({"files_copied_successfully": -1, "total_files_found": -1}, "below 0"),
    "negative-bytes": ({"total_bytes_transferred": -1}, "total_bytes_transferred"),
    "negative-ambiguous": ({"files_ambiguous": -1}, "files_ambiguous"),
    "negative-skipped": (
        {"files_skipped": {SkipReason.UNCHANGED: -1}, "files_failed": 1},
        "files_skipped",
    ),
    "one-too-many": ({"total_files_found": 1}, "found 1 objects, but counted 0"),
    "one-too-few": ({"files_vanished": 1}, "found 0 objects, but counted 1"),
    "skipped-not-found": ({"files_skipped": {SkipReason.EXISTS: 2}}, "counted 2"),
    "verified-not-copied": ({"files_verified": 1}, "1 of 0 copied objects"),
    "mismatched-not-failed": ({"files_mismatched": 1}, "1 of 0 failed"),
    "times-reversed": (
        {"start_time": DAY_ONE, "end_time": DAY_ONE - timedelta(seconds=1)},
        "before its start",
    ),
}


@pytest.mark.parametrize(("values", "message"), INVALID.values(), ids=INVALID)
def test_invalid_metrics(values: dict[str, Any], message: str) -> None:
    """Counts are at least 0, found = copied + skipped + failed + vanished + unknown, start <= end."""
    with pytest.raises(ValueError, match=message):
        TransferMetrics(operation_id="op", **values)


def failure(number: int, code: str = "AccessDenied") -> Failure:
    return Failure.of(entry=0, key=f"{number:04}", code=code, message="no", attempts=1)


def numbered(numbers: list[int]) -> TransferMetrics:
    collector = MetricsCollector(Clock())
    collector.start_operation("op")
    for number in numbers:
        collector.record_file_failure(failure(number, f"Code{number % 3}"))
    return collector.metrics()


def test_errors_are_counted_exactly() -> None:
    """All errors are counted by code, and the first 100 by entry and key are named, in any order."""
    numbers = list(range(1_000))
    random.Random(1).shuffle(numbers)
    whole = numbered(numbers)
    parts = sum_metrics(numbered(numbers[start : start + 130]) for start in range(0, 1_000, 130))
    for errors in (whole.errors_encountered, parts.errors_encountered):
        assert errors.by_code == {"Code0": 334, "Code1": 333, "Code2": 333}
        assert [one.key for one in errors.first] == [f"{number:04}" for number in range(100)]


ENTRIES = st.sampled_from([None, 0, 1, 2])
KINDS: list[Kind] = ["CopyObject", "HeadObject"]
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("copied"), st.integers(0, 100), st.booleans(), st.booleans(), ENTRIES),
        st.tuples(st.just("skipped"), st.sampled_from(SkipReason), ENTRIES),
        st.tuples(st.just("vanished"), ENTRIES),
        st.tuples(st.just("asked"), st.sampled_from(KINDS), ENTRIES),
        st.tuples(st.just("failed"), FAILURES, st.booleans()),
        st.tuples(st.just("unknown"), st.integers(0, 5), FAILURES, st.booleans()),
    ),
    max_size=30,
)


def collected(events: list[tuple[Any, ...]]) -> TransferMetrics:
    collector = MetricsCollector(Clock())
    collector.start_operation("op")
    for kind, *values in events:
        if kind == "copied":
            collector.record_file_success(values[0], earlier=values[1], ambiguous=values[2], entry=values[3])
        elif kind == "skipped":
            collector.record_skip(values[0], values[1])
        elif kind == "vanished":
            collector.record_vanished(values[0])
        elif kind == "asked":
            tally = Tally()
            tally.sent(values[0], values[1], 1, again=False)
            collector.record_requests(tally)
        elif kind == "failed":
            collector.record_file_failure(values[0], transient=values[1])
        else:
            collector.record_unknown(values[0], values[1], transient=values[2])
    assert collector.found == collector.metrics().total_files_found
    return collector.metrics()


@settings(deadline=None, max_examples=60)
@given(events=EVENTS, cut=st.integers(0, 30))
def test_collector_equals_sum(events: list[tuple[Any, ...]], cut: int) -> None:
    """One collector counts the same as two together, wherever batches are cut."""
    assert collected(events[:cut]) + collected(events[cut:]) == collected(events)


@settings(deadline=None, max_examples=60)
@given(events=EVENTS)
def test_entries_add_up_to_the_whole(events: list[tuple[Any, ...]]) -> None:
    """Everything is counted for one entry: the entries' parts add up to the whole."""
    whole = collected(events)
    parts = sum_metrics(whole.entries.values()).counts()
    rates = {"objects_per_second", "bytes_per_second"}
    assert {k: v for k, v in parts.items() if k not in rates} == {
        k: v for k, v in whole.counts().items() if k not in rates
    }


SPANS = st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)).map(sorted), min_size=1, max_size=6)


@given(SPANS)
def test_the_duration_is_the_time_in_which_something_ran(spans: list[list[int]]) -> None:
    """A pause between parts does not count, and a second counts once."""

    def after(seconds: int) -> datetime:
        return DAY_ONE + timedelta(seconds=seconds)

    parts = [TransferMetrics(start_time=after(start), end_time=after(end)) for start, end in spans]
    whole = sum_metrics(parts)
    seconds = {second for start, end in spans for second in range(start, end)}
    assert whole.duration_seconds == len(seconds)
    assert whole.start_time == after(min(start for start, _ in spans))
    assert whole.end_time == after(max(end for _, end in spans))


def test_a_batch_that_is_cleared_days_later_adds_its_own_time() -> None:
    """The rate is that of the time in which copies ran."""
    first = TransferMetrics(start_time=DAY_ONE, end_time=DAY_ONE + timedelta(seconds=30))
    days = timedelta(days=5)
    cleared = replace(
        first,
        start_time=DAY_ONE + days,
        end_time=DAY_ONE + days + timedelta(seconds=10),
        total_files_found=400,
        files_copied_successfully=400,
    )
    plain = (first + cleared).as_dict()
    assert (plain["duration_seconds"], plain["objects_per_second"]) == (40.0, 10.0)
    assert plain["end_time"] == "2026-01-06T00:00:10+00:00"


def test_collector_times() -> None:
    """Metrics start with their operation and end when they are read, never before their start."""
    clock = Clock()
    collector = MetricsCollector(clock)
    collector.start_operation("op")
    clock.tick(2.5)
    assert collector.metrics().duration_seconds == 2.5
    clock.tick(-60)
    assert collector.metrics().duration_seconds == 0.0


COMPLETE: dict[str, tuple[list[tuple[Any, ...]], bool]] = {
    "nothing": ([], True),
    "all-copied": ([("copied", 1, False, False, 0)], True),
    "failed-by-name": ([("failed", failure(1), False)], True),
    "unknown-objects": ([("unknown", 3, failure(1), False)], False),
    "failed-listing-without-objects": ([("unknown", 0, failure(1), False)], False),
}


@pytest.mark.parametrize(("events", "is_complete"), COMPLETE.values(), ids=COMPLETE)
def test_completeness(events: list[tuple[Any, ...]], is_complete: bool) -> None:  # noqa: FBT001
    """Metrics are incomplete after a failed listing, even if it has no known object."""
    assert collected(events).is_complete is is_complete


PRINTABLE = {
    "plain": ("a/b c.nc", "a/b c.nc"),
    "umlaut": ("é🛰", "é🛰"),
    "newline": ("a\nb", "a\\nb"),
    "escape-sequence": ("\x1b[31m", "\\x1b[31m"),
    "null": ("\0", "\\x00"),
    "right-to-left-override": ("\u202e", "\\u202e"),
    "lone-surrogate": ("\ud800", "\\ud800"),
}


@pytest.mark.parametrize(("text", "shown"), PRINTABLE.values(), ids=PRINTABLE)
def test_printable(text: str, shown: str) -> None:
    """What a terminal or a log would act on is escaped; everything else stays as it is."""
    assert printable(text) == shown


def test_failure_lines() -> None:
    """A failure names its key, its code, the attempts and what S3 said."""
    one = Failure.of(entry=None, key="a\nb", code="SlowDown", message="\x1b", attempts=10)
    assert str(one) == "a\\nb: SlowDown after 10 attempts: \\x1b"
    assert str(failure(7)) == "0007: AccessDenied after 1 attempt: no"


def test_messages_are_cut() -> None:
    """A message takes at most 1,000 characters: metrics travel."""
    assert len(Failure.of(entry=0, key="k", code="c", message="m" * 10_000, attempts=1).message) == 1_000


@settings(deadline=None, max_examples=30)
@given(value=metrics())
def test_contract_dict(value: TransferMetrics) -> None:
    """The dict that users are promised has plain JSON types under the promised names."""
    plain = json.loads(json.dumps(value.as_dict()))
    assert plain["operation_id"] == value.operation_id
    assert plain["total_files_found"] == value.total_files_found
    assert plain["files_copied_successfully"] == value.files_copied_successfully
    assert plain["files_failed"] == value.files_failed
    assert plain["total_bytes_transferred"] == value.total_bytes_transferred
    assert plain["duration_seconds"] == value.duration_seconds
    assert plain["errors"] == [str(one) for one in value.errors_encountered.first]
    if value.start_time:
        assert datetime.fromisoformat(plain["start_time"]) == value.start_time
