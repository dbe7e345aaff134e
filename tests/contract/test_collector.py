"""The metrics collector, with the contract's four methods."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3copy_tasks import MetricsCollector
from tests.support.s3.memory import Clock

if TYPE_CHECKING:
    from collections.abc import Callable

    from s3copy_tasks.interfaces import OperationMetrics

TYPES: dict[str, type] = {
    "operation_id": str,
    "start_time": str,
    "end_time": str,
    "duration_seconds": float,
    "total_files_found": int,
    "files_copied_successfully": int,
    "files_copied_earlier": int,
    "files_verified": int,
    "files_unverified": int,
    "files_ambiguous": int,
    "files_skipped": dict,
    "files_failed": int,
    "files_mismatched": int,
    "files_vanished": int,
    "files_unknown": int,
    "total_bytes_transferred": int,
    "requests": int,
    "requests_retried": int,
    "requests_throttled": int,
    "peak_in_flight": int,
    "errors": list,
    "errors_by_code": dict,
    "objects_per_second": float,
    "bytes_per_second": float,
    "requests_by_kind": dict,
    "latency_seconds": dict,
    "limited_by": dict,
    "cost_usd": float,
    "requests_at_least": bool,
}
WORDS = st.text(st.characters(categories=["L", "N", "P"]), min_size=1, max_size=20)
EVENTS = st.lists(st.one_of(st.integers(0, 10**15), WORDS), max_size=60)
RECORDINGS: dict[str, Callable[[MetricsCollector], object]] = {
    "success": lambda collector: collector.record_file_success(1),
    "failure": lambda collector: collector.record_file_failure("no"),
    "finish": lambda collector: collector.finish_operation(),
}


def started(operation_id: str = "op-1", clock: Clock | None = None) -> MetricsCollector:
    collector = MetricsCollector(clock or Clock())
    collector.start_operation(operation_id)
    return collector


def record(collector: MetricsCollector, event: int | str) -> None:
    """Record an int as the bytes of a success, a text as a failure."""
    if isinstance(event, str):
        collector.record_file_failure(event)
    else:
        collector.record_file_success(event)


def assert_counted(metrics: OperationMetrics, events: list[int | str]) -> None:
    sizes = [event for event in events if isinstance(event, int)]
    errors = [event for event in events if isinstance(event, str)]
    assert metrics["total_files_found"] == len(events)
    assert metrics["files_copied_successfully"] == len(sizes)
    assert metrics["files_failed"] == len(errors)
    assert metrics["total_bytes_transferred"] == sum(sizes)
    assert Counter(metrics["errors"]) == Counter(errors)


def test_shape() -> None:
    """The dict has exactly its keys, in plain JSON types."""
    collector = started()
    collector.record_file_success(5)
    collector.record_file_failure("no")
    metrics = collector.finish_operation()
    assert {name: type(value) for name, value in metrics.items()} == TYPES
    assert json.loads(json.dumps(metrics)) == metrics


def test_example() -> None:
    """Two successes and a failure are three objects found; time runs from start to finish."""
    clock = Clock()
    collector = started("publish-7", clock)
    collector.record_file_success(1_000)
    collector.record_file_success(24)
    collector.record_file_failure("data/a.nc: AccessDenied")
    clock.tick(2.5)
    metrics = collector.finish_operation()
    expected: dict[str, Any] = {
        "operation_id": "publish-7",
        "start_time": "2026-01-01T00:00:00+00:00",
        "end_time": "2026-01-01T00:00:02.500000+00:00",
        "duration_seconds": 2.5,
        "total_files_found": 3,
        "files_copied_successfully": 2,
        "files_failed": 1,
        "total_bytes_transferred": 1_024,
        "errors": ["data/a.nc: AccessDenied"],
    }
    assert expected.items() <= metrics.items()


@given(events=EVENTS)
def test_sums(events: list[int | str]) -> None:
    """Counts and bytes are the sums of what was recorded, and every error's text comes back."""
    collector = started()
    for event in events:
        record(collector, event)
    assert_counted(collector.finish_operation(), events)


@settings(max_examples=20)
@given(events=EVENTS, threads=st.integers(2, 6))
def test_sums_of_threads(events: list[int | str], threads: int) -> None:
    """With many threads at once, nothing is lost and nothing is counted twice."""
    collector, ready = started(), Barrier(threads)

    def work(share: list[int | str]) -> None:
        ready.wait()
        for event in share:
            record(collector, event)

    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(work, [events[first::threads] for first in range(threads)]))
    assert_counted(collector.finish_operation(), events)


def test_many_errors() -> None:
    """Every error is counted; the dict has the first hundred."""
    collector = started()
    for number in range(1_000):
        collector.record_file_failure(f"{number:04}")
    metrics = collector.finish_operation()
    assert metrics["files_failed"] == 1_000
    assert metrics["errors"] == [f"{number:04}" for number in range(100)]
    assert sum(metrics["errors_by_code"].values()) == 1_000


@pytest.mark.parametrize("recording", RECORDINGS.values(), ids=RECORDINGS)
def test_nothing_is_counted_before_the_start(recording: Callable[[MetricsCollector], object]) -> None:
    """Counting before an operation has started is an error."""
    with pytest.raises(RuntimeError, match="start_operation"):
        recording(MetricsCollector())


def test_starting_again() -> None:
    """Another operation starts at zero, with its own id and its own start time."""
    clock = Clock()
    collector = started("one", clock)
    collector.record_file_success(7)
    collector.record_file_failure("no")
    clock.tick(60)
    collector.start_operation("two")
    assert collector.finish_operation() == started("two", clock).finish_operation()


def test_an_operation_has_an_id() -> None:
    """An empty id is refused."""
    with pytest.raises(ValueError, match="needs an id"):
        MetricsCollector().start_operation("")


def test_sizes_are_not_negative() -> None:
    """A size below 0 is refused and counts nothing."""
    collector = started()
    with pytest.raises(ValueError, match="at least 0, not -1"):
        collector.record_file_success(-1)
    assert_counted(collector.finish_operation(), [])
