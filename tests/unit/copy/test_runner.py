"""Plans and batches over buckets in memory: rules of a run, faults, and writes of other clients."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3copy_tasks.copy.runner import copy_batch, count_batch
from s3copy_tasks.copy.uploads import Attempt
from s3copy_tasks.core.batch import KeyRange
from s3copy_tasks.core.job import Filters, ObjectEntry, Overwrite, PrefixEntry
from s3copy_tasks.core.multipart import Limits
from s3copy_tasks.core.objects import SkipReason
from s3copy_tasks.core.options import TransferOptions
from s3copy_tasks.core.request_counts import Requests
from s3copy_tasks.engine.sender import Sender
from s3copy_tasks.errors import (
    AccessError,
    ConfigError,
    CopyError,
    RequestError,
    ThrottledError,
    TransientError,
)
from s3copy_tasks.plan.planning import plan_job
from s3copy_tasks.report.summary import outside_metrics, run_metrics, verdict
from tests.support.builders.bench import DESTINATION, SOURCE, Bench, make_job
from tests.support.s3.memory import fails, on

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from s3copy_tasks.core.metrics import TransferMetrics
    from tests.support.s3.memory import Call

DENIED = AccessError("no", code="AccessDenied")
RESET = TransientError("reset", code="InternalError")
SLOW = ThrottledError("slow down", code="SlowDown")

SUFFIXES = st.text(st.sampled_from("ab/é"), max_size=3)
TREES = st.dictionaries(SUFFIXES, st.sampled_from([b"", b"x", b"yy"]), max_size=12)
GLOBS: dict[str, Callable[[str], bool]] = {
    "*": lambda suffix: True,
    "a*": lambda suffix: suffix.startswith("a"),
    "*/b": lambda suffix: suffix.endswith("/b"),
    "?": lambda suffix: len(suffix) == 1,
}
SOME_GLOBS = st.lists(st.sampled_from(sorted(GLOBS)), max_size=2).map(tuple)


def keys(count: int) -> list[str]:
    return [f"in/{number:03}" for number in range(count)]


def assert_law(metrics: TransferMetrics) -> None:
    assert metrics.total_files_found == (
        metrics.files_copied_successfully
        + sum(metrics.files_skipped.values())
        + metrics.files_failed
        + metrics.files_vanished
        + metrics.files_unknown
    )


class TestRun:
    """A run without faults."""

    @pytest.mark.parametrize("overwrite", [Overwrite.CHANGED, Overwrite.NEVER])
    @settings(deadline=None, max_examples=60)
    @given(
        tree=TREES,
        older=TREES,
        include=SOME_GLOBS,
        exclude=SOME_GLOBS,
        recursive=st.booleans(),
        batch_objects=st.integers(1, 4),
        page_keys=st.integers(1, 4),
    )
    def test_run_then_plan_is_empty(  # noqa: PLR0917 - the law holds for all of them
        self,
        overwrite: Overwrite,
        tree: dict[str, bytes],
        older: dict[str, bytes],
        include: tuple[str, ...],
        exclude: tuple[str, ...],
        recursive: bool,  # noqa: FBT001
        batch_objects: int,
        page_keys: int,
    ) -> None:
        """A run copies what the filters allow, and a second plan after it is empty."""
        bench = Bench(page_keys=page_keys)
        for suffix, content in older.items():
            bench.server.put(DESTINATION, "out/" + suffix, content)
        bench.clock.tick(60)
        for suffix, content in tree.items():
            bench.put("in/" + suffix, content=content)
        bench.put("elsewhere/a", "in")
        changes: dict[str, Any] = {
            "prefixes": (PrefixEntry(source="in/", destination="out/", recursive=recursive),),
            "filters": Filters(include=include, exclude=exclude),
            "overwrite": overwrite,
            "transfer": TransferOptions(concurrency=2, batch_objects=batch_objects),
        }
        metrics = bench.run(bench.started(**changes))

        reached = {suffix for suffix in tree if recursive or "/" not in suffix}
        wanted = {
            suffix
            for suffix in reached
            if any(GLOBS[glob](suffix) for glob in include or ("*",))
            and not any(GLOBS[glob](suffix) for glob in exclude)
        }
        if overwrite is Overwrite.NEVER:
            wanted -= set(older)
        expected = older | {suffix: tree[suffix] for suffix in wanted}
        assert bench.written == {"out/" + suffix: content for suffix, content in expected.items()}
        assert metrics.total_files_found == len(reached)
        assert metrics.files_copied_successfully == len(wanted)
        assert metrics.total_bytes_transferred == sum(len(tree[suffix]) for suffix in wanted)
        assert verdict(metrics, 0) is None

        again = bench.plan(bench.started(**changes))
        assert again.batches == ()
        assert again.outside.total() == len(reached)

    def test_always_copies_again(self) -> None:
        """Overwrite always copies everything in every run."""
        bench = Bench()
        bench.put(*keys(5))
        for _ in range(2):
            job = bench.started(overwrite=Overwrite.ALWAYS)
            assert bench.run(job).files_copied_successfully == 5

    def test_changed_object(self) -> None:
        """Only the object that changed since the last run is copied again."""
        bench = Bench()
        bench.put(*keys(5))
        bench.run(bench.started())
        bench.clock.tick(60)
        bench.put("in/003", content=b"z")
        metrics = bench.run(bench.started())
        assert metrics.files_copied_successfully == 1
        assert metrics.files_skipped == {SkipReason.UNCHANGED: 4}
        assert bench.written["out/003"] == b"z"

    def test_multipart_sources(self) -> None:
        """A source that was uploaded in parts is copied once: the second run proves it by checksums."""
        bench = Bench()
        bench.put(*keys(3), parts=2)
        bench.clock.tick(60)
        assert bench.run(bench.started()).files_copied_successfully == 3
        bench.clock.tick(60)
        metrics = bench.run(bench.started())
        assert metrics.files_skipped == {SkipReason.UNCHANGED: 3}
        assert bench.server.count("copy_object") == 3

    def test_large_objects(self) -> None:
        """A run copies large objects in parts, beside small ones, and a second plan is empty."""
        bench, limits = Bench(single_copy_bytes=10), Limits(single_copy_bytes=10, part_bytes=4)
        contents = {f"in/{size}": bytes(range(size)) for size in (0, 9, 10, 11, 50)}
        for key, content in contents.items():
            bench.put(key, content=content)
        bench.clock.tick(60)
        metrics = bench.run(bench.started(), limits=limits)
        assert metrics.total_bytes_transferred == 80
        assert bench.written == {key.replace("in/", "out/"): content for key, content in contents.items()}
        assert bench.server.keys_of("create_multipart_upload") == {"out/11": 1, "out/50": 1}
        assert bench.plan(bench.started()).batches == ()

    def test_whole_bucket(self) -> None:
        """An empty source prefix is the whole bucket; an empty destination prefix is the bucket's root."""
        bench = Bench()
        bench.put("a", "b/c", "b/")
        bench.run(bench.started(prefixes=(PrefixEntry(source="", destination="x/"),)))
        bench.run(
            bench.started(
                prefixes=(PrefixEntry(source="b/", destination=""),), filters=Filters(include=("c",))
            )
        )
        assert set(bench.written) == {"x/a", "x/b/c", "x/b/", "c"}

    def test_the_marker_of_a_folder_has_no_name_in_the_whole_bucket(self) -> None:
        """An object whose key equals the source prefix is skipped if its copy would have an empty key."""
        bench = Bench()
        bench.put("in/", "in/a")
        job = bench.started(prefixes=(PrefixEntry(source="in/", destination=""),))
        metrics = bench.run(job)
        assert bench.written == {"a": b"x"}
        assert metrics.files_skipped == {SkipReason.FOLDER_MARKER: 1}
        assert metrics.is_complete

    def test_direct_children(self) -> None:
        """Without recursive, neither side is listed below direct children, however many keys are there."""
        bench = Bench(page_keys=2)
        bench.put("in/z", *(f"in/deep/{n}" for n in range(9)))
        for number in range(9):
            bench.server.put(DESTINATION, f"out/deep/{number}")
        entry = PrefixEntry(source="in/", destination="out/", recursive=False)
        plan = bench.plan(bench.started(prefixes=(entry,)))
        assert plan.entries[0].found == 1
        assert bench.server.count("list_page", SOURCE) == bench.server.count("list_page", DESTINATION) == 1

    def test_filters_are_counted(self) -> None:
        """Objects that filters exclude are counted as found and skipped, with the reason."""
        bench = Bench()
        bench.put("in/a.nc", "in/b.txt", "in/c.tmp")
        metrics = bench.run(bench.started(filters=Filters(include=("*.nc", "*.tmp"), exclude=("*.tmp",))))
        assert metrics.files_copied_successfully == 1
        assert metrics.files_skipped == {SkipReason.EXCLUDED: 1, SkipReason.NOT_INCLUDED: 1}

    def test_key_too_long(self) -> None:
        """A key that is too long with its new prefix fails; the others arrive."""
        bench = Bench()
        bench.put("in/" + "k" * 1_020, "in/a")
        metrics = bench.run(bench.started(prefixes=(PrefixEntry(source="in/", destination="longer/"),)))
        assert metrics.errors_encountered.by_code == {"KeyTooLong": 1}
        assert set(bench.written) == {"longer/a"}

    def test_dry_run(self) -> None:
        """A dry run plans and counts, and writes nothing."""
        bench = Bench()
        bench.put(*keys(5))
        bench.run(bench.started(filters=Filters(include=("00[01]",))))
        bench.server.calls.clear()
        metrics = bench.run(bench.started(dry_run=True))
        assert metrics.files_skipped == {SkipReason.DRY_RUN: 3, SkipReason.UNCHANGED: 2}
        assert metrics.total_files_found == 5
        assert {call.verb for call in bench.server.calls} == {"server_time", "list_page"}
        assert len(bench.written) == 2

    def test_progress(self) -> None:
        """Progress counts every object, in the plan and in each batch."""
        bench = Bench()
        bench.put(*keys(25))
        job = bench.started()
        listed: list[int] = []
        counted: list[int] = []
        plan = plan_job(job, bench.stores, on_listed=listed.append)
        bench.copy(job, plan.batches[0], on_counted=counted.append)
        assert listed[-1] == 25
        assert len(counted) == 25
        assert max(counted) == 25

    def test_a_batch_of_another_plan(self) -> None:
        """A batch of another plan is refused before any request."""
        bench = Bench()
        bench.put(*keys(3))
        plan = bench.plan(bench.started())
        bench.server.calls.clear()
        with pytest.raises(ConfigError) as refused:
            bench.copy(make_job(run_id="another"), plan.batches[0])
        assert refused.value.code == "PlanMismatch"
        assert bench.server.calls == []

    def test_lost_batch(self) -> None:
        """The objects of a batch that reported nothing are unknown; the next run copies what is missing."""
        bench = Bench()
        bench.put(*keys(9))
        job = bench.started(transfer=TransferOptions(concurrency=2, batch_objects=3))
        plan, now = bench.plan(job), bench.clock()
        accounts = {batch.id: bench.copy(job, batch) for batch in plan.batches if batch.id != 1}
        metrics = run_metrics(job, outside_metrics(job, plan, now, now), plan.batches, accounts)
        assert (metrics.files_copied_successfully, metrics.files_unknown) == (6, 3)
        assert metrics.errors_encountered.by_code == {"BatchLost": 3}
        assert verdict(metrics, 1_000) is not None
        assert bench.run(bench.started()).files_copied_successfully == 3


class TestObjects:
    """Entries that name one object."""

    ENTRIES = tuple(ObjectEntry(source=f"in/{n}", destination=f"renamed/{n}") for n in "abc")

    def test_objects(self) -> None:
        """Single objects are copied to the keys that the job names; no filter applies, no listing is made."""
        bench = Bench()
        bench.put("in/a", "in/b", "in/c", "in/d")
        changes: dict[str, Any] = {"objects": self.ENTRIES, "filters": Filters(exclude=("*",))}
        metrics = bench.run(bench.started(**changes))
        assert set(bench.written) == {"renamed/a", "renamed/b", "renamed/c"}
        assert metrics.total_files_found == metrics.files_copied_successfully == 3
        assert bench.server.count("list_page") == 0
        assert bench.plan(bench.started(**changes)).batches == ()

    def test_object_vanishes_before_the_batch(self) -> None:
        """A single object that is gone when its batch checks has vanished; the others arrive."""
        bench = Bench()
        bench.put("in/a", "in/b", "in/c")
        job = bench.started(objects=self.ENTRIES)
        plan = bench.plan(job)
        bench.delete("in/b")
        metrics = bench.run(job, plan)
        assert (metrics.files_copied_successfully, metrics.files_vanished) == (2, 1)
        assert metrics.total_files_found == 3

    def test_object_vanishes_before_the_plan(self) -> None:
        """A single object that is gone since preflight is counted, too."""
        bench = Bench()
        bench.put("in/a", "in/c")
        metrics = bench.run(bench.started(objects=self.ENTRIES))
        assert (metrics.files_copied_successfully, metrics.files_vanished) == (2, 1)

    def test_an_object_whose_head_fails_does_not_stop_the_others(self) -> None:
        """An object whose HEAD is refused fails, with code and key; the others arrive."""
        bench = Bench()
        bench.put("in/a", "in/b", "in/c")
        job = bench.started(objects=self.ENTRIES)
        plan = bench.plan(job)
        bench.server.before.append(on("head_object", fails(DENIED), key="in/b", times=99))
        metrics = bench.run(job, plan)
        assert (metrics.files_copied_successfully, metrics.files_failed) == (2, 1)
        assert [failure.key for failure in metrics.errors_encountered.first] == ["in/b"]
        assert metrics.is_complete

    def test_an_object_whose_head_fails_for_a_while_is_worth_another_attempt(self) -> None:
        """A HEAD that fails with a transient error is as transient as a copy that does."""
        bench = Bench()
        bench.put("in/a", "in/b", "in/c")
        job = bench.started(objects=self.ENTRIES)
        plan = bench.plan(job)
        bench.server.before.append(on("head_object", fails(RESET), key="in/b", times=99))
        metrics = bench.run(job, plan)
        assert (metrics.files_failed, metrics.errors_encountered.transient) == (1, 1)

    def test_objects_beside_prefixes(self) -> None:
        """Single objects and prefixes run together, in batches by index and by key."""
        bench = Bench()
        bench.put("in/a", "in/b", "in/c", "p/x", "p/y")
        job = bench.started(
            objects=self.ENTRIES,
            prefixes=(PrefixEntry(source="p/", destination="q/"),),
            transfer=TransferOptions(concurrency=2, batch_objects=2),
        )
        assert bench.run(job).files_copied_successfully == 5
        assert set(bench.written) == {"renamed/a", "renamed/b", "renamed/c", "q/x", "q/y"}


ROOTS = ["out/", "out/a/", "out/a/b/", "out/b/", "z/"]


class TestDestinations:
    """Two sources for one destination key are found before any copy (rule 25)."""

    @settings(deadline=None, max_examples=80)
    @given(
        entries=st.lists(
            st.tuples(st.sampled_from(ROOTS), st.sets(SUFFIXES, max_size=4)), min_size=2, max_size=4
        ),
        page_keys=st.integers(1, 3),
    )
    def test_ties(self, entries: list[tuple[str, set[str]]], page_keys: int) -> None:
        """A plan is refused exactly when two objects map to one key; else all of them arrive."""
        bench = Bench(page_keys=page_keys)
        prefixes = []
        for number, (root, suffixes) in enumerate(entries):
            prefixes.append(PrefixEntry(source=f"in{number}/", destination=root))
            bench.put(*(f"in{number}/{suffix}" for suffix in suffixes), content=b"%d" % number)
        written = [root + suffix for root, suffixes in entries for suffix in suffixes]
        job = bench.started(prefixes=tuple(prefixes))
        if len(set(written)) < len(written):
            with pytest.raises(ConfigError) as refused:
                bench.plan(job)
            assert refused.value.code == "DestinationConflict"
            assert bench.written == {}
        else:
            metrics = bench.run(job)
            assert set(bench.written) == set(written)
            assert metrics.files_copied_successfully == len(written)
            assert bench.plan(bench.started(prefixes=tuple(prefixes))).batches == ()

    NESTED = (PrefixEntry(source="x/", destination="out/"), PrefixEntry(source="y/", destination="out/sub/"))

    def test_both_sources_are_named(self) -> None:
        """The refusal names both sources and the destination key."""
        bench = Bench()
        bench.put("x/sub/a", "y/a")
        with pytest.raises(ConfigError, match=r"'x/sub/a' and 'y/a' .* 'out/sub/a'"):
            bench.plan(bench.started(prefixes=self.NESTED))

    def test_what_is_excluded_ties_with_nothing(self) -> None:
        """An object that a filter excludes writes nothing, so it can't conflict."""
        bench = Bench()
        bench.put("x/sub/a", "y/a", "x/b")
        job = bench.started(prefixes=self.NESTED, filters=Filters(exclude=("sub/*",)))
        assert bench.run(job).files_copied_successfully == 2

    @pytest.mark.parametrize("overwrite", Overwrite)
    def test_a_tie_with_what_exists(self, overwrite: Overwrite) -> None:
        """A tie is refused in every run, whatever the destination has already."""
        bench = Bench()
        bench.put("x/sub/a", "y/a")
        bench.clock.tick(60)
        bench.server.put(DESTINATION, "out/sub/a", b"x")
        with pytest.raises(ConfigError, match="would both be written"):
            bench.plan(bench.started(prefixes=self.NESTED, overwrite=overwrite))

    def test_a_tie_with_a_single_object(self) -> None:
        """A single object and an object below a prefix tie, too."""
        bench = Bench()
        bench.put("x/b", "in/a")
        job = bench.started(prefixes=self.NESTED, objects=(ObjectEntry(source="in/a", destination="out/b"),))
        with pytest.raises(ConfigError, match="would both be written"):
            bench.plan(job)

    def test_a_tie_with_a_single_object_whose_head_fails(self) -> None:
        """The plan assumes that the object exists: its batch may have more luck."""
        bench = Bench()
        bench.put("x/b", "in/a")
        job = bench.started(prefixes=self.NESTED, objects=(ObjectEntry(source="in/a", destination="out/b"),))
        bench.server.before.append(on("head_object", fails(RESET), key="in/a", times=3))
        with pytest.raises(ConfigError, match="would both be written"):
            bench.plan(job)

    def test_a_single_object_that_is_missing_ties_with_nothing(self) -> None:
        """A named object that does not exist writes nothing."""
        bench = Bench()
        bench.put("x/b")
        job = bench.started(prefixes=self.NESTED, objects=(ObjectEntry(source="in/a", destination="out/b"),))
        assert bench.run(job).files_copied_successfully == 1


class TestOthers:
    """Other clients add, change and delete keys during a run."""

    @settings(deadline=None, max_examples=60)
    @given(
        planned=st.sets(SUFFIXES, min_size=1),
        added=st.sets(SUFFIXES),
        deleted=st.sets(SUFFIXES),
        doomed=st.sets(SUFFIXES),
        existing=st.sets(SUFFIXES),
        page_keys=st.integers(1, 4),
    )
    def test_every_object_is_counted(
        self,
        planned: set[str],
        added: set[str],
        deleted: set[str],
        doomed: set[str],
        existing: set[str],
        page_keys: int,
    ) -> None:
        """Found = copied + skipped + vanished, of exactly the objects that the batch found in its range."""
        bench = Bench(page_keys=page_keys)
        bench.put(*("in/" + suffix for suffix in planned))
        job = bench.started(overwrite=Overwrite.NEVER)
        plan = bench.plan(job)
        bench.put(*("in/" + suffix for suffix in added))
        bench.delete(*("in/" + suffix for suffix in deleted))
        for suffix in existing:
            bench.server.put(DESTINATION, "out/" + suffix, b"another")
        for suffix in doomed:
            key = "in/" + suffix
            bench.server.before.append(
                on("copy_object", lambda key=key: bench.delete(key), key="out/" + suffix)  # type: ignore[misc]
            )
        metrics = bench.run(job, plan)

        inside = {suffix for suffix in (planned | added) - deleted if suffix <= max(planned)}
        assert metrics.total_files_found == len(inside)
        assert sum(metrics.files_skipped.values()) == len(inside & existing)
        assert metrics.files_vanished == len((inside - existing) & doomed)
        assert metrics.files_copied_successfully == len(inside - existing - doomed)
        assert metrics.files_failed == metrics.files_unknown == 0
        assert_law(metrics)

    def test_new_keys(self) -> None:
        """A new key inside a range is copied and counted; one outside waits for the next run."""
        bench = Bench()
        bench.put("in/b", "in/d")
        job = bench.started()
        plan = bench.plan(job)
        bench.put("in/a", "in/c", "in/e")
        metrics = bench.run(job, plan)
        assert metrics.total_files_found == metrics.files_copied_successfully == 4
        assert set(bench.written) == {"out/a", "out/b", "out/c", "out/d"}
        assert bench.run(bench.started()).files_copied_successfully == 1

    def test_another_client_copies_meanwhile(self) -> None:
        """Objects that arrived since the plan are not copied again."""
        bench = Bench()
        bench.put(*keys(5))
        bench.clock.tick(60)
        first, second = bench.started(), bench.started(run_id="manual__2")
        plans = [bench.plan(first), bench.plan(second)]
        assert bench.run(first, plans[0]).files_copied_successfully == 5
        assert bench.run(second, plans[1]).files_skipped == {SkipReason.UNCHANGED: 5}

    def test_everything_vanishes(self) -> None:
        """A batch whose objects are all gone before it lists them finds nothing, and does not fail."""
        bench = Bench()
        bench.put(*keys(5))
        job = bench.started()
        plan = bench.plan(job)
        bench.delete(*keys(5))
        metrics = bench.run(job, plan)
        assert metrics.total_files_found == 0
        assert verdict(metrics, 0) is None


@contextmanager
def raising(error: BaseException) -> Iterator[Callable[[], None]]:
    """Yield a function that raises an error in the main thread, as a signal handler does."""
    came = threading.Event()

    def handler(*_: object) -> None:
        came.set()
        raise error

    def strike() -> None:
        os.kill(os.getpid(), signal.SIGUSR1)
        assert came.wait(10)

    before = signal.signal(signal.SIGUSR1, handler)
    try:
        yield strike
    finally:
        signal.signal(signal.SIGUSR1, before)


class Interruption:
    """Ends a batch in the middle: the listing of the source fails once some objects were copied."""

    def __init__(self, bench: Bench, interrupt: Callable[[], None], *, copied: int, pages: int) -> None:
        self.copied = copied
        self.enough = threading.Event()
        self.interrupt = interrupt
        bench.server.before.append(on("list_page", self.strike, bucket=SOURCE, spare=pages))

    def counted(self, objects: int) -> None:
        if objects >= self.copied:
            self.enough.set()

    def strike(self) -> None:
        assert self.enough.wait(10)
        self.interrupt()


class TestRetries:
    """A batch that is interrupted and retried."""

    @pytest.mark.parametrize("overwrite", Overwrite)
    @pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1)], ids=["interrupt", "exit"])
    def test_interrupted_batch(self, error: BaseException, overwrite: Overwrite) -> None:
        """An interrupted batch counts every object; its retry copies what is missing; the total is exact."""
        bench = Bench(page_keys=10)
        bench.put(*keys(35))
        job = bench.started(overwrite=overwrite)
        (batch,) = bench.plan(job).batches
        collector = bench.collector(job)
        with raising(error) as interrupt:
            interruption = Interruption(bench, interrupt, copied=5, pages=2)
            with pytest.raises(type(error)):
                bench.copy(job, batch, metrics=collector, on_counted=interruption.counted)
        first = collector.metrics()
        copied = first.files_copied_successfully
        assert 5 <= copied == len(bench.written) <= 20
        assert first.files_unknown == 35 - copied
        assert not first.is_complete
        assert first.errors_encountered.transient > 0

        bench.clock.tick()
        bench.server.calls.clear()
        again = bench.copy(job, batch, retried=True)
        assert again.total_files_found == again.files_copied_successfully == 35
        assert again.total_bytes_transferred == 35
        assert again.files_copied_earlier == copied
        assert bench.server.count("copy_object") == 35 - copied
        assert verdict(again, 0) is None

    def test_interrupted_large_copies(self) -> None:
        """When a batch is interrupted in the middle of multipart copies, no upload stays open."""
        bench, limits = Bench(page_keys=1), Limits(single_copy_bytes=10, part_bytes=1)
        bench.put(*keys(6), content=bytes(50))
        job = bench.started()
        (batch,) = bench.plan(job).batches
        under_way = threading.Event()
        bench.server.before.append(on("copy_part", under_way.set))
        collector = bench.collector(job)
        with raising(KeyboardInterrupt()) as interrupt:

            def strike() -> None:
                assert under_way.wait(10)
                interrupt()

            bench.server.before.append(on("list_page", strike, bucket=SOURCE, spare=2))
            with pytest.raises(KeyboardInterrupt):
                bench.copy(job, batch, metrics=collector, limits=limits)
        assert bench.server.open_uploads(DESTINATION) == []
        assert collector.metrics().total_files_found == 6
        assert len(bench.written) == collector.metrics().files_copied_successfully

    def test_interruption_ends_waits(self) -> None:
        """An interrupted batch does not wait for another attempt: its task has only seconds to end."""
        bench, under_way = Bench(page_keys=1), threading.Event()
        bench.put(*keys(6))
        job = bench.started()
        (batch,) = bench.plan(job).batches
        bench.server.before.append(on("copy_object", under_way.set))
        bench.server.before.append(on("copy_object", fails(RESET), times=99))
        sender = Sender(2, jitter=lambda: 0.999)
        collector = bench.collector(job)
        with raising(KeyboardInterrupt()) as interrupt:

            def strike() -> None:
                assert under_way.wait(10)
                interrupt()

            bench.server.before.append(on("list_page", strike, bucket=SOURCE, spare=2))
            with pytest.raises(KeyboardInterrupt), count_batch(job, batch, collector):
                copy_batch(job, batch, bench.stores, metrics=collector, sender=sender)
        assert set(bench.server.keys_of("copy_object").values()) == {1}
        assert collector.metrics().total_files_found == 6

    def test_bugs_are_shown(self) -> None:
        """An error that is not S3's is raised at the end; its object is unknown, the others are counted."""
        bench = Bench()
        bench.put(*keys(9))
        job = bench.started()
        (batch,) = bench.plan(job).batches
        bench.server.before.append(on("copy_object", fails(ValueError("bug")), key="out/004"))
        collector = bench.collector(job)
        with pytest.raises(ValueError, match="bug"):
            bench.copy(job, batch, metrics=collector)
        metrics = collector.metrics()
        assert (metrics.files_copied_successfully, metrics.files_unknown) == (8, 1)
        assert metrics.errors_encountered.by_code == {"ValueError": 1}

    def test_failed_objects_are_retried(self) -> None:
        """A retry after failures copies the failed ones; the others count as copied earlier."""
        bench = Bench()
        bench.put(*keys(9))
        job = bench.started(overwrite=Overwrite.ALWAYS)
        (batch,) = bench.plan(job).batches
        bench.server.before.append(on("copy_object", fails(RESET), key="out/004", times=3))
        first = bench.copy(job, batch)
        assert (first.files_copied_successfully, first.files_failed) == (8, 1)
        again = bench.copy(job, batch, retried=True)
        assert (again.files_copied_successfully, again.files_copied_earlier) == (9, 8)


class TestFaults:
    """S3 refuses, fails or throttles requests."""

    def test_failures_do_not_stop_other_objects(self) -> None:
        """A failed object is counted with its code; the others are copied."""
        bench = Bench()
        bench.put(*keys(9))
        refused = RequestError("archived", code="InvalidObjectState")
        bench.server.before.append(on("copy_object", fails(refused), key="out/004"))
        metrics = bench.run(bench.started())
        assert (metrics.files_copied_successfully, metrics.files_failed) == (8, 1)
        assert metrics.errors_encountered.by_code == {"InvalidObjectState": 1}
        assert metrics.errors_encountered.transient == 0
        assert "out/004" not in bench.written

    def test_transient_errors(self) -> None:
        """An object survives two transient errors, and fails with the third (FR-005)."""
        bench = Bench()
        bench.put(*keys(3))
        bench.server.before.append(on("copy_object", fails(RESET), key="out/000", times=2))
        bench.server.before.append(on("copy_object", fails(RESET), key="out/001", times=3))
        metrics = bench.run(bench.started())
        assert (metrics.files_copied_successfully, metrics.files_failed) == (2, 1)
        assert bench.server.keys_of("copy_object") == {"out/000": 3, "out/001": 3, "out/002": 1}

    def test_throttling_fails_nothing(self) -> None:
        """Throttled objects arrive: being asked to slow down is not a failure."""
        bench = Bench()
        bench.put(*keys(20))
        for number in range(20):
            key = f"out/{number:03}"
            bench.server.before.append(on("copy_object", fails(SLOW), key=key, times=6))
        bench.server.before.append(on("list_page", fails(SLOW), times=6))
        metrics = bench.run(bench.started())
        assert metrics.files_copied_successfully == 20
        assert verdict(metrics, 0) is None
        assert bench.server.count("copy_object") == 20 * 7

    def test_revoked_access_ends_the_batch(self) -> None:
        """100 access errors in a row end the batch: the rest is not attempted, but counted (rule 19)."""
        bench, concurrency = Bench(), 2
        bench.put(*keys(300))
        job = bench.started(transfer=TransferOptions(concurrency=concurrency))
        bench.server.before.append(on("copy_object", fails(DENIED), times=300))
        metrics = bench.run(job)
        by_code = metrics.errors_encountered.by_code
        assert metrics.files_failed == metrics.total_files_found == 300
        assert set(by_code) == {"AccessDenied", "NotAttempted"}
        assert by_code["AccessDenied"] == bench.server.count("copy_object")
        assert 100 <= by_code["AccessDenied"] <= 100 + 3 * concurrency
        assert sum(by_code.values()) == 300

    def test_denied_objects_here_and_there(self) -> None:
        """Access errors that are not in a row end nothing: access to single objects may be denied."""
        bench = Bench()
        bench.put(*keys(300))
        for number in range(300):
            if number % 50:
                bench.server.before.append(on("copy_object", fails(DENIED), key=f"out/{number:03}"))
        metrics = bench.run(bench.started())
        assert metrics.errors_encountered.by_code == {"AccessDenied": 294}
        assert metrics.files_copied_successfully == 6

    @pytest.mark.parametrize("bucket", [SOURCE, DESTINATION])
    def test_listing_breaks_off(self, bucket: str) -> None:
        """When a listing fails in the middle of a range, the rest of the planned objects are unknown."""
        bench = Bench(page_keys=10)
        bench.put(*keys(35))
        bench.server.put(DESTINATION, "out/zzz")
        for number in range(35):
            bench.server.put(DESTINATION, f"out/{number:03}", b"other")
        job = bench.started(overwrite=Overwrite.ALWAYS)
        plan = bench.plan(job)
        bench.server.before.append(on("list_page", fails(DENIED), bucket=bucket, spare=2))
        metrics = bench.run(job, plan)
        assert metrics.files_copied_successfully + metrics.files_unknown == 35
        assert 19 <= metrics.files_copied_successfully <= 20
        assert metrics.errors_encountered.by_code == {"AccessDenied": metrics.files_unknown}
        assert metrics.errors_encountered.transient == 0
        assert verdict(metrics, max_failed_objects=1_000) is not None

    def test_listing_that_times_out_is_worth_another_attempt(self) -> None:
        """A listing that ends with a transient error leaves objects unknown; another attempt may fix it."""
        bench = Bench()
        bench.put(*keys(5))
        job = bench.started()
        plan = bench.plan(job)
        bench.server.before.append(on("list_page", fails(RESET), bucket=SOURCE, times=3))
        metrics = bench.run(job, plan)
        assert metrics.files_unknown == metrics.errors_encountered.transient == 5

    def test_other_ranges_go_on(self) -> None:
        """A listing that fails affects its own range only."""
        bench = Bench()
        bench.put("p/a", "p/b", "q/a", "q/b")
        prefixes = tuple(PrefixEntry(source=f"{p}/", destination=f"out-{p}/") for p in "pq")
        job = bench.started(prefixes=prefixes)
        plan = bench.plan(job)
        assert len(plan.batches) == 1
        bench.server.before.append(on("list_page", fails(DENIED), key="p/"))
        metrics = bench.run(job, plan)
        assert (metrics.files_copied_successfully, metrics.files_unknown) == (2, 2)
        assert set(bench.written) == {"out-q/a", "out-q/b"}

    def test_growth_does_not_hide_a_broken_listing(self) -> None:
        """A run is incomplete when a listing failed, even if as many objects were found as planned."""
        bench = Bench(page_keys=10)
        bench.put(*(f"in/{number:03}" for number in range(0, 30, 2)))
        job = bench.started()
        plan = bench.plan(job)
        bench.put(*keys(30))
        bench.server.before.append(on("list_page", fails(DENIED), bucket=SOURCE, spare=2))
        metrics = bench.run(job, plan)
        assert metrics.files_copied_successfully == 20
        assert metrics.files_unknown == 0
        assert verdict(metrics, max_failed_objects=1_000) is not None

    @pytest.mark.parametrize(("came", "went"), [(5, 0), (0, 5), (7, 3)])
    def test_changes_in_one_range_do_not_hide_unknown_objects_of_another(self, came: int, went: int) -> None:
        """Objects of a range that a batch did not reach are unknown, whatever another range has now."""
        bench = Bench()
        bench.put(*keys(60))
        job = bench.started()
        (planned,) = bench.plan(job).batches
        ranges = [
            KeyRange(entry=0, after=after, through=through, found=10, objects=10, bytes=10)
            for after, through in ((None, "009"), ("049", "059"))
        ]
        batch = replace(planned, ranges=tuple(ranges))
        bench.put(*(f"in/000-{number}" for number in range(came)))
        bench.delete(*(f"in/00{number}" for number in range(went)))

        def fail_second_range(call: Call) -> None:
            if (call.bucket, call.after) == (SOURCE, "in/049"):
                raise RuntimeError("bug")

        bench.server.before.append(fail_second_range)
        collector = bench.collector(job)
        with pytest.raises(RuntimeError):
            bench.copy(job, batch, metrics=collector)
        metrics = collector.metrics()
        assert metrics.total_files_found == 10 + came - went + 10
        assert metrics.files_unknown >= 10

    def test_plan_fails_with_its_listing(self) -> None:
        """A listing that fails ends the plan with its error."""
        bench = Bench(page_keys=2)
        bench.put(*keys(5))
        bench.server.before.append(on("list_page", fails(DENIED), spare=3))
        with pytest.raises(CopyError) as raised:
            bench.plan(bench.started())
        assert raised.value.code == "AccessDenied"

    def test_no_more_in_flight_than_allowed(self) -> None:
        """Listings, copies and parts of a batch share one budget of requests in flight."""
        bench, lock, crowd = Bench(), threading.Lock(), threading.Event()
        for number in range(30):
            bench.put(f"in/{number:03}", content=bytes(number))
        now = peak = 0

        def enter(_: object) -> None:
            nonlocal now, peak
            with lock:
                now += 1
                peak = max(peak, now)
                if now > 3:
                    crowd.set()
            crowd.wait(0.002)  # long enough to see one request too many

        def leave(_: object) -> None:
            nonlocal now
            with lock:
                now -= 1

        job = bench.started(transfer=TransferOptions(concurrency=3))
        bench.server.before.append(enter)
        bench.server.after.append(leave)
        (batch,) = plan_job(job, bench.stores).batches
        collector = bench.collector(job)
        limits = Limits(single_copy_bytes=10, part_bytes=3)
        copy_batch(job, batch, bench.stores, metrics=collector, limits=limits)
        assert collector.metrics().files_copied_successfully == 30
        assert now == 0
        assert 1 <= peak <= 3


def test_requests_of_earlier_attempts_are_added() -> None:
    """A retry counts what earlier attempts sent, if that is known; if not, its count is a lower bound."""
    for attempt, expected in (
        (Attempt(), (1, False)),
        (Attempt(retried=True), (1, True)),
        (Attempt(retried=True, requests=Requests(by_kind={"CopyObject": 4})), (5, False)),
    ):
        bench = Bench()
        bench.put("in/a")
        job = bench.started()
        (batch,) = bench.plan(job).batches
        collector = bench.collector(job)
        copy_batch(job, batch, bench.stores, metrics=collector, attempt=attempt)
        plain = collector.metrics().as_dict()
        assert (plain["requests_by_kind"]["CopyObject"], plain["requests_at_least"]) == expected
