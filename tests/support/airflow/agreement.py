"""Checks that the numbers of a run are the same at each place where they are reported."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from s3copy_tasks.core.bottleneck import Bottleneck
from s3copy_tasks.dag.airflow_versions import event_extra

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.airflow.statsd import StatsD

OF_STATSD = {
    "objects.found": "total_files_found",
    "objects.copied": "files_copied_successfully",
    "objects.verified": "files_verified",
    "objects.failed": "files_failed",
    "objects.vanished": "files_vanished",
    "objects.unknown": "files_unknown",
    "bytes.copied": "total_bytes_transferred",
    "requests": "requests",
    "requests.retried": "requests_retried",
    "requests.throttled": "requests_throttled",
}


def assert_statsd_agrees(statsd: StatsD, metrics: Mapping[str, Any]) -> None:
    """Compare the metrics at StatsD, without tags and of a job's only run, with the XCom `metrics`."""
    prefix, deletions = f"airflow.s3copy.job.{metrics['job']}.", metrics["deletions"]
    for name in ("extraneous", "deleted", "gone", "failed", "unknown") if deletions else ():
        assert statsd.counters[f"{prefix}deletes.{name}"] == deletions[name], name
    assert statsd.counters[f"{prefix}deletes.kept"] == sum(deletions["kept"].values() if deletions else ())
    for name, key in OF_STATSD.items():
        assert statsd.counters[prefix + name] == metrics[key], name
    assert statsd.counters[prefix + "objects.skipped"] == sum(metrics["files_skipped"].values())
    assert statsd.counters[prefix + "errors"] == sum(metrics["errors_by_code"].values())
    for name in ("objects_per_second", "bytes_per_second", "cost_usd", "peak_in_flight"):
        assert statsd.latest[prefix + name] == metrics[name], name
    for name, seconds in metrics["latency_seconds"].items():
        assert statsd.latest.get(f"{prefix}latency_seconds.{name}") == seconds
    for bottleneck in Bottleneck:
        waited = metrics["limited_by"].get(bottleneck, 0.0)
        assert statsd.latest[f"{prefix}limited_by.{bottleneck}"] == waited
    assert abs(statsd.latest[prefix + "duration"] - 1_000 * metrics["duration_seconds"]) < 1


def assert_asset_event_agrees(event: Mapping[str, Any], metrics: Mapping[str, Any]) -> None:
    """Check the `extra` of an asset event: the metrics without the error texts."""
    deletions = metrics["deletions"] and without_errors(metrics["deletions"])
    expected = event_extra(without_errors({**metrics, "deletions": deletions}))
    assert event["extra"].items() >= expected.items()


def without_errors(metrics: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in metrics.items() if key != "errors"}
