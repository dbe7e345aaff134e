"""Keys that break tools: each is listed, compared, filtered, copied and reported as it is (rule 5)."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Protocol

import pytest

from s3copy_tasks.core.job import Filters, ObjectEntry
from s3copy_tasks.core.multipart import Limits
from s3copy_tasks.core.options import TransferOptions
from tests.faults.bench import FaultBench, connect
from tests.faults.kinds import FAULTS
from tests.faults.proxy import FaultProxy
from tests.support.s3.small_s3 import SmallS3

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.s3.sides import Sides


NFC, NFD = "caf\u00e9", "cafe\u0301"
KEYS = (
    "a+b",
    "a%b",
    "a%20b",
    "a%2Fb",
    "a%2520b",
    "a&b",
    "a?b=c",
    "a#b",
    "a'b",
    'a"b',
    "a\\b",
    "a;b,c=d:e@f$g!h",
    "a*b",
    "a[b]c",
    "a{b}|c^d`e~",
    "a<b>&amp;c",
    " a",
    "a ",
    "a  b",
    "//",
    "a//b",
    "/a",
    "//a",
    "a/",
    "a//",
    ".",
    "..",
    "./a",
    "../a",
    "a/.",
    "a/..",
    "a/./b",
    "a/../b",
    "../../a",
    "...",
    "\x01",
    "a\x01b",
    "a\x02b",
    "a\x08b",
    "a\tb",
    "a\nb",
    "a\rb",
    "a\r\nb",
    "a\x1fb",
    "a\x7fb",
    "a\x85b",
    "a\u2028b",
    "a\ufffeb",
    "a\uffffb",
    "a\U0010ffffb",
    "ab",
    "\U0001f680",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "\u202eabc",
    "\u65e5\u672c\u8a9e/\u30b3\u30d4\u30fc",
    NFC,
    NFD,
    "uploads",
    "a?uploads",
    "a?versionId=1",
    "a?tagging",
)
ALIKE_IN_XML = ("a\x01b", "a\x02b", "a\x08b", "ab", "a\nb", "a\rb", "a\r\nb", "a\ufffeb", "a\uffffb")
"""XML 1.0 lacks these characters, or turns one into another: only encoded keys keep them distinct."""
NOT_ON_MOTO = {"a\nb", "a\r\nb"}
"""Its routes end at the end of a line."""
LIMITS = Limits(single_copy_bytes=100, part_bytes=64)


def named(key: str) -> str:
    """Return an id for a test."""
    return key.encode("unicode_escape").decode()


def glob_of(key: str) -> str:
    """Return the glob that matches a key and nothing else."""
    return "".join(f"[{character}]" if character in "*?[" else character for character in key)


class Filled(Protocol):
    """Makes a source of some keys."""

    def __call__(self, *keys: str, size: int = 10, page_keys: int = 1_000) -> FaultBench: ...


@pytest.fixture(scope="module")
def filled() -> Iterator[Filled]:
    """A small server accepts any key that S3 accepts."""
    with FaultProxy(SmallS3()) as proxy, ExitStack() as benches:
        client = connect(proxy.url)

        def make(*keys: str, size: int = 10, page_keys: int = 1_000) -> FaultBench:
            bench = FaultBench(proxy, client, page_keys=page_keys, single_copy_bytes=100, part_bytes_min=1)
            benches.enter_context(bench)
            for key in keys:
                bench.put(key, size, headers={"x-amz-meta-k": "v"}, tags={"k": "v"})
            return bench

        yield make


@pytest.mark.parametrize("size", [0, 10, 300], ids=["empty", "small", "large"])
def test_all_keys_arrive_side_by_side(filled: Filled, size: int) -> None:
    """Odd keys begin and end pages and batches, and each is copied once; a second plan is empty."""
    bench = filled(*KEYS, size=size, page_keys=2)
    job = bench.started(transfer=TransferOptions(concurrency=4, batch_objects=3))
    plan = bench.plan(job)
    metrics = bench.run(job, plan, limits=LIMITS)
    assert len(plan.batches) == -(-len(KEYS) // 3)
    assert bench.written.keys() == set(KEYS)
    for key, copy in bench.written.items():
        assert bench.server.same(copy, bench.versions(key)[-1]), key
    assert metrics.files_copied_successfully == metrics.total_files_found == len(KEYS)
    assert metrics.total_bytes_transferred == size * len(KEYS)
    again = bench.plan(bench.started())
    assert (again.batches, again.outside) == ((), {"unchanged": len(KEYS)})


@pytest.mark.parametrize("key", KEYS, ids=named)
class TestEach:
    """One key among all the others, which differ from it as little as keys can."""

    def test_a_change_is_seen(self, filled: Filled, key: str) -> None:
        """Only the object that changed is copied again."""
        bench = filled(*KEYS)
        for other in KEYS:
            there = bench.versions(other)[-1]
            kept: dict[str, Any] = {
                "headers": there.headers,
                "tags": there.tags,
                "modified": there.modified + 1,
            }
            bench.server.put("the-destination", f"out/{other}", there.spans, **kept)
        bench.put(key, 11, age=0)
        metrics = bench.run(bench.started())
        assert [one.key for one in bench.proxy.of_kind("CopyObject")] == [f"out/{key}"]
        assert bench.server.same(bench.written[key], bench.versions(key)[-1])
        assert metrics.files_copied_successfully == 1

    def test_it_is_included_alone(self, filled: Filled, key: str) -> None:
        """A glob that spells the key lets it through, and no other."""
        bench = filled(*KEYS)
        plan = bench.plan(bench.started(filters=Filters(include=(glob_of(key),))))
        assert [one.through for batch in plan.batches for one in batch.ranges] == [key]
        assert sum(batch.objects for batch in plan.batches) == 1
        assert plan.entries[0].skipped == {"not_included": len(KEYS) - 1}

    def test_it_is_excluded_alone(self, filled: Filled, key: str) -> None:
        """A glob that spells the key leaves it out, and no other."""
        bench = filled(*KEYS)
        plan = bench.plan(bench.started(filters=Filters(exclude=(glob_of(key),))))
        assert sum(batch.objects for batch in plan.batches) == len(KEYS) - 1
        assert plan.entries[0].skipped == {"excluded": 1}

    def test_its_failure_names_it(self, filled: Filled, key: str) -> None:
        """The failure has the exact key; what a person reads has nothing that a terminal would interpret."""
        bench = filled(key, "other")
        job = bench.started()
        bench.proxy.add(FAULTS["AccessDenied"], "CopyObject", f"out/{key}", times=99)
        metrics = bench.run(job)
        (failure,) = metrics.errors_encountered.first
        assert (failure.key, failure.code) == (f"in/{key}", "AccessDenied")
        assert str(failure).isprintable()
        assert (metrics.files_failed, metrics.files_copied_successfully) == (1, 1)
        assert bench.written.keys() == {"other"}

    def test_it_is_copied_by_name(self, filled: Filled, key: str) -> None:
        """A single object of that key is headed, and written to another odd key."""
        bench = filled(key)
        entry = ObjectEntry(source=f"in/{key}", destination=f"out/{key}/{key}")
        metrics = bench.run(bench.started(objects=(entry,)))
        assert bench.written.keys() == {f"{key}/{key}"}
        assert metrics.files_copied_successfully == 1


def test_keys_that_xml_cannot_distinguish_stay_distinct(filled: Filled) -> None:
    """Each has its own size, and its copy has it, too."""
    bench = filled()
    for size, key in enumerate(ALIKE_IN_XML, start=1):
        bench.put(key, size)
    bench.run(bench.started())
    sizes = {key: one.size for key, one in bench.written.items()}
    assert sizes == {key: size for size, key in enumerate(ALIKE_IN_XML, start=1)}
    assert bench.plan(bench.started()).batches == ()


def test_one_name_in_two_forms_of_unicode_is_two_objects(filled: Filled) -> None:
    """Composed and decomposed letters look alike, but are different keys."""
    bench = filled(NFC, NFD)
    bench.run(bench.started(filters=Filters(exclude=(NFC,))))
    assert bench.written.keys() == {NFD}
    bench.clock.tick()
    bench.run(bench.started())
    assert bench.written.keys() == {NFC, NFD}


@pytest.mark.parametrize("letter", ["a", "\u00e9", "\U0001f680"], ids=["1 byte", "2 bytes", "4 bytes"])
def test_the_longest_key_is_copied_and_one_byte_more_is_a_failure(filled: Filled, letter: str) -> None:
    """1,024 bytes after rewriting are a key of S3; one more is counted as failed, without a request."""
    letters, rest = divmod(1024 - len("out/"), len(letter.encode()))
    longest = letter * letters + "b" * rest
    bench = filled(longest, longest + "b")
    metrics = bench.run(bench.started())
    assert bench.written.keys() == {longest}
    assert len(f"out/{longest}".encode()) == 1024
    (failure,) = metrics.errors_encountered.first
    assert (failure.key, failure.code) == (f"in/{longest}b", "KeyTooLong")
    assert (metrics.files_copied_successfully, metrics.files_failed) == (1, 1)
    assert bench.proxy.kinds()["CopyObject"] == 1


def test_markers_and_empty_objects_are_objects(filled: Filled) -> None:
    """The prefix itself, folders' markers and empty objects are copied and counted (rule 9)."""
    markers = ("", "a/", "a/b/", "a//", "empty")
    bench = filled(*markers, size=0)
    metrics = bench.run(bench.started())
    assert bench.written.keys() == set(markers)
    assert (metrics.files_copied_successfully, metrics.total_bytes_transferred) == (len(markers), 0)
    assert bench.plan(bench.started()).outside == {"unchanged": len(markers)}


@pytest.mark.one_server
def test_another_server_agrees(sides: Sides) -> None:
    """Another implementation of S3 behaves like the small server of these tests."""
    keys = sorted(set(KEYS) - NOT_ON_MOTO)
    for key in keys:
        sides.put(f"data/{key}", key.encode())
    metrics = sides.run(sides.job())
    assert sides.copied() == {f"copy/{key}": key.encode() for key in keys}
    assert metrics.files_copied_successfully == len(keys)
    assert sides.plan(sides.job()).batches == ()
