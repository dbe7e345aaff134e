"""Copies of one object, small and large, while other clients write and replies get lost."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from s3copy_tasks.copy.copier import Copier
from s3copy_tasks.copy.counting import Outcomes
from s3copy_tasks.copy.transfer import Transfer
from s3copy_tasks.copy.uploads import NoRecord
from s3copy_tasks.core.decide import Decided
from s3copy_tasks.core.job import Overwrite
from s3copy_tasks.core.multipart import Limits
from s3copy_tasks.core.objects import Action, SkipReason
from s3copy_tasks.core.options import ObjectOptions
from s3copy_tasks.engine.loop import wait_for
from s3copy_tasks.engine.paced_store import pace_stores
from s3copy_tasks.errors import (
    AccessError,
    Code,
    CopyError,
    ExpiredError,
    MissingError,
    RequestError,
    ThrottledError,
    TransientError,
    UnsupportedError,
)
from tests.support.builders.bench import DESTINATION, SOURCE, Bench, impatient
from tests.support.s3.memory import fails, on

if TYPE_CHECKING:
    from collections.abc import Callable

    from s3copy_tasks.core.collector import MetricsCollector
    from s3copy_tasks.core.metrics import TransferMetrics
    from s3copy_tasks.core.objects import Decision, S3Object
    from s3copy_tasks.core.verify import Outcome
    from s3copy_tasks.engine.sender import Sender

LIMITS = Limits(single_copy_bytes=10, unproven_copy_bytes=9, part_bytes=4)
SMALL, LARGE = b"0123456789", b"0123456789abcdefghi"  # 10 bytes, and 19 which are 5 parts
CONTENTS = {"small": SMALL, "large": LARGE}
LOST = TransientError("the reply is lost", code="EmptyReply")
DENIED = AccessError("no", code="AccessDenied")


class Workplace:
    """A bench with one listed object at `in/a`, to be copied to `out/a`."""

    def __init__(
        self, content: bytes = SMALL, *, stored: dict[str, Any] | None = None, **changes: Any
    ) -> None:
        self.bench = Bench(single_copy_bytes=LIMITS.single_copy_bytes)
        self.server = self.bench.server
        self.bench.put("in/a", content=content, **(stored or {}))
        self.bench.clock.tick(60)
        self.job = self.bench.started(**changes)
        self.listed = self.head()

    def head(self) -> S3Object:
        found = self.bench.source.head_object("in/a")
        assert found is not None
        return found.object

    def carry_out(
        self,
        decision: Decision = Action.COPY,
        *,
        source: S3Object | None = None,
        sender: Sender | None = None,
        key: str = "out/a",
        limits: Limits = LIMITS,
    ) -> TransferMetrics:
        """Carry out a decision and return its metrics."""
        metrics = self.bench.collector(self.job)
        decided = self.decided(decision, source or self.listed, key)
        self.server.calls.clear()
        wait_for(self.carry_out_and_count(decided, metrics, sender or impatient(4), limits))
        assert self.server.open_uploads(DESTINATION) == []
        return metrics.metrics()

    def decided(self, decision: Decision, source: S3Object, key: str = "out/a") -> Decided:
        """Return a decision based on what the destination has now."""
        held = self.bench.destination.head_object(key)
        replaces = held.object if held else None
        return Decided(entry=0, position="a", source=source, key=key, decision=decision, replaces=replaces)

    async def carry_out_and_count(
        self, decided: Decided, metrics: MetricsCollector, sender: Sender, limits: Limits = LIMITS
    ) -> Outcome:
        """Carry out a decision, count the outcome, and compare checksums if the job asks for it."""
        stores = pace_stores(self.bench.stores, sender)
        copier = Copier(self.job, stores, Transfer(self.job, stores, NoRecord(), limits))
        outcome = await copier.carry_out(decided)
        outcomes = Outcomes(metrics)
        unproven = outcomes.count(decided, outcome)
        if unproven is not None and self.job.verify == "checksum":
            outcomes.count_checksums(unproven, same=await copier.checksums_agree(unproven))
        return outcome

    def make_write(self, bucket: str, key: str, content: bytes) -> Callable[[], None]:
        """Return a function that writes an object as another client, a second later."""

        def write() -> None:
            self.bench.clock.tick()
            self.server.put(bucket, key, content)

        return write

    @property
    def copied(self) -> bytes | None:
        return self.bench.written.get("out/a")


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_copies(content: bytes) -> None:
    """An object arrives byte for byte and is counted with its size."""
    place = Workplace(content)
    metrics = place.carry_out()
    assert place.copied == content
    assert metrics.files_copied_successfully == 1
    assert metrics.total_bytes_transferred == len(content)


def test_empty_objects() -> None:
    """A zero-byte object is an object: copied by one request, never in parts."""
    place = Workplace(b"")
    assert place.carry_out().files_copied_successfully == 1
    assert place.copied == b""
    assert place.server.count("create_multipart_upload") == 0


STORED: dict[str, Any] = {
    "headers": {"ContentType": "application/x-netcdf", "CacheControl": "no-cache"},
    "metadata": {"granule": "g-1"},
    "tags": {"team": "ops"},
    "storage_class": "STANDARD_IA",
}


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_everything_is_carried(content: bytes) -> None:
    """Headers, metadata, tags and storage class arrive, whatever the object's size (FR-009, rule 7)."""
    place = Workplace(content, stored=STORED)
    place.carry_out()
    arrived = place.server.buckets[DESTINATION]["out/a"]
    assert {name: getattr(arrived, name) for name in STORED} == STORED


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_tags_are_dropped_when_asked(content: bytes) -> None:
    """With tags "drop" the copy has none, and those of the source are not read."""
    place = Workplace(content, stored=STORED, options=ObjectOptions(tags="drop"))
    place.carry_out()
    assert place.server.buckets[DESTINATION]["out/a"].tags == {}
    assert place.server.count("object_tags") == 0


def test_tags_of_a_large_object_are_read() -> None:
    """A HEAD counts tags only for principals that may read them, so they are read even if it counts none."""
    place = Workplace(LARGE)
    assert place.carry_out().files_copied_successfully == 1
    assert place.server.count("object_tags") == 1


def test_requests_of_a_large_copy() -> None:
    """A large object takes create, one request per part, and complete; a small one takes one request."""
    place = Workplace(LARGE)
    place.carry_out()
    counts = {verb: place.server.count(verb) for verb in ("create_multipart_upload", "copy_part")}
    assert counts == {"create_multipart_upload": 1, "copy_part": 5}
    assert place.server.count("complete_multipart_upload") == 1
    assert place.server.count("copy_object") == 0
    small = Workplace(SMALL)
    small.carry_out()
    assert [call.verb for call in small.server.calls] == ["copy_object"]


def test_parts_run_in_parallel() -> None:
    """Parts of one object are copied at the same time."""
    place, together = Workplace(LARGE), threading.Barrier(2)
    place.server.before.append(on("copy_part", lambda: together.wait(10), times=2))
    assert place.carry_out().files_copied_successfully == 1


def test_an_object_that_was_uploaded_in_parts_is_copied_in_parts() -> None:
    """One request would be slower, and its ETag would prove nothing either."""
    place = Workplace(SMALL, stored={"parts": 2, "headers": STORED["headers"]})
    assert place.carry_out().files_copied_successfully == 1
    assert (place.server.count("copy_part"), place.server.count("copy_object")) == (3, 0)
    assert place.server.buckets[DESTINATION]["out/a"].headers == STORED["headers"]


@pytest.mark.parametrize("verb", ["object_tags", "create_multipart_upload", "copy_part"])
@pytest.mark.parametrize("error", [DENIED, UnsupportedError("no parts here", code="NotImplemented")], ids=str)
def test_parts_that_are_refused(verb: str, error: CopyError) -> None:
    """Parts need more rights, and more of a server: what one request can copy does not fail for that."""
    place = Workplace(SMALL, stored={"parts": 2})
    place.server.before.append(on(verb, fails(error), times=9))
    assert place.carry_out().files_copied_successfully == 1
    assert place.copied == SMALL
    assert place.server.count("copy_object") == 1


def test_a_refusal_of_one_request_too_is_the_error() -> None:
    """An object that may not be written fails with S3's code, in parts and in one request."""
    place = Workplace(SMALL, stored={"parts": 2})
    place.server.before.append(on("create_multipart_upload", fails(RequestError("no", code="Odd"))))
    place.server.before.append(on("copy_object", fails(DENIED)))
    assert place.carry_out().errors_encountered.by_code == {"AccessDenied": 1}


def test_parts_are_refused_once() -> None:
    """After a refusal, further objects that one request can copy are not tried in parts."""
    place = Workplace(SMALL, stored={"parts": 2})
    place.bench.put("in/b", "in/c", content=SMALL, parts=2)
    place.server.before.append(on("copy_part", fails(DENIED), times=99))
    assert place.bench.run(place.job, limits=replace(LIMITS, part_bytes=10)).files_copied_successfully == 3
    assert 1 <= place.server.count("create_multipart_upload") <= place.job.transfer.in_flight


def test_tags_are_not_risked() -> None:
    """Some servers lose the tags of a multipart copy: an object with tags is copied by one request."""
    place = Workplace(SMALL, stored=STORED | {"parts": 2})
    place.carry_out()
    assert place.server.count("create_multipart_upload") == 0
    assert place.server.buckets[DESTINATION]["out/a"].tags == STORED["tags"]


FAULTS: dict[str, tuple[str, BaseException, int]] = {
    "part-denied": ("copy_part", DENIED, 1),
    "part-never-arrives": ("copy_part", LOST, 99),
    "part-throttled-for-ever": ("copy_part", ThrottledError("slow down", code="SlowDown"), 99),
    "complete-refused": ("complete_multipart_upload", RequestError("no", code="InvalidPart"), 1),
    "complete-never-arrives": ("complete_multipart_upload", LOST, 9),
}


@pytest.mark.parametrize(("verb", "error", "times"), FAULTS.values(), ids=FAULTS)
def test_failed_large_copies_are_aborted(verb: str, error: CopyError, times: int) -> None:
    """Whatever ends a multipart copy, no upload stays open, and the object fails with S3's code."""
    place = Workplace(LARGE)
    place.server.before.append(on(verb, fails(error), times=times))
    metrics = place.carry_out()
    assert metrics.files_failed == 1
    assert metrics.errors_encountered.by_code == {error.code: 1}
    assert place.copied is None


def test_bugs_abort_large_copies_too() -> None:
    """An error that is not S3's is raised, and still no upload stays open."""
    place = Workplace(LARGE)
    place.server.before.append(on("copy_part", fails(ValueError("bug"))))
    with pytest.raises(ValueError, match="bug"):
        place.carry_out()
    assert place.server.open_uploads(DESTINATION) == []


def test_stop_aborts_large_copies() -> None:
    """When the batch is stopped in the middle of a multipart copy, the upload is aborted (SIGTERM)."""
    place, sender = Workplace(LARGE), impatient(1)
    place.server.after.append(on("copy_part", sender.stop))
    with pytest.raises(InterruptedError):
        place.carry_out(sender=sender)
    assert place.server.count("create_multipart_upload") == 1
    assert place.server.open_uploads(DESTINATION) == []
    assert place.copied is None


def test_failing_abort_hides_nothing() -> None:
    """An abort that fails does not change the reason of the failure."""
    place = Workplace(LARGE)
    place.server.before.append(on("copy_part", fails(DENIED)))
    place.server.before.append(on("abort_multipart_upload", fails(RequestError("no", code="Odd"))))
    metrics = place.bench.collector(place.job)
    decided = place.decided(Action.COPY, place.listed)
    error = wait_for(place.carry_out_and_count(decided, metrics, impatient(1)))
    assert isinstance(error, CopyError)
    assert error.code == "AccessDenied"
    assert metrics.metrics().errors_encountered.by_code == {"AccessDenied": 1}


@pytest.mark.parametrize("overwrite", Overwrite)
@pytest.mark.parametrize(
    ("content", "verb"),
    [(SMALL, "copy_object"), (LARGE, "complete_multipart_upload"), (LARGE, "copy_part")],
    ids=["small", "complete", "part"],
)
def test_lost_replies(content: bytes, verb: str, overwrite: Overwrite) -> None:
    """A copy whose reply is lost is counted once, as copied, and not as another client's (rules 3 and 7)."""
    place = Workplace(content, overwrite=overwrite)
    place.server.after.append(on(verb, fails(LOST)))
    metrics = place.carry_out()
    assert (metrics.files_copied_successfully, metrics.total_files_found) == (1, 1)
    assert metrics.total_bytes_transferred == len(content)
    assert place.copied == content


def test_what_s3_confirmed_is_counted_before_it_is_proven() -> None:
    """A copy is counted as copied, not unknown, even if the batch ends while checksums are requested."""
    place = Workplace(LARGE, verify="checksum")
    place.server.before.append(on("head_object", fails(ValueError("the end")), bucket=SOURCE, spare=1))
    (batch,) = place.bench.plan(place.job).batches
    metrics = place.bench.collector(place.job)
    with pytest.raises(ValueError, match="the end"):
        place.bench.copy(place.job, batch, metrics=metrics, limits=LIMITS)
    assert place.copied == LARGE
    assert metrics.metrics().files_copied_successfully == 1


STS_IS_SILENT = TransientError("no session", code="ReadTimeoutError")
STS_IS_SILENT.may_be_done = False
NOT_DONE = {
    "no credentials": STS_IS_SILENT,
    "throttled": ThrottledError("slow down", code="SlowDown"),
    "another client writes": TransientError("conflict", code="ConditionalRequestConflict"),
    "no connection": TransientError("refused", code=Code.ENDPOINT_UNREACHABLE),
    "expired": ExpiredError("expired", code="ExpiredToken"),
}


@pytest.mark.parametrize("error", NOT_DONE.values(), ids=NOT_DONE)
def test_an_object_of_another_client_is_not_counted_as_copied(error: CopyError) -> None:
    """It was written while the request was refused, and has the same size: nothing was copied."""
    place = Workplace(SMALL, overwrite=Overwrite.NEVER)

    def another_client_writes() -> None:
        place.bench.clock.tick(5)
        place.server.put(DESTINATION, "out/a", SMALL[::-1])
        raise error

    place.server.before.append(on("copy_object", another_client_writes))
    metrics = place.carry_out()
    assert (metrics.files_copied_successfully, metrics.total_bytes_transferred) == (0, 0)
    assert metrics.files_skipped == {SkipReason.EXISTS: 1}
    assert place.copied == SMALL[::-1]


@pytest.mark.parametrize("verb", ["copy_part", "complete_multipart_upload"])
def test_an_upload_that_another_client_ends_is_not_counted_as_completed(verb: str) -> None:
    """An object of the same size that another client writes meanwhile is not a copy, and not verified."""
    place = Workplace(LARGE, overwrite=Overwrite.NEVER)

    def another_client_writes() -> None:
        place.bench.clock.tick(5)
        place.server.uploads.clear()
        place.server.put(DESTINATION, "out/a", LARGE[::-1])

    place.server.before.append(on(verb, another_client_writes))
    metrics = place.carry_out()
    assert (metrics.files_copied_successfully, metrics.files_verified) == (0, 0)
    assert metrics.files_skipped == {SkipReason.EXISTS: 1}
    assert place.copied == LARGE[::-1]


def test_vanished_upload_is_a_failure() -> None:
    """An upload that is aborted every time is a failure, even if an older object of that size exists."""
    place = Workplace(LARGE)
    place.server.put(DESTINATION, "out/a", LARGE[::-1])
    place.bench.clock.tick(60)
    place.job = place.bench.started(overwrite=Overwrite.ALWAYS)
    place.server.before.append(on("complete_multipart_upload", place.server.uploads.clear, times=3))
    metrics = place.carry_out()
    assert metrics.errors_encountered.by_code == {"NoSuchUpload": 1}
    assert place.server.count("complete_multipart_upload") == 3
    assert place.copied == LARGE[::-1]


def test_vanished_upload_is_started_again() -> None:
    """An object is not given up because another client aborted its upload."""
    place = Workplace(LARGE)
    place.server.before.append(on("complete_multipart_upload", place.server.uploads.clear))
    assert place.carry_out().files_copied_successfully == 1
    assert place.copied == LARGE


def test_refused_completion_is_a_failure() -> None:
    """A refused completion is a failure, even if another client wrote an object of that size."""
    place = Workplace(LARGE)
    write = place.make_write(DESTINATION, "out/a", LARGE[::-1])
    place.server.before.append(on("complete_multipart_upload", write))
    place.server.before.append(on("complete_multipart_upload", fails(DENIED)))
    assert place.carry_out().errors_encountered.by_code == {"AccessDenied": 1}


def test_a_refused_copy_keeps_its_reason() -> None:
    """A HEAD that finds out whether the object is gone may be refused, too, but without a reason."""
    place = Workplace(SMALL)
    place.server.before.append(on("copy_object", fails(DENIED)))
    refused = AccessError("Forbidden", code="403")
    place.server.before.append(on("head_object", fails(refused), bucket=SOURCE, times=99))
    assert place.carry_out().errors_encountered.by_code == {"AccessDenied": 1}


def test_no_abort_overtakes_a_part() -> None:
    """An upload is aborted after its last part has ended: a later part would stay, and cost money."""
    place, running, aborted = Workplace(LARGE), threading.Event(), threading.Event()
    order: list[str] = []

    def denied_while_another_runs() -> None:
        assert running.wait(10)
        raise AccessError("no", code="AccessDenied")

    def runs_on() -> None:
        running.set()
        aborted.wait(0.05)  # an abort that does not wait for this part is sent now
        order.append("part")

    place.server.before.append(on("copy_part", denied_while_another_runs))
    place.server.before.append(on("copy_part", runs_on, spare=1))
    place.server.before.append(on("abort_multipart_upload", aborted.set))
    place.server.before.append(on("abort_multipart_upload", lambda: order.append("abort")))
    assert place.carry_out().files_failed == 1
    assert order == ["part", "abort"]


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
@pytest.mark.parametrize("changes", [1, 2])
def test_source_changes(content: bytes, changes: int) -> None:
    """A source that changes before its copy is checked again, twice, and its newest version is copied."""
    place = Workplace(content)
    verb = "copy_object" if content is SMALL else "copy_part"
    for change in range(changes):
        write = place.make_write(SOURCE, "in/a", content[change + 1 :] + content[: change + 1])
        place.server.before.append(on(verb, write, spare=0 if content is SMALL else change * 5))
    metrics = place.carry_out()
    assert metrics.files_copied_successfully == 1
    assert place.copied == place.server.contents(SOURCE)["in/a"] != content


def test_source_keeps_changing() -> None:
    """A source that changes for a third time is reported as SourceChanged, worth another attempt."""
    place = Workplace()
    for change in range(9):
        write = place.make_write(SOURCE, "in/a", b"%d" % change)
        place.server.before.append(on("copy_object", write, spare=change))
    metrics = place.carry_out()
    assert metrics.errors_encountered.by_code == {"SourceChanged": 1}
    assert metrics.errors_encountered.transient == 1
    assert place.server.count("copy_object") == 3
    assert place.copied is None


def test_large_source_changes_between_its_parts() -> None:
    """A large copy has one version: parts of two are never mixed (rule 2)."""
    place, newer = Workplace(LARGE), LARGE.upper()
    place.server.before.append(on("copy_part", place.make_write(SOURCE, "in/a", newer), spare=2))
    assert place.carry_out().files_copied_successfully == 1
    assert place.copied == newer


def test_source_shrinks() -> None:
    """A large source that is small when it is checked again is copied by one request, with its new size."""
    place = Workplace(LARGE)
    place.make_write(SOURCE, "in/a", SMALL)()
    metrics = place.carry_out()
    assert place.copied == SMALL
    assert metrics.total_bytes_transferred == len(SMALL)
    assert place.server.count("copy_object") == 1
    assert place.server.count("create_multipart_upload") == 0


@pytest.mark.parametrize("said", [4, 18, 25], ids=["smaller than a part", "smaller", "larger"])
@pytest.mark.parametrize("relayed", [False, True], ids=["copied by S3", "relayed"])
def test_a_size_that_a_list_has_wrong_cuts_no_copy(said: int, relayed: bool) -> None:  # noqa: FBT001
    """The object says how large it is: parts that a wrong size describes are never written."""
    place = Workplace(LARGE, relayed=relayed)
    limits = replace(LIMITS, single_copy_bytes=3)
    metrics = place.carry_out(source=replace(place.listed, size=said), limits=limits)
    assert place.copied == LARGE
    assert metrics.files_copied_successfully == 1
    assert metrics.total_bytes_transferred == len(LARGE)
    assert place.server.count("create_multipart_upload") == 1


def test_source_changes_while_the_reply_is_lost() -> None:
    """An older copy of the same size does not count as the copy of a source that changed since."""
    place, newer = Workplace(SMALL), SMALL[::-1]
    place.server.after.append(on("copy_object", place.make_write(SOURCE, "in/a", newer)))
    place.server.after.append(on("copy_object", fails(LOST)))
    assert place.carry_out().files_copied_successfully == 1
    assert place.copied == newer


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_vanished_sources(content: bytes) -> None:
    """A source that is gone when it is to be copied has vanished: that is counted, and is not a failure."""
    place = Workplace(content)
    place.bench.delete("in/a")
    metrics = place.carry_out()
    assert (metrics.files_vanished, metrics.files_failed) == (1, 0)


def test_source_vanishes_in_a_large_copy() -> None:
    """A source that is deleted between its parts has vanished, and no upload stays open."""
    place = Workplace(LARGE)
    place.server.before.append(on("copy_part", lambda: place.bench.delete("in/a"), spare=2))
    metrics = place.carry_out()
    assert (metrics.files_vanished, metrics.files_failed) == (1, 0)
    assert place.copied is None


def test_source_changes_and_vanishes() -> None:
    """A source that is gone when it is checked again has vanished."""
    place = Workplace()
    place.make_write(SOURCE, "in/a", b"new")()
    place.server.before.append(on("head_object", lambda: place.bench.delete("in/a"), bucket=SOURCE))
    assert place.carry_out().files_vanished == 1


def test_missing_bucket_is_a_failure() -> None:
    """A missing bucket is a failure: its objects do not count as vanished."""
    place = Workplace()
    place.server.before.append(on("copy_object", fails(MissingError("gone", code="NoSuchBucket"))))
    metrics = place.carry_out()
    assert metrics.errors_encountered.by_code == {"NoSuchBucket": 1}
    assert metrics.files_vanished == 0


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_never_spares_what_others_write(content: bytes) -> None:
    """With overwrite never, an object that another client writes meanwhile stays, and counts as existing."""
    place = Workplace(content, overwrite=Overwrite.NEVER)
    verb = "copy_object" if content is SMALL else "complete_multipart_upload"
    place.server.before.append(on(verb, place.make_write(DESTINATION, "out/a", b"another")))
    metrics = place.carry_out()
    assert metrics.files_skipped == {SkipReason.EXISTS: 1}
    assert place.copied == b"another"


@pytest.mark.parametrize("overwrite", [Overwrite.ALWAYS, Overwrite.CHANGED])
def test_others_are_overwritten(overwrite: Overwrite) -> None:
    """Otherwise, an object that another client writes meanwhile is overwritten."""
    place = Workplace(overwrite=overwrite)
    place.server.before.append(on("copy_object", place.make_write(DESTINATION, "out/a", b"another")))
    assert place.carry_out().files_copied_successfully == 1
    assert place.copied == SMALL


@pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS)
def test_what_others_copied_meanwhile_is_unchanged(content: bytes) -> None:
    """With overwrite changed, a copy that another client makes meanwhile is kept (rule 3)."""
    place = Workplace(content, overwrite=Overwrite.CHANGED)
    verb = "copy_object" if content is SMALL else "complete_multipart_upload"
    place.server.before.append(on(verb, place.make_write(DESTINATION, "out/a", content)))
    metrics = place.carry_out()
    assert dict(metrics.files_skipped) == {SkipReason.UNCHANGED: 1}
    assert metrics.files_copied_successfully == 0


def test_what_was_to_be_replaced_is_gone() -> None:
    """If another client deletes the destination's object, the source has not vanished: it is copied."""
    place = Workplace(overwrite=Overwrite.CHANGED)
    place.server.put(DESTINATION, "out/a", b"older")
    delete = place.server.buckets[DESTINATION].clear
    place.server.before.append(on("copy_object", delete))
    assert place.carry_out().files_copied_successfully == 1
    assert place.copied == SMALL


def straddling(
    existing: bytes | None = SMALL, *, at_source: bool = True, at_destination: bool = True
) -> Workplace:
    place = Workplace(stored={"parts": 3, "checksum": at_source})
    if existing is not None:
        place.server.put(DESTINATION, "out/a", existing, checksum=at_destination)
    return place


def test_compare_proves_unchanged() -> None:
    """Equal checksums of both sides prove a multipart source unchanged: nothing is copied (rule 12)."""
    place = straddling()
    metrics = place.carry_out(Action.COMPARE)
    assert metrics.files_skipped == {SkipReason.UNCHANGED: 1}
    assert [call.verb for call in place.server.calls] == ["head_object", "head_object"]


def test_compare_finds_a_change() -> None:
    """Different checksums are a change: an upload that straddled the last copy is copied."""
    place = straddling(SMALL[::-1])
    metrics = place.carry_out(Action.COMPARE)
    assert (metrics.files_copied_successfully, metrics.files_ambiguous) == (1, 0)
    assert place.copied == SMALL


NO_CHECKSUM = {"source": (False, True), "destination": (True, False), "both": (False, False)}


@pytest.mark.parametrize(("at_source", "at_destination"), NO_CHECKSUM.values(), ids=NO_CHECKSUM)
def test_compare_without_checksums(at_source: bool, at_destination: bool) -> None:  # noqa: FBT001
    """An object without checksums to compare is copied again, and counted as ambiguous."""
    metrics = straddling(at_source=at_source, at_destination=at_destination).carry_out(Action.COMPARE)
    assert (metrics.files_copied_successfully, metrics.files_ambiguous) == (1, 1)


def test_compare_without_destination() -> None:
    """An object whose copy is gone is copied, and not counted as ambiguous."""
    place = straddling(None)
    metrics = place.carry_out(Action.COMPARE)
    assert (metrics.files_copied_successfully, metrics.files_ambiguous) == (1, 0)
    assert place.copied == SMALL


def test_compare_without_source() -> None:
    """A source that is gone has vanished."""
    place = straddling()
    place.bench.delete("in/a")
    assert place.carry_out(Action.COMPARE).files_vanished == 1


def test_long_keys_fail_without_a_request() -> None:
    """A destination key that S3 does not allow fails the object, without a request."""
    place = Workplace()
    metrics = place.carry_out(Action.KEY_TOO_LONG, key="x" * 1_025)
    assert metrics.errors_encountered.by_code == {"KeyTooLong": 1}
    assert place.server.calls == []


WITHOUT_REQUEST: dict[str, tuple[Decision, dict[str, Any]]] = {
    "skipped": (SkipReason.EXCLUDED, {"files_skipped": {SkipReason.EXCLUDED: 1}}),
    "copied-earlier": (
        Action.COPIED_EARLIER,
        {"files_copied_successfully": 1, "files_copied_earlier": 1, "total_bytes_transferred": 10},
    ),
}


@pytest.mark.parametrize(("decision", "counts"), WITHOUT_REQUEST.values(), ids=WITHOUT_REQUEST)
def test_counted_without_a_request(decision: Decision, counts: dict[str, Any]) -> None:
    """An object that needs no copy is counted, without a request."""
    place = Workplace()
    metrics = place.carry_out(decision)
    assert {name: getattr(metrics, name) for name in counts} == counts
    assert metrics.total_files_found == 1
    assert place.server.calls == []


def test_failures_have_their_attempts() -> None:
    """A failure has the key, S3's code and message, and the number of requests."""
    place = Workplace()
    place.server.before.append(
        on("copy_object", fails(TransientError("reset", code="InternalError")), times=9)
    )
    metrics = place.carry_out()
    only = metrics.errors_encountered.first[0]
    assert (only.key, only.code, only.message, only.attempts) == ("in/a", "InternalError", "reset", 3)
    assert place.server.count("copy_object") == 3
    assert metrics.errors_encountered.transient == 1
