"""Runs whose keys a list names: planned in one pass, copied by ranges of rows."""

from __future__ import annotations

import gzip
from collections import Counter
from dataclasses import replace
from threading import Event
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3copy_tasks.core.job import ObjectEntry, Overwrite, PrefixEntry
from s3copy_tasks.core.key_list import Column
from s3copy_tasks.core.objects import SkipReason
from s3copy_tasks.core.options import ObjectOptions, TransferOptions
from s3copy_tasks.errors import ConfigError, CopyError, MissingError
from s3copy_tasks.report.summary import details, outside_metrics, run_metrics, verdict
from tests.support.builders.bench import SOURCE, Bench
from tests.support.builders.lists import LISTS, encode_key, make_list, make_rows, put_list
from tests.support.s3.memory import Call, MemoryStore, threaded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from s3copy_tasks.core.job import EffectiveJob

KEY_ONLY = (Column.KEY,)
ENOUGH = (Column.KEY, Column.ETAG, Column.SIZE)
TWO = (PrefixEntry(source="in/", destination="out/"), PrefixEntry(source="in/b/", destination="other/"))
ANY_CLASS = ObjectOptions(storage_class="STANDARD_IA")


class ListBench(Bench):
    """A bench with a bucket of lists."""

    def __init__(self) -> None:
        super().__init__()
        self.lists = MemoryStore(self.server, LISTS)
        self.stores = replace(self.stores, lists=threaded(self.lists))

    def listed(
        self, *contents: bytes, columns: Sequence[Column] = KEY_ONLY, ending: str = ".csv", **changes: Any
    ) -> EffectiveJob:
        """Return a job whose keys are named by files with this content."""
        files = [put_list(self.server, f"list-{n}{ending}", content) for n, content in enumerate(contents)]
        return self.started(keys_from=make_list(*files, columns=columns), **changes)

    def row(self, key: str) -> list[object]:
        """Return a row that says enough of a source object."""
        stored = self.server.buckets[SOURCE][key]
        return [encode_key(key), stored.etag, len(stored.content)]


def test_only_named_keys_are_copied() -> None:
    """A list that names some keys copies these, to where the prefix of each goes; nothing is listed."""
    bench = ListBench()
    bench.put("in/a", "in/b/c", "in/d", "in/b/e", "elsewhere/f")
    job = bench.listed(b"in/b/c\nelsewhere/f\n", b"in/a\n", prefixes=TWO)
    metrics = bench.run(job)
    assert set(bench.written) == {"out/a", "other/c"}
    assert metrics.files_copied_successfully == 2
    assert metrics.files_skipped == {SkipReason.OUT_OF_SCOPE: 1}
    assert {number: part.total_files_found for number, part in metrics.entries.items()} == {-1: 1, 0: 1, 1: 1}
    assert bench.server.count("list_page") == 0


def test_rows_that_say_enough_take_no_head() -> None:
    """With ETag and size, and a storage class that the job sets, each object takes one request."""
    bench = ListBench()
    bench.put("in/a", "in/b")
    content = make_rows(map(bench.row, ("in/a", "in/b")))
    job = bench.listed(content, columns=ENOUGH, overwrite=Overwrite.ALWAYS, options=ANY_CLASS)
    assert bench.run(job).files_copied_successfully == 2
    assert bench.server.count("head_object") == 0


def test_never_overwrites_whatever_the_server_ignores() -> None:
    """An object of the destination is found by a HEAD: a server may ignore the condition of a copy."""
    bench = ListBench()
    bench.put("in/a", "in/b")
    bench.server.put("the-destination", "out/a", b"precious")
    content = make_rows(map(bench.row, ("in/a", "in/b")))
    job = bench.listed(content, columns=ENOUGH, overwrite=Overwrite.NEVER, options=ANY_CLASS)
    metrics = bench.run(job)
    assert metrics.files_skipped == {SkipReason.EXISTS: 1}
    assert bench.written == {"out/a": b"precious", "out/b": b"x"}
    assert bench.server.keys_of("copy_object") == {"out/b": 1}


def test_the_storage_class_is_kept() -> None:
    """A list without storage classes does not turn all copies into STANDARD: the source is checked."""
    bench = ListBench()
    bench.put("in/a", storage_class="GLACIER_IR")
    bench.run(bench.listed(make_rows([bench.row("in/a")]), columns=ENOUGH, overwrite=Overwrite.ALWAYS))
    assert bench.server.buckets["the-destination"]["out/a"].storage_class == "GLACIER_IR"


COSTS: dict[str, tuple[tuple[Column, ...], Overwrite, int]] = {
    "key only, changed": (KEY_ONLY, Overwrite.CHANGED, 2),
    "key only, always": (KEY_ONLY, Overwrite.ALWAYS, 1),
    "ETag and size, always": (ENOUGH, Overwrite.ALWAYS, 1),
    "ETag and size, changed": (ENOUGH, Overwrite.CHANGED, 2),
    "key only, never": (KEY_ONLY, Overwrite.NEVER, 2),
    "everything, never": ((*ENOUGH, Column.STORAGE_CLASS), Overwrite.NEVER, 1),
    "everything, always": ((*ENOUGH, Column.STORAGE_CLASS), Overwrite.ALWAYS, 0),
    "everything and the date, changed": (
        (*ENOUGH, Column.STORAGE_CLASS, Column.LAST_MODIFIED),
        Overwrite.CHANGED,
        1,
    ),
}


@pytest.mark.parametrize(("columns", "overwrite", "heads"), COSTS.values(), ids=COSTS)
def test_what_a_row_costs(columns: tuple[Column, ...], overwrite: Overwrite, heads: int) -> None:
    """The plan prices the HEADs that a row takes, and the copy takes no more."""
    bench = ListBench()
    bench.put("in/a")
    row = [*bench.row("in/a"), "STANDARD", "2026-01-01T00:00:00Z"][: len(columns)]
    job = bench.listed(make_rows([row]), columns=columns, overwrite=overwrite)
    plan = bench.plan(job)
    assert sum(entry.head_requests for entry in plan.entries) == heads
    assert bench.run(job, plan).files_copied_successfully == 1
    assert bench.server.count("head_object") == heads


def test_reading_the_list_is_priced() -> None:
    """The plan and the batches read it."""
    bench = ListBench()
    bench.put("in/a")
    plan = bench.plan(bench.listed(b"in/a\n"))
    assert [entry.get_requests for entry in plan.entries] == [0, 2]
    assert plan.entries[1].source == "s3://the-lists/list-0.csv"


def test_entries_add_up_to_the_run() -> None:
    """The report of a run has the rows of each prefix, and those of none, also if a batch was lost."""
    bench = ListBench()
    bench.put("in/a", "in/b/c")
    job = bench.listed(b"in/a\n", b"in/b/c\nx\n", prefixes=TWO, transfer=TransferOptions(batch_objects=1))
    plan = bench.plan(job)
    first, lost = plan.batches
    by_batch = {first.id: bench.copy(job, first)}
    now = bench.clock()
    metrics = run_metrics(job, outside_metrics(job, plan, now, now), plan.batches, by_batch)
    reported = details(job, metrics, plan.batches, by_batch)
    assert reported["files_unknown"] == lost.found == 2
    assert [(entry["entry"], entry["total_files_found"]) for entry in reported["entries"]] == [
        ("prefixes[0]", 1),
        ("prefixes[1]", 0),
        ("from", 2),
    ]


def test_changed_compares_both_sides() -> None:
    """`changed` copies what differs, and skips what does not."""
    bench = ListBench()
    bench.put("in/a", "in/b")
    bench.run(bench.started())
    bench.clock.tick(60)
    bench.put("in/b", content=b"new")
    metrics = bench.run(bench.listed(b"in/a\nin/b\n"))
    assert metrics.files_skipped == {SkipReason.UNCHANGED: 1}
    assert metrics.files_copied_successfully == 1
    assert bench.written["out/b"] == b"new"


def test_filters_and_markers_apply() -> None:
    """Filters leave rows out by their key below the prefix, as they do in a listing."""
    bench = ListBench()
    bench.put("in/a.nc", "in/b.tmp", "in/")
    job = bench.listed(b"in/a.nc\nin/b.tmp\n", filters=replace(bench.started().filters, exclude=("*.tmp",)))
    metrics = bench.run(job)
    assert metrics.files_skipped == {SkipReason.EXCLUDED: 1}
    assert set(bench.written) == {"out/a.nc"}


def test_an_old_etag_copies_what_is_there_now() -> None:
    """A list is a hint: an object that changed since is copied as it is."""
    bench = ListBench()
    bench.put("in/a", content=b"old")
    content = make_rows([bench.row("in/a")])
    bench.put("in/a", content=b"new")
    job = bench.listed(content, columns=ENOUGH, overwrite=Overwrite.ALWAYS, options=ANY_CLASS)
    assert bench.run(job).files_copied_successfully == 1
    assert bench.written == {"out/a": b"new"}


@pytest.mark.parametrize("columns", [KEY_ONLY, ENOUGH])
def test_a_named_object_that_is_gone_has_vanished(columns: tuple[Column, ...]) -> None:
    """It counts as vanished, whether a HEAD or the copy finds out."""
    bench = ListBench()
    bench.put("in/a", "in/b")
    rows = [bench.row(key)[: len(columns)] for key in ("in/a", "in/b")]
    job = bench.listed(make_rows(rows), columns=columns, overwrite=Overwrite.ALWAYS, options=ANY_CLASS)
    bench.delete("in/a")
    metrics = bench.run(job)
    assert (metrics.files_vanished, metrics.files_copied_successfully) == (1, 1)


def test_a_key_may_be_named_twice() -> None:
    """It is found twice; `changed` copies it once if one batch is after the other."""
    bench = ListBench()
    bench.put("in/a")
    metrics = bench.run(bench.listed(b"in/a\n", b"in/a\n", transfer=TransferOptions(batch_objects=1)))
    assert metrics.total_files_found == 2
    assert metrics.files_copied_successfully == 1
    assert metrics.files_skipped == {SkipReason.UNCHANGED: 1}


def test_a_destination_says_which_entry_is_meant() -> None:
    """Where several entries copy a key, the row's destination chooses, also among single objects."""
    bench = ListBench()
    bench.put("in/b/c", "in/one")
    objects = (ObjectEntry(source="in/one", destination="single"),)
    rows = [["in/b/c", "out/b/c"], ["in/one", "single"], ["in/b/c", "nowhere"]]
    job = bench.listed(
        make_rows(rows), columns=(Column.KEY, Column.DESTINATION), prefixes=TWO, objects=objects
    )
    metrics = bench.run(job)
    assert set(bench.written) == {"out/b/c", "single"}
    assert metrics.files_skipped == {SkipReason.OUT_OF_SCOPE: 1}


def test_many_files_are_requested_together() -> None:
    """A list of many small files, as those of failed objects are, does not take a round trip for each."""
    bench = ListBench()
    job = bench.listed(*(f"in/{n}\n".encode() for n in range(20)))
    last = Event()

    def wait_for_another(call: Call) -> None:
        if call.verb == "get_bytes" and call.key == "list-0.csv":
            assert last.wait(10)
        if call.verb == "get_bytes" and call.key == "list-15.csv":
            last.set()

    bench.server.before.append(wait_for_another)
    assert sum(entry.found for entry in bench.plan(job).entries) == 20


def test_wrong_rows_stop_the_plan() -> None:
    """Nothing is planned; the error names file, line and problem of each."""
    bench = ListBench()
    bench.put("in/a")
    job = bench.listed(b"in/a\nin/b,x\n", b"in/a\n\nx,y\n")
    with pytest.raises(ConfigError) as caught:
        bench.plan(job)
    assert caught.value.code == "InvalidList"
    first, second = caught.value.message.splitlines()
    assert first.startswith("s3://the-lists/list-0.csv:2: has 2 columns")
    assert second.startswith("s3://the-lists/list-1.csv:3: has 2 columns")


def test_many_wrong_rows_are_cut_short() -> None:
    """A list in another format does not fill the log."""
    bench = ListBench()
    with pytest.raises(ConfigError) as caught:
        bench.plan(bench.listed(b"x,y\n" * 1_000))
    assert len(caught.value.message.splitlines()) == 10


def test_a_list_out_of_scope_is_not_a_success() -> None:
    """A typo in a prefix, or the list of another job, must not look like a run without changes."""
    bench = ListBench()
    job = bench.listed(b"elsewhere/a\nelsewhere/b\n")
    with pytest.raises(MissingError) as caught:
        bench.plan(job)
    assert "no key of s3://the-lists/list-0.csv is below a prefix of the job ('in/')" in caught.value.message
    assert "the first is 'elsewhere/a'" in caught.value.message
    allowed = bench.run(replace(job, on_empty="succeed"))
    assert allowed.files_skipped == {SkipReason.OUT_OF_SCOPE: 2}


def test_a_list_without_keys_is_not_a_success() -> None:
    """An empty list is more likely an accident than a day without changes."""
    bench = ListBench()
    with pytest.raises(MissingError, match=r"names no key\. Check that it is complete"):
        bench.plan(bench.listed(b"\n"))


def test_a_list_of_which_nothing_exists_is_not_a_success() -> None:
    """Keys that are read in a wrong way are keys of no object: the run is red, and says what to check."""
    bench = ListBench()
    bench.put("in/a+b")
    metrics = bench.run(bench.listed(b"in/a+b\n"))
    assert metrics.files_vanished == 1
    assert metrics.errors_encountered.by_code == {"NothingFound": 1}
    assert "Check `from.keys`" in metrics.errors_encountered.first[0].message
    assert verdict(metrics, 0) is not None
    allowed = bench.run(bench.listed(b"in/a+b\n", on_empty="succeed"))
    assert verdict(allowed, 0) is None


def test_a_list_that_changes_before_the_plan_is_refused() -> None:
    """The files that preflight found are pinned by their ETags."""
    bench = ListBench()
    job = bench.listed(b"in/a\n")
    bench.server.put(LISTS, "list-0.csv", b"in/b\n")
    with pytest.raises(ConfigError) as caught:
        bench.plan(job)
    assert caught.value.code == "ListChanged"


def test_a_list_that_changes_before_a_batch_is_refused() -> None:
    """The batch copies nothing of another list, and says so; its rows are unknown, not lost."""
    bench = ListBench()
    bench.put("in/a", "in/b")
    job = bench.listed(b"in/a\n")
    plan = bench.plan(job)
    bench.server.put(LISTS, "list-0.csv", b"in/b\n")
    metrics = bench.run(job, plan)
    assert metrics.files_unknown == 1
    assert metrics.errors_encountered.by_code == {"ListChanged": 1}
    assert not bench.written
    assert verdict(metrics, 0) is not None


def test_a_missing_list() -> None:
    """A list that is gone is an error with its name."""
    bench = ListBench()
    job = bench.listed(b"in/a\n")
    bench.server.buckets[LISTS].clear()
    with pytest.raises(MissingError, match=r"the list s3://the-lists/list-0\.csv is gone"):
        bench.plan(job)


def test_a_compressed_list() -> None:
    """A batch of a compressed file reads the rows of its range, and files may have several members."""
    bench = ListBench()
    keys = [f"in/{n:03}" for n in range(50)]
    bench.put(*keys)
    lines = [f"{key}\n".encode() for key in keys]
    content = gzip.compress(b"".join(lines[:20])) + gzip.compress(b"".join(lines[20:]))
    job = bench.listed(content, ending=".csv.gz", transfer=TransferOptions(batch_objects=7))
    plan = bench.plan(job)
    assert len(plan.batches) == 8
    assert bench.run(job, plan).files_copied_successfully == 50


BROKEN = {
    "cut off": gzip.compress(b"in/a\n" * 100)[:-9],
    "not compressed": b"in/a\n",
    "more after the end": gzip.compress(b"in/a\n") + b"rest",
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_a_broken_compressed_list(content: bytes) -> None:
    """A file that is cut off, or not compressed at all, is refused."""
    bench = ListBench()
    with pytest.raises(ConfigError, match="not a valid gzip file"):
        bench.plan(bench.listed(content, ending=".csv.gz"))


def test_a_retried_batch_counts_what_was_copied_before() -> None:
    """A retry reads the same rows, and copies only what is missing, even if it overwrites always."""
    bench = ListBench()
    bench.put("in/a", "in/b")
    content = make_rows(map(bench.row, ("in/a", "in/b")))
    job = bench.listed(content, columns=ENOUGH, overwrite=Overwrite.ALWAYS, options=ANY_CLASS)
    (batch,) = bench.plan(job).batches
    bench.clock.tick()
    bench.copy(job, batch)
    bench.server.buckets["the-destination"].pop("out/b")
    metrics = bench.copy(job, batch, retried=True)
    assert metrics.files_copied_successfully == 2
    assert metrics.files_copied_earlier == 1
    assert bench.server.keys_of("copy_object") == {"out/a": 1, "out/b": 2}


def test_a_batch_that_breaks_off_knows_its_unknowns() -> None:
    """Rows of any entry that a batch did not reach are unknown; the law holds in each entry."""
    bench = ListBench()
    bench.put("in/a", "in/b/c", "in/d")
    job = bench.listed(b"in/a\nin/b/c\nin/d\n", prefixes=TWO)
    plan = bench.plan(job)
    collector = bench.collector(job)

    class StoppedError(BaseException):
        pass

    def stop(counted: int) -> None:
        raise StoppedError

    with pytest.raises(StoppedError):
        bench.copy(job, plan.batches[0], metrics=collector, on_counted=stop)
    metrics = collector.metrics()
    assert metrics.total_files_found == 3
    assert metrics.files_unknown + metrics.files_copied_successfully == 3


def test_a_failed_object_does_not_stop_the_others() -> None:
    """A HEAD that is refused is the failure of that row."""
    bench = ListBench()
    bench.put("in/a", "in/b")

    def refuse(call: Any) -> None:
        if call.verb == "head_object" and call.key == "in/a":
            raise CopyError("no", code="AccessDenied")

    bench.server.before.append(refuse)
    metrics = bench.run(bench.listed(b"in/a\nin/b\n"))
    assert (metrics.files_failed, metrics.files_copied_successfully) == (1, 1)


@given(
    keys=st.lists(st.sampled_from(["in/a", "in/b/c", "x", "in/d,e", "in/b/f", "in/g+h"]), max_size=30),
    batch_objects=st.integers(1, 7),
    compressed=st.booleans(),
)
def test_batches_hold_every_row_once(keys: list[str], batch_objects: int, compressed: bool) -> None:  # noqa: FBT001
    """Whatever rows a list has, its batches read each of them once, and the run counts each once."""
    bench = ListBench()
    bench.put(*keys)
    content = make_rows([encode_key(key)] for key in keys)
    job = bench.listed(
        gzip.compress(content) if compressed else content,
        ending=".csv.gz" if compressed else ".csv",
        prefixes=TWO,
        on_empty="succeed",
        overwrite=Overwrite.ALWAYS,
        transfer=TransferOptions(batch_objects=batch_objects),
    )
    metrics = bench.run(job)
    found = Counter("x" if key == "x" else "copied" for key in keys)
    assert metrics.total_files_found == len(keys)
    assert metrics.files_copied_successfully == found["copied"]
    assert metrics.files_skipped.get(SkipReason.OUT_OF_SCOPE, 0) == found["x"]
