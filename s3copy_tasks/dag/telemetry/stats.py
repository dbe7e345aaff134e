"""Sends the metrics of a run to where Airflow's own statistics go: StatsD, DogStatsD or OpenTelemetry.

This is done once in a run, at its end: a retried batch would count twice, and the summary has one attempt.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from s3copy_tasks.core.bottleneck import Bottleneck
from s3copy_tasks.dag.airflow_versions import conf, statistics
from s3copy_tasks.dag.best_effort import warn_on_failure

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from s3copy_tasks.interfaces import RunReport

_COUNTED = {
    "objects.found": "total_files_found",
    "objects.copied": "files_copied_successfully",
    "objects.verified": "files_verified",
    "objects.failed": "files_failed",
    "objects.vanished": "files_vanished",
    "objects.unknown": "files_unknown",
    "bytes.copied": "total_bytes_transferred",
    "requests.retried": "requests_retried",
    "requests.throttled": "requests_throttled",
}
_COUNTED_BY = {
    "objects.skipped": ("files_skipped", "reason"),
    "errors": ("errors_by_code", "code"),
    "requests": ("requests_by_kind", "kind"),
}
_DELETES = ("extraneous", "deleted", "gone", "failed", "unknown")
_DELETES_BY = {"kept": ("kept", "reason"), "errors": ("errors_by_code", "code")}
_MESSAGES = ("received", "deleted", "left")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_.-]")
_MEASURED = ("objects_per_second", "bytes_per_second", "cost_usd", "peak_in_flight")


def send_stats(report: RunReport, *, failed: bool) -> None:
    """Send the metrics of a run that has ended, tagged with its job and its state: docs/metrics.md.

    As for Airflow's own metrics, `[metrics] legacy_names_on` adds names that contain the job, for backends
    without tags.
    """
    with warn_on_failure("statistics are not sent"):
        _RunStats(report["job"] or "unknown", "failed" if failed else "success").send(report)


class _RunStats:
    """Names and tags of one run's statistics."""

    def __init__(self, job: str, state: str) -> None:
        self._tags = {"job": _safe(job), "state": state}
        self._prefixes = ["s3copy."]
        if conf.getboolean("metrics", "legacy_names_on", fallback=True):  # an option since Airflow 3.2
            self._prefixes.append(f"s3copy.job.{_safe(job).replace('.', '__')}.")

    def send(self, report: RunReport) -> None:
        stats = statistics()
        for name, tags, count in _counts(report):
            for prefix in self._prefixes:
                stats.incr(prefix + name, count, tags=self._tags | tags)
        for name, value in _gauges(report):
            for prefix in self._prefixes:
                stats.gauge(prefix + name, value, tags=self._tags)
        for prefix in self._prefixes:
            stats.timing(f"{prefix}duration", timedelta(seconds=report["duration_seconds"]), tags=self._tags)


def _counts(report: RunReport) -> Iterator[tuple[str, dict[str, str], int]]:
    """Yield the values that add up over runs."""
    plain: Mapping[str, Any] = report
    yield "runs", {}, 1
    for name, key in _COUNTED.items():
        yield name, {}, plain[key]
    for name, (key, tag) in _COUNTED_BY.items():
        for value, count in plain[key].items():
            yield name, {tag: _safe(value)}, count
    if report["deletions"] is not None:
        yield from _delete_counts(plain["deletions"])
    if report["queue"] is not None:
        for name in _MESSAGES:
            yield f"messages.{name}", {}, plain["queue"][name]


def _delete_counts(deletions: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, str], int]]:
    """Yield what a mirror deleted and kept."""
    for name in _DELETES:
        yield f"deletes.{name}", {}, deletions[name]
    for name, (key, tag) in _DELETES_BY.items():
        for value, count in deletions[key].items():
            yield f"deletes.{name}", {tag: _safe(value)}, count


def _gauges(report: RunReport) -> Iterator[tuple[str, float]]:
    """Yield the values that do not; a latency that is None is left out."""
    plain: Mapping[str, Any] = report
    for name in _MEASURED:
        yield name, plain[name]
    if report["queue"] is not None:
        yield "messages.waiting", report["queue"]["waiting"]
        if report["queue"]["oldest_seconds"] is not None:
            yield "messages.oldest_seconds", report["queue"]["oldest_seconds"]
    for name, seconds in report["latency_seconds"].items():
        if seconds is not None:
            yield f"latency_seconds.{name}", seconds
    for bottleneck in Bottleneck:
        yield f"limited_by.{bottleneck}", report["limited_by"].get(bottleneck, 0.0)


def _safe(text: str) -> str:
    """Return untrusted input as part of a name, with the characters that Airflow allows in names."""
    return _NOT_IN_NAMES.sub("_", text)
