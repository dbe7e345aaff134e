"""Adding up a run and judging it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from s3copy_tasks.core.batch import Batch, KeyRange
from s3copy_tasks.core.estimate import EntryPlan
from s3copy_tasks.core.job import ObjectEntry, PrefixEntry
from s3copy_tasks.core.metrics import Errors, Failure, TransferMetrics, sum_metrics
from s3copy_tasks.core.objects import SkipReason
from s3copy_tasks.core.planner import Plan
from s3copy_tasks.core.request_counts import Tally
from s3copy_tasks.core.results_folder import find_results_folder
from s3copy_tasks.errors import TransientError
from s3copy_tasks.report.summary import details, outside_metrics, run_metrics, verdict, without_plan
from tests.support.builders.bench import make_job
from tests.support.builders.results import PLACE
from tests.support.s3.memory import DAY_ONE

LATER = DAY_ONE + timedelta(seconds=9)
OUTSIDE = TransferMetrics(
    operation_id="manual__1",
    start_time=DAY_ONE,
    end_time=LATER,
    total_files_found=4,
    files_skipped={SkipReason.UNCHANGED: 4},
)


def batch(number: int, found: int) -> Batch:
    one = KeyRange(entry=0, after=None, through="z", found=found, objects=found, bytes=found)
    return Batch(id=number, of=2, plan_id="p", label=f"{number}: in/", ranges=(one,))


def copied(count: int) -> TransferMetrics:
    return TransferMetrics(operation_id="manual__1", total_files_found=count, files_copied_successfully=count)


def failed(count: int) -> TransferMetrics:
    failures = tuple(
        Failure.of(entry=0, key=f"in/{n}", code="AccessDenied", message="no", attempts=1)
        for n in range(count)
    )
    return TransferMetrics(
        operation_id="manual__1",
        total_files_found=count,
        files_failed=count,
        errors_encountered=Errors(by_code={"AccessDenied": count} if count else {}, first=failures),
    )


def test_run_is_outside_plus_batches() -> None:
    """A run's metrics are those outside the batches plus every batch."""
    run = run_metrics(make_job(), OUTSIDE, [batch(0, 3), batch(1, 5)], {0: copied(3), 1: copied(6)})
    assert (run.total_files_found, run.files_copied_successfully, run.files_unknown) == (13, 9, 0)
    assert run.duration_seconds == 9.0
    assert verdict(run, 0) is None


def test_lost_batch() -> None:
    """If a batch reports nothing, its objects are unknown, never copied, and the run fails."""
    run = run_metrics(make_job(), OUTSIDE, [batch(0, 3), batch(1, 5)], {0: copied(3)})
    assert (run.files_copied_successfully, run.files_unknown, run.total_files_found) == (3, 5, 12)
    assert run.errors_encountered.by_code == {"BatchLost": 5}
    assert "1: in/" in run.errors_encountered.first[0].key
    reason = verdict(run, max_failed_objects=100)
    assert reason is not None
    assert "5 unknown" in reason


PLAN = Plan(
    batches=(batch(0, 3),),
    entries=(
        EntryPlan(
            "prefixes[0]",
            "in/",
            "out/",
            0,
            found=5,
            objects=2,
            skipped=Counter({SkipReason.UNCHANGED: 3}),
            outside=Counter({SkipReason.UNCHANGED: 2}),
        ),
    ),
)


def test_outside() -> None:
    """The plan counts the objects that no batch will check."""
    outside = outside_metrics(make_job(), PLAN, DAY_ONE, LATER)
    assert outside.total_files_found == 2
    assert outside.files_skipped == {SkipReason.UNCHANGED: 2}
    assert (outside.start_time, outside.end_time) == (DAY_ONE, LATER)


def test_dry_run() -> None:
    """In a dry run everything is counted, and what would be copied is skipped for that reason."""
    outside = outside_metrics(make_job(dry_run=True), PLAN, DAY_ONE, LATER)
    assert outside.files_skipped == {SkipReason.DRY_RUN: 2, SkipReason.UNCHANGED: 3}
    assert outside.total_files_found == 5


def test_dry_run_of_nothing() -> None:
    """A reason that applied to no object is not listed."""
    plan = Plan(batches=(), entries=(EntryPlan("prefixes[0]", "in/", "out/", 0),))
    assert outside_metrics(make_job(dry_run=True), plan, DAY_ONE, LATER).files_skipped == {}


VERDICTS: dict[str, tuple[TransferMetrics, int, bool]] = {
    "all-copied": (copied(3), 0, True),
    "nothing-found": (TransferMetrics(), 0, True),
    "one-failed": (failed(1), 0, False),
    "as-many-as-allowed": (failed(2), 2, True),
    "one-more": (failed(3), 2, False),
}


@pytest.mark.parametrize(("metrics", "most", "passes"), VERDICTS.values(), ids=VERDICTS)
def test_verdicts(metrics: TransferMetrics, most: int, passes: bool) -> None:  # noqa: FBT001
    """A run passes when the failed objects are within the limit."""
    assert (verdict(metrics, most) is None) is passes


def test_verdict_has_exact_counts() -> None:
    """The reason names how many failed, the limit, how many were copied and found, and the codes."""
    reason = verdict(copied(7) + failed(3), 2)
    assert reason is not None
    for part in ("3 objects failed", "limit 2", "7 copied", "10 found", "AccessDenied: 3"):
        assert part in reason


def test_without_plan() -> None:
    """A run whose plan is missing found nothing and fails, however many objects may fail."""
    metrics = without_plan("manual__1", "preflight")
    assert metrics.total_files_found == 0
    assert metrics.errors_encountered.by_code == {"PlanFailed": 1}
    assert verdict(metrics, max_failed_objects=1_000) is not None


def test_without_plan_for_a_known_reason() -> None:
    """If the reason is known, the failed step has its code, message and attempts."""
    error = TransientError("S3 is away", code="ServiceUnavailable")
    error.attempts = 3
    metrics = without_plan("manual__1", "plan", error)
    assert (metrics.operation_id, metrics.total_files_found) == ("manual__1", 0)
    assert metrics.errors_encountered.by_code == {"ServiceUnavailable": 1}
    assert metrics.as_dict()["errors"] == ["(plan): ServiceUnavailable after 3 attempts: S3 is away"]
    assert not metrics.is_complete
    assert "ServiceUnavailable: 1" in (verdict(metrics, max_failed_objects=1_000) or "")


def test_report() -> None:
    """A run's report is plain JSON and names the job and the config that it ran."""
    plain = json.loads(json.dumps(details(make_job(), failed(1), [], {})))
    assert (plain["job"], plain["config_digest"], plain["dry_run"]) == ("demo", make_job().digest, False)
    assert plain["errors_by_code"] == {"AccessDenied": 1}
    assert plain["results"] is None


NOTHING: dict[str, tuple[dict[str, Any], TransferMetrics]] = {
    "no place": ({}, failed(1)),
    "dry run": ({"results": PLACE, "dry_run": True}, failed(1)),
    "nothing found": ({"results": PLACE}, without_plan("manual__1", "plan")),
}


@pytest.mark.parametrize(("changes", "metrics"), NOTHING.values(), ids=NOTHING)
def test_a_report_names_no_folder_where_nothing_was_written(
    changes: dict[str, Any], metrics: TransferMetrics
) -> None:
    """The address of results is null for a run that wrote none."""
    assert details(make_job(**changes), metrics, [], {})["results"] is None


def test_a_report_names_the_folder_of_its_results() -> None:
    """Whoever reads the metrics finds the rows: those of the plan, if nothing is to be copied."""
    job = make_job(results=PLACE)
    folder = find_results_folder(job, [])
    assert details(job, failed(1), [], {})["results"] == str(folder)
    assert str(folder).startswith("s3://the-results/copies/demo/manual__1/")


def batch_metrics(found: dict[int, int], seconds: float) -> TransferMetrics:
    """Return the metrics of a batch that copied so many objects by entry."""
    parts = {
        number: TransferMetrics(total_files_found=count, files_copied_successfully=count)
        for number, count in found.items()
    }
    return replace(
        sum_metrics(parts.values()),
        operation_id="manual__1",
        start_time=LATER,
        end_time=LATER + timedelta(seconds=seconds),
        entries=parts,
    )


def test_details() -> None:
    """A run is reported by entry and by batch; an entry's rate is that of its batches."""
    prefixes = tuple(PrefixEntry(source=f"in/{n}/", destination=f"out/{n}/") for n in range(2))
    job = make_job(prefixes=prefixes, objects=(ObjectEntry(source="one", destination="two"),))
    batches = [batch(0, 12), batch(1, 4), batch(2, 5)]
    metrics_by_batch = {0: batch_metrics({0: 8, 1: 4}, seconds=2), 1: batch_metrics({0: 2, -1: 2}, seconds=4)}
    outside = replace(
        OUTSIDE, entries={1: TransferMetrics(total_files_found=4, files_skipped={SkipReason.UNCHANGED: 4})}
    )
    reported = details(job, run_metrics(job, outside, batches, metrics_by_batch), batches, metrics_by_batch)
    assert [
        (e["entry"], e["source"], e["total_files_found"], e["objects_per_second"])
        for e in reported["entries"]
    ] == [
        ("prefixes[0]", "in/0/", 15, 2.5),
        ("prefixes[1]", "in/1/", 8, 2.0),
        ("objects", "(by key)", 2, 0.5),
    ]
    assert [e["files_skipped"] for e in reported["entries"]] == [{}, {"unchanged": 4}, {}]
    assert [e["files_unknown"] for e in reported["entries"]] == [5, 0, 0]
    assert [
        (b["batch"], b["duration_seconds"], b["files_copied_successfully"]) for b in reported["batches"]
    ] == [
        (0, 2.0, 12),
        (1, 4.0, 4),
        (2, 0.0, 0),
    ]
    assert (reported["batches"][2]["start_time"], reported["batches"][2]["errors_by_code"]) == (
        None,
        {"BatchLost": 5},
    )
    assert sum(e["total_files_found"] for e in reported["entries"]) == reported["total_files_found"] == 25


def test_outside_by_entry() -> None:
    """What the plan skips is counted for its entry, and so are the requests that found it."""
    sent = Tally()
    for entry in (0, 0, None):
        sent.sent("ListObjectsV2", entry, 1, again=False)
    outside = outside_metrics(make_job(), PLAN, DAY_ONE, LATER, sent)
    assert outside.requests.sent == 3
    assert outside.entries[0].files_skipped == {SkipReason.UNCHANGED: 2}
    assert outside.entries[0].requests.by_kind == {"ListObjectsV2": 2}
