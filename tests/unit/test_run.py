"""A whole run in this process, over buckets in memory: what it counts, however it ends."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from threading import Barrier, Event
from typing import TYPE_CHECKING, Any

import pytest

from s3copy_tasks.copy.uploads import Attempt
from s3copy_tasks.core.deletions import KeptReason
from s3copy_tasks.core.job import ObjectEntry, Overwrite, PrefixEntry
from s3copy_tasks.core.objects import SkipReason
from s3copy_tasks.core.options import TransferOptions
from s3copy_tasks.delete.judge import Verdict
from s3copy_tasks.errors import AccessError, ConfigError, CopyError, TransientError, as_copy_error
from s3copy_tasks.report.summary import verdict
from s3copy_tasks.run import InProcessRun, Watch
from tests.support.builders.bench import DESTINATION, SOURCE, Bench, impatient
from tests.support.builders.logs import log_lines
from tests.support.builders.mirror import make_mirror
from tests.support.s3.memory import fails, on

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from s3copy_tasks.core.metrics import TransferMetrics

DENIED = AccessError("no", code="AccessDenied")
RESET = TransientError("reset", code="InternalError")
THREES = TransferOptions(concurrency=2, batch_objects=3)


class TimeIsUpError(BaseException):
    """What a signal raises in the copying thread, like Airflow's timeout."""


@pytest.fixture
def bench() -> Bench:
    """Ten objects to copy."""
    made = Bench()
    made.put(*(f"in/{number}" for number in range(10)))
    return made


@pytest.fixture
def on_signal() -> Iterator[Callable[[], None]]:
    """Return a function that sends a signal that raises TimeIsUpError in the main thread."""

    def raise_it(*_: object) -> None:
        raise TimeIsUpError

    before = signal.signal(signal.SIGUSR1, raise_it)
    yield lambda: os.kill(os.getpid(), signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, before)


def run_of(
    bench: Bench, *, retried: bool = False, watch: Watch | None = None, **changes: Any
) -> InProcessRun:
    job = bench.started(**{"transfer": THREES} | changes)
    return InProcessRun(
        job, bench.stores, impatient(), attempt=Attempt(retried=retried), watch=watch or Watch()
    )


def outcome(metrics: TransferMetrics) -> tuple[int, int, int, int]:
    """Return found, copied, failed and unknown."""
    return (
        metrics.total_files_found,
        metrics.files_copied_successfully,
        metrics.files_failed,
        metrics.files_unknown,
    )


def test_a_run(bench: Bench) -> None:
    """A run plans, copies its batches, and counts every object."""
    run = run_of(bench)
    run.carry_out()
    assert outcome(run.metrics) == (10, 10, 0, 0)
    assert run.metrics.total_bytes_transferred == 10
    assert run.metrics.operation_id == "manual__1"
    assert run.metrics.duration_seconds > 0
    assert len(bench.written) == 10
    assert verdict(run.metrics, 0) is None


def test_before_it_begins(bench: Bench) -> None:
    """A run that has not begun has found nothing, and sends nothing."""
    run = run_of(bench)
    bench.server.calls.clear()
    assert outcome(run.metrics) == (0, 0, 0, 0)
    assert bench.server.calls == []


def test_what_needs_no_copy_counts(bench: Bench) -> None:
    """Objects outside the batches are counted as found and skipped, too."""
    run_of(bench).carry_out()
    bench.clock.tick(60)
    bench.put("in/3", content=b"changed")
    run = run_of(bench)
    run.carry_out()
    assert outcome(run.metrics) == (10, 1, 0, 0)
    assert run.metrics.files_skipped == {SkipReason.UNCHANGED: 9}


def test_dry_run(bench: Bench) -> None:
    """A dry run counts what it would copy, and writes nothing."""
    run = run_of(bench, dry_run=True)
    run.carry_out()
    assert run.metrics.files_skipped == {SkipReason.DRY_RUN: 10}
    assert bench.written == {}
    assert verdict(run.metrics, 0) is None


def test_failed_objects(bench: Bench) -> None:
    """Failed objects do not end a run: they are counted, and the rest arrives."""
    bench.server.before.append(on("copy_object", fails(DENIED), key="out/4", times=99))
    run = run_of(bench)
    run.carry_out()
    assert outcome(run.metrics) == (10, 9, 1, 0)
    assert run.metrics.errors_encountered.by_code == {"AccessDenied": 1}


@pytest.mark.parametrize("overwrite", Overwrite)
def test_retries(bench: Bench, overwrite: Overwrite) -> None:
    """A second attempt copies what is missing; copies of the first do not count as existing objects."""
    bench.server.put(DESTINATION, "out/0", b"of others")
    first = run_of(bench, overwrite=overwrite)
    bench.server.before.append(on("copy_object", fails(RESET), key="out/4", times=3))
    first.carry_out()
    bench.clock.tick()
    bench.server.calls.clear()
    second = InProcessRun(first.job, bench.stores, impatient(), attempt=Attempt(retried=True))
    second.carry_out()
    assert bench.server.keys_of("copy_object") == {"out/4": 1}
    spared = 1 if overwrite is Overwrite.NEVER else 0
    assert outcome(second.metrics) == (10, 10 - spared, 0, 0)
    assert second.metrics.files_copied_earlier == 9 - spared
    assert second.metrics.files_skipped == ({SkipReason.EXISTS: 1} if spared else {})


def test_retries_of_single_objects() -> None:
    """A single object that the first attempt copied is not copied again, and counts as copied."""
    bench = Bench()
    bench.put("in/a", "in/b")
    objects = tuple(ObjectEntry(source=f"in/{name}", destination=f"out/{name}") for name in "ab")
    bench.server.before.append(on("copy_object", fails(DENIED), key="out/b"))
    first = run_of(bench, objects=objects, prefixes=(), overwrite=Overwrite.NEVER)
    first.carry_out()
    second = InProcessRun(first.job, bench.stores, impatient(), attempt=Attempt(retried=True))
    second.carry_out()
    assert bench.server.keys_of("copy_object") == {"out/a": 1, "out/b": 2}
    assert (outcome(second.metrics), second.metrics.files_copied_earlier) == ((2, 2, 0, 0), 1)


def test_stopped_in_mid_run(bench: Bench) -> None:
    """A stopped run counts every object: those that were not certainly copied are unknown."""
    run = run_of(bench)
    bench.server.after.append(on("copy_object", run.sender.stop, key="out/4"))
    with pytest.raises(InterruptedError):
        run.carry_out()
    copied = len(bench.written)
    assert 0 < copied < 10
    assert outcome(run.metrics) == (10, copied, 0, 10 - copied)
    codes = run.metrics.errors_encountered.by_code
    assert (set(codes) <= {"BatchLost", "InterruptedError"}, sum(codes.values())) == (True, 10 - copied)
    assert verdict(run.metrics, 1_000) is not None


def test_stopped_while_it_plans(bench: Bench) -> None:
    """A run that is stopped before it has a plan has found nothing, and has failed."""
    run = run_of(bench)
    run.sender.stop()
    with pytest.raises(InterruptedError):
        run.carry_out()
    assert outcome(run.metrics) == (0, 0, 0, 0)
    assert run.metrics.errors_encountered.by_code == {"InterruptedError": 1}
    assert verdict(run.metrics, 1_000) is not None
    assert run.metrics.start_time is not None


def test_a_signal_while_it_copies(bench: Bench, on_signal: Callable[[], None]) -> None:
    """When a signal ends the run, copies in progress are finished and counted."""
    run = run_of(bench, transfer=TransferOptions(concurrency=2))

    def interrupt() -> None:
        on_signal()
        run.sender._pacer._stopping.wait(10)  # the copy ends after the run was stopped

    bench.server.before.append(on("copy_object", interrupt, key="out/9"))
    with pytest.raises(TimeIsUpError):
        run.carry_out()
    copied = len(bench.written)
    assert "out/9" in bench.written
    assert outcome(run.metrics) == (10, copied, 0, 10 - copied)


def test_a_plan_that_fails(bench: Bench) -> None:
    """A listing that fails ends the run with its error, which the metrics name."""
    bench.server.before.append(on("list_page", fails(DENIED), bucket=SOURCE))
    run = run_of(bench)
    with pytest.raises(AccessError):
        run.carry_out()
    assert outcome(run.metrics) == (0, 0, 0, 0)
    (failure,) = run.metrics.errors_encountered.first
    assert (failure.key, failure.code, failure.message) == ("(plan)", "AccessDenied", "no")
    assert verdict(run.metrics, 1_000) is not None


def test_a_plan_that_is_refused() -> None:
    """Two sources for one key end the run before any copy, with the code."""
    bench = Bench()
    bench.put("a/x", "b/x")
    both = tuple(PrefixEntry(source=source, destination="out/") for source in ("a/", "b/"))
    run = run_of(bench, prefixes=both)
    with pytest.raises(ConfigError):
        run.carry_out()
    assert run.metrics.errors_encountered.by_code == {"DestinationConflict": 1}
    assert bench.written == {}


def test_watch(bench: Bench) -> None:
    """A watch gets the listed and the planned objects, and each counted object up to the last."""
    heard: dict[str, list[int]] = {"listed": [], "planned": [], "counted": []}
    watch = Watch(
        listed=heard["listed"].append, planned=heard["planned"].append, counted=heard["counted"].append
    )
    run_of(bench, watch=watch).carry_out()
    assert (heard["listed"][-1], heard["planned"]) == (10, [10])
    assert sorted(heard["counted"]) == list(range(1, 11))


def test_watch_of_a_dry_run(bench: Bench) -> None:
    """In a dry run nothing is planned to be counted."""
    heard: list[int] = []
    run_of(bench, dry_run=True, watch=Watch(planned=heard.append, counted=heard.append)).carry_out()
    assert heard == []


def test_the_next_batch_begins_with_the_last_object_of_one(bench: Bench) -> None:
    """While a batch waits for its last answers, the next one copies; the third begins after one has ended."""
    run = run_of(bench)
    together = Barrier(2, timeout=10)
    for key in ("out/2", "out/3"):  # the first batch has 0 to 2, the second 3 to 5
        bench.server.before.append(on("copy_object", together.wait, key=key))
    with log_lines() as lines:
        run.carry_out()
    running, most = 0, 0
    for line in lines:
        running += {"batch started": 1, "batch finished": -1}.get(str(line["event"]), 0)
        most = max(most, running)
    assert most == 2
    assert outcome(run.metrics) == (10, 10, 0, 0)


def test_an_error_in_one_batch_ends_the_run(bench: Bench) -> None:
    """What is not an error of S3 ends the other batch, too, and is the run's error; the rest never begin."""
    run = run_of(bench)
    is_running, is_stopped = Event(), run.sender._pacer._stopping

    def fail_beside_the_next() -> None:
        is_running.wait(10)
        raise TimeIsUpError

    bench.server.before += [
        on("copy_object", fail_beside_the_next, key="out/2"),
        on("copy_object", is_running.set, key="out/3"),
    ]
    for key in ("out/3", "out/4"):  # the last object of the second batch does not begin
        bench.server.after.append(on("copy_object", lambda: is_stopped.wait(10), key=key))
    with pytest.raises(TimeIsUpError), log_lines() as lines:
        run.carry_out()
    assert len([line for line in lines if line["event"] == "batch started"]) == 2
    copied = len(bench.written)
    assert "out/3" in bench.written
    assert copied < 6
    assert outcome(run.metrics) == (10, copied, 0, 10 - copied)


def failed_objects(run: InProcessRun) -> list[tuple[str, str, int]]:
    """Carry out a run and return key, code and attempts of the objects that the log names as failed."""
    with log_lines() as lines:
        run.carry_out()
    failed = [line for line in lines if line["event"] == "object failed"]
    return [(line["key"], line["code"], line["attempts"]) for line in failed]


def test_objects_that_are_not_attempted_are_logged() -> None:
    """When access is gone, objects that are not attempted are logged, too."""
    bench = Bench()
    keys = [f"in/{number:03}" for number in range(120)]
    bench.put(*keys)
    bench.server.before.append(on("copy_object", fails(DENIED), times=999))
    failed = failed_objects(run_of(bench, transfer=TransferOptions(concurrency=1)))
    assert sorted(key for key, _, _ in failed) == keys
    assert {(code, attempts) for _, code, attempts in failed} == {("AccessDenied", 1), ("NotAttempted", 0)}


def test_objects_whose_head_fails_are_logged(bench: Bench) -> None:
    """A single object whose HEAD is refused is logged like any other failed object."""
    bench.server.before.append(on("head_object", fails(DENIED), key="in/0", times=99))
    objects = (ObjectEntry(source="in/0", destination="out/0"),)
    assert set(failed_objects(run_of(bench, objects=objects, prefixes=()))) == {("in/0", "AccessDenied", 1)}


def test_other_errors() -> None:
    """An error of this package stays unchanged; any other keeps its name as code, and its message."""
    assert as_copy_error(DENIED) is DENIED
    other = as_copy_error(KeyError("x"))
    assert (type(other), other.code, other.message) == (CopyError, "KeyError", "'x'")


def mirror_run(bench: Bench, **changes: Any) -> InProcessRun:
    """Return a run of a mirror that has copied; its destination has two objects more."""
    bench.server.versioning[DESTINATION] = "Enabled"
    for key in ("out/old", "out/older"):
        bench.server.put(DESTINATION, key, b"x")
    run = InProcessRun(replace(make_mirror(), **changes), bench.stores, impatient())
    run.carry_out()
    return run


def test_a_mirror_deletes_only_after_a_verdict(bench: Bench) -> None:
    """`carry_out` finds what is extraneous, and `delete` deletes it; its requests are in the metrics."""
    run = mirror_run(bench)
    assert run.delete_plan is not None
    assert {"out/old", "out/older"} < set(bench.written)
    before = run.details["requests"]
    run.delete(run.delete_plan, Verdict())
    assert set(bench.written) == {f"out/{number}" for number in range(10)}
    report = run.details["deletions"]
    assert report is not None
    assert (report["deleted"], report["kept"], report["refused"]) == (2, {}, None)
    assert run.details["requests"] > before


def test_a_mirror_without_a_verdict_has_deleted_nothing(bench: Bench) -> None:
    """A run that ends before says so, with the numbers."""
    report = mirror_run(bench).details["deletions"]
    assert report is not None
    assert (report["kept"], report["deleted"]) == ({"refused": 2}, 0)
    assert report["refused"] == "would delete 2 of 2, limit 1,000; deletes nothing: the run ended before that"


def test_a_verdict_may_keep_everything(bench: Bench) -> None:
    """Its reason is reported and logged."""
    run = mirror_run(bench)
    assert run.delete_plan is not None
    with log_lines() as lines:
        run.delete(run.delete_plan, Verdict(kept=KeptReason.REFUSED, reason="no"))
    assert [(line["event"], line["reason"], line["to_delete"]) for line in lines] == [
        ("deletes refused", "no", 2)
    ]
    assert "out/old" in bench.written


def test_deletes_end_when_the_sender_is_stopped(bench: Bench) -> None:
    """What was not reached is unknown; the numbers still add up."""
    run = mirror_run(bench)
    assert run.delete_plan is not None
    run.sender.stop()
    with pytest.raises(InterruptedError):
        run.delete(run.delete_plan, Verdict())
    report = run.details["deletions"]
    assert report is not None
    assert (report["deleted"], report["unknown"]) == (0, 2)
    assert "out/old" in bench.written
