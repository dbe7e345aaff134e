"""Reads figures from XComs. A run may be old, failed, dry or under way, so any key may be missing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from s3copy_tasks.dag.page.shapes import items, mapping

_ERRORS_SHOWN = 100
_GREATEST = 2**63


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The result of a run, an entry or a batch, or its progress so far.

    Attributes:
        found: objects at the source that were listed or headed.
        planned: objects that the plan found for the batch; None if unknown.
        copied: objects that are at the destination.
        verified: copied objects that were proven equal.
        skipped: objects by reason.
        failed: objects that could not be copied.
        vanished: objects that were gone when their turn came.
        unknown: objects whose task died before it reported metrics.
        transferred: bytes of the copied objects.
        seconds: from the first step to the last; None while under way.
        objects_per_second: copied; None if unknown.
        bytes_per_second: copied; None if unknown.
        requests: requests sent to S3; None if they were not counted.
        requests_by_kind: requests by operation of S3.
        retried: requests that were sent again.
        throttled: requests that S3 throttled.
        latency: seconds by `p50`, `p95`, `p99`, for requests that copy.
        dollars: cost of the requests; None if unknown.
        errors_by_code: exact counts.
        errors: the first failures as text, with keys.
        dry_run: whether the run only planned.
        under_way: whether these are figures so far; skipped and verified objects are added at the end.
    """

    found: int = 0
    planned: int | None = None
    copied: int = 0
    verified: int = 0
    skipped: Mapping[str, int] = field(default_factory=dict)
    failed: int = 0
    vanished: int = 0
    unknown: int = 0
    transferred: int = 0
    seconds: float | None = None
    objects_per_second: float | None = None
    bytes_per_second: float | None = None
    requests: int | None = None
    requests_by_kind: Mapping[str, int] = field(default_factory=dict)
    retried: int = 0
    throttled: int = 0
    latency: Mapping[str, float] = field(default_factory=dict)
    dollars: float | None = None
    errors_by_code: Mapping[str, int] = field(default_factory=dict)
    errors: tuple[str, ...] = ()
    dry_run: bool = False
    under_way: bool = False

    @property
    def skips(self) -> int:
        """Objects that were skipped for any reason."""
        return sum(self.skipped.values())

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
    copied, transferred = _count(value, "files_copied_successfully"), _count(value, "total_bytes_transferred")
    seconds = _duration(value)
    requests, errors = value.get("requests"), value.get("errors_encountered")
    sent = requests if isinstance(requests, dict) else value
    return Figures(
        found=_count(value, "total_files_found"),
        copied=copied,
        verified=_count(value, "files_verified"),
        skipped=_counts(value, "files_skipped"),
        failed=_count(value, "files_failed"),
        vanished=_count(value, "files_vanished"),
        unknown=_count(value, "files_unknown"),
        transferred=transferred,
        seconds=seconds,
        objects_per_second=_rate(value, "objects_per_second", copied, seconds),
        bytes_per_second=_rate(value, "bytes_per_second", transferred, seconds),
        requests=_count(requests, "sent") if isinstance(requests, dict) else _whole(requests),
        requests_by_kind=_counts(value, "requests_by_kind"),
        retried=_count(sent, "retried") or _count(value, "requests_retried"),
        throttled=_count(sent, "throttled") or _count(value, "requests_throttled"),
        latency=_seconds(value.get("latency_seconds")),
        dollars=_number(value, "cost_usd"),
        errors_by_code=_counts(errors if isinstance(errors, dict) else value, "by_code")
        or _counts(value, "errors_by_code"),
        errors=_texts(value.get("errors")),
        dry_run=value.get("dry_run") is True,
    )


def parse_progress(value: Any) -> Figures | None:
    """Return the figures in a batch's `progress`; None if the value is something else."""
    if not isinstance(value, dict) or "copied" not in value:
        return None
    return Figures(
        found=_count(value, "found"),
        planned=_whole(value.get("of")),
        copied=_count(value, "copied"),
        failed=_count(value, "failed"),
        transferred=_count(value, "bytes"),
        objects_per_second=_number(value, "objects_per_second"),
        under_way=True,
    )


def add_up_figures(parts: Iterable[Figures]) -> Figures | None:
    """Return the sum over batches, without skipped and verified objects; None without batches."""
    parts = list(parts)
    if not parts:
        return None
    rates = [part.objects_per_second for part in parts if part.under_way and part.objects_per_second]
    return Figures(
        found=sum(part.found for part in parts),
        copied=sum(part.copied for part in parts),
        failed=sum(part.failed for part in parts),
        unknown=sum(part.unknown for part in parts),
        transferred=sum(part.transferred for part in parts),
        objects_per_second=sum(rates) if rates else None,
        under_way=True,
    )


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and _is_sane(value) else None


def _count(value: Mapping[str, Any], name: str) -> int:
    return _whole(value.get(name)) or 0


def _number(value: Mapping[str, Any], name: str) -> float | None:
    found = value.get(name)
    return float(found) if isinstance(found, int | float) and _is_sane(found) else None


def _is_sane(value: float) -> bool:
    """Return whether a number can be added and shown: an XCom may hold any, even what JSON does not allow."""
    return not isinstance(value, bool) and abs(value) <= _GREATEST


def _duration(value: Mapping[str, Any]) -> float | None:
    """Return the pushed seconds; the metrics of a batch have only start and end."""
    try:
        began, ended = (datetime.fromisoformat(value[name]) for name in ("start_time", "end_time"))
        between = (ended - began).total_seconds()
    except (KeyError, TypeError, ValueError):
        between = None
    seconds = _number(value, "duration_seconds")
    return between if seconds is None else seconds


def _rate(value: Mapping[str, Any], name: str, amount: int, seconds: float | None) -> float | None:
    """Return the pushed rate; runs of earlier versions pushed none, so it is computed."""
    rate = _number(value, name)
    if rate is None and seconds:
        return amount / seconds
    return rate


def _counts(value: Mapping[str, Any], name: str) -> dict[str, int]:
    """Return counts by name, the largest first, without zeros."""
    counts = {str(key): count for key, count in mapping(value.get(name)).items() if _whole(count)}
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _seconds(value: Any) -> dict[str, float]:
    found = mapping(value)
    return {name: found[name] for name in ("p50", "p95", "p99") if _number(found, name) is not None}


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(str(text) for text in items(value)[:_ERRORS_SHOWN])
