"""Reads figures from XComs. A run may be old, failed, dry or under way, so any key may be missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from s3copy_tasks.core.queue import MessageCounts
from s3copy_tasks.dag.page.deletions import Deletions, parse_deletions
from s3copy_tasks.dag.page.messages import parse_messages
from s3copy_tasks.dag.page.reading import (
    read_address,
    read_count,
    read_counts,
    read_failures,
    read_number,
    read_texts,
    read_whole,
)
from s3copy_tasks.dag.page.shapes import mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The result of a run, an entry or a batch, or its progress so far.

    Attributes:
        found: objects at the source that were listed or headed.
        expected: objects that will be found by the end, as far as plan and batches know; None if unknown.
        is_more_expected: whether a batch that is being copied has found more objects than the plan did.
        copied: objects that are at the destination.
        verified: copied objects that were proven equal.
        skipped: objects by reason.
        failed: objects that could not be copied.
        vanished: objects that were gone when their turn came.
        unknown: objects whose task died before it reported metrics.
        transferred: bytes of the copied objects.
        expected_bytes: bytes that the plan wants to copy or compare; None if unknown.
        seconds: from the first step to the last; None while under way.
        objects_per_second: copied; None if unknown.
        bytes_per_second: copied; None if unknown.
        requests: requests sent to S3; None if they were not counted.
        requests_at_least: whether more requests were sent, by attempts of which nothing is left.
        requests_by_kind: requests by operation of S3.
        retried: requests that were sent again.
        throttled: requests that S3 throttled.
        latency: seconds by `p50`, `p95`, `p99`, for requests that copy.
        peak_in_flight: the most requests at once in one batch; 0 if unknown.
        limited_milliseconds: how long batches were limited, by bottleneck, the longest first.
        dollars: cost of the requests; None if unknown.
        errors_by_code: exact counts.
        errors: the first failures as text, with keys; a reason may have several lines.
        results: address of the folder with a row for each object; empty if there is none.
        deletions: what a mirror deleted; None for any other job, or if that is not known yet.
        messages: of the queue that names the keys; None for any other job, or if that is not known yet.
        dry_run: whether the run only planned.
        under_way: whether these are figures so far; what a batch skips and verifies is added at its end.
        batches: of a run without a summary: how many batches it has; None if it has a summary.
        reported: how many of them reported their metrics.
    """

    found: int = 0
    expected: int | None = None
    is_more_expected: bool = False
    copied: int = 0
    verified: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)
    failed: int = 0
    vanished: int = 0
    unknown: int = 0
    transferred: int = 0
    expected_bytes: int | None = None
    seconds: float | None = None
    objects_per_second: float | None = None
    bytes_per_second: float | None = None
    requests: int | None = None
    requests_at_least: bool = False
    requests_by_kind: Mapping[str, int] = field(default_factory=dict)
    retried: int = 0
    throttled: int = 0
    latency: Mapping[str, float] = field(default_factory=dict)
    peak_in_flight: int = 0
    limited_milliseconds: Mapping[str, int] = field(default_factory=dict)
    dollars: float | None = None
    errors_by_code: Mapping[str, int] = field(default_factory=dict)
    errors: tuple[str, ...] = ()
    results: str = ""
    deletions: Deletions | None = None
    messages: MessageCounts | None = None
    dry_run: bool = False
    under_way: bool = False
    batches: int | None = None
    reported: int = 0

    @property
    def skips(self) -> int:
        """Objects that were skipped for any reason."""
        return sum(self.skipped.values())

    @property
    def has_all_requests(self) -> bool:
        """Whether the requests of every attempt are counted: those of a batch that was lost are not."""
        return not (
            self.requests_at_least or self.under_way or self.unknown or self.reported < (self.batches or 0)
        )

    @property
    def bad(self) -> int:
        """Objects that may be missing at the destination, and were not skipped."""
        return self.failed + self.unknown


def parse_figures(value: Any) -> Figures | None:
    """Return the figures in what `summarize` or a batch pushed, or in one of its entries.

    Returns:
        None if the value is something else.
    """
    if not isinstance(value, dict) or not value.keys() & {"total_files_found", "operation_id"}:
        return None  # a batch's metrics leave zeros out
    copied, transferred = (
        read_count(value, "files_copied_successfully"),
        read_count(value, "total_bytes_transferred"),
    )
    seconds = _duration(value)
    requests, errors = value.get("requests"), value.get("errors_encountered")
    sent = requests if isinstance(requests, dict) else value
    return Figures(
        found=read_count(value, "total_files_found"),
        copied=copied,
        verified=read_count(value, "files_verified"),
        skipped=read_counts(value, "files_skipped"),
        failed=read_count(value, "files_failed"),
        vanished=read_count(value, "files_vanished"),
        unknown=read_count(value, "files_unknown"),
        transferred=transferred,
        seconds=seconds,
        objects_per_second=_rate(value, "objects_per_second", copied, seconds),
        bytes_per_second=_rate(value, "bytes_per_second", transferred, seconds),
        requests=sum(read_counts(requests, "by_kind").values())
        if isinstance(requests, dict)
        else read_whole(requests),
        requests_at_least=True in (value.get("requests_at_least"), mapping(requests).get("at_least")),
        requests_by_kind=read_counts(value, "requests_by_kind") or read_counts(mapping(requests), "by_kind"),
        retried=read_count(sent, "retried") or read_count(value, "requests_retried"),
        throttled=read_count(sent, "throttled") or read_count(value, "requests_throttled"),
        latency=_seconds(value.get("latency_seconds")),
        peak_in_flight=read_count(sent, "peak_in_flight"),
        limited_milliseconds=_limited(value),
        dollars=read_number(value, "cost_usd"),
        errors_by_code=read_counts(errors if isinstance(errors, dict) else value, "by_code")
        or read_counts(value, "errors_by_code"),
        errors=read_texts(value.get("errors")) or read_failures(errors),
        results=read_address(value.get("results")),
        deletions=parse_deletions(value.get("deletions")),
        messages=parse_messages(value.get("queue") or value.get("messages")),
        dry_run=value.get("dry_run") is True,
    )


def parse_progress(value: Any) -> Figures | None:
    """Return the figures in a batch's `progress`; None if the value is something else."""
    if not isinstance(value, dict) or "copied" not in value:
        return None
    return Figures(
        found=read_count(value, "found"),
        expected=read_whole(value.get("of")),
        copied=read_count(value, "copied"),
        failed=read_count(value, "failed"),
        transferred=read_count(value, "bytes"),
        objects_per_second=read_number(value, "objects_per_second"),
        under_way=True,
    )


def _duration(value: Mapping[str, Any]) -> float | None:
    """Return the pushed seconds; the metrics of a batch have only start and end."""
    try:
        began, ended = (datetime.fromisoformat(value[name]) for name in ("start_time", "end_time"))
        between = (ended - began).total_seconds()
    except (KeyError, TypeError, ValueError):
        between = None
    seconds = read_number(value, "duration_seconds")
    return between if seconds is None else seconds


def _rate(value: Mapping[str, Any], name: str, amount: int, seconds: float | None) -> float | None:
    """Return the pushed rate; runs of earlier versions pushed none, so it is computed."""
    rate = read_number(value, name)
    if rate is None and seconds:
        return amount / seconds
    return rate


def _seconds(value: Any) -> dict[str, float]:
    found = mapping(value)
    return {name: found[name] for name in ("p50", "p95", "p99") if read_number(found, name) is not None}


def _limited(value: Mapping[str, Any]) -> dict[str, int]:
    """Return milliseconds by bottleneck, of a batch's metrics or of a summary, which has seconds."""
    found = mapping(value.get("limited_by"))
    summarized = {name: round(1_000 * (read_number(found, name) or 0.0)) for name in found}
    return read_counts(mapping(value.get("requests")), "limited_milliseconds") or read_counts(
        {"": summarized}, ""
    )
