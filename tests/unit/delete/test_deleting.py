"""A mirror deletes what its sources no longer have, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest

from s3copy_tasks.core.collector import utc_now
from s3copy_tasks.core.deletions import DeleteCounts, KeptReason
from s3copy_tasks.core.job import Filters, ObjectEntry
from s3copy_tasks.delete.counting import DeleteCollector
from s3copy_tasks.delete.runner import delete_batch
from s3copy_tasks.errors import AccessError, ConfigError, ThrottledError, TransientError
from tests.support.builders.bench import DESTINATION, SOURCE, impatient
from tests.support.builders.mirror import MirrorBench, entries, make_mirror
from tests.support.builders.results import PLACE, read_rows
from tests.support.s3.memory import fails, on

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.s3.memory import Call


@pytest.fixture(params=[True, False], ids=["aws", "other server"])
def mirror(request: pytest.FixtureRequest) -> MirrorBench:
    """Three copies, one of which has lost its source."""
    made = MirrorBench(make_mirror(on_aws=request.param))
    made.bench.put("in/a", "in/b")
    made.put_copies("out/a", "out/b", "out/gone", "elsewhere/z")
    return made


def refuse(verb: str, bucket: str, error: Exception, key: str | None = None) -> Callable[[Call], None]:
    def hook(call: Call) -> None:
        if (call.verb, call.bucket) == (verb, bucket) and key in {None, call.key}:
            raise error

    return hook


def test_what_the_source_lost_is_deleted(mirror: MirrorBench) -> None:
    """Only below the destination prefix, and once."""
    total = mirror.run().total
    assert (total.extraneous, total.deleted) == (1, 1)
    assert sorted(mirror.bench.written) == ["elsewhere/z", "out/a", "out/b"]
    assert mirror.run().total.extraneous == 0


def test_an_object_that_comes_back_is_kept(mirror: MirrorBench) -> None:
    """Its HEAD finds it, although the listing before it did not."""
    plan = mirror.plan()
    mirror.bench.server.before.append(
        lambda call: mirror.bench.put("in/gone") if call.verb == "head_object" else None
    )
    total = mirror.delete(plan.batches[0]).total
    assert total.kept == {KeptReason.SOURCE_EXISTS: 1}
    assert "out/gone" in mirror.bench.written


@pytest.mark.parametrize("source", ["a/sub/gone", "b/gone"])
def test_every_source_of_an_object_is_asked(source: str) -> None:
    """Also the second one, and whichever entries the run copies."""
    every = entries(("a/", "out/"), ("b/", "out/sub/"))
    mirror = MirrorBench(make_mirror(prefixes=every[1:], all_prefixes=every))
    mirror.bench.put("a/1", "b/2")
    mirror.put_copies("out/1", "out/sub/2", "out/sub/gone")
    mirror.bench.server.before.append(on("head_object", lambda: mirror.bench.put(source), bucket=SOURCE))
    assert mirror.run().total.kept == {KeptReason.SOURCE_EXISTS: 1}


def test_an_object_whose_source_is_listed_is_kept(mirror: MirrorBench) -> None:
    """Whatever a HEAD would say of it; none is sent."""
    plan = mirror.plan()
    mirror.bench.put("in/gone")
    assert mirror.delete(plan.batches[0]).total.kept == {KeptReason.SOURCE_EXISTS: 1}
    assert not mirror.bench.server.keys_of("head_object")["in/gone"]


def test_an_object_that_is_written_again_is_kept(mirror: MirrorBench) -> None:
    """After the plan or between the last request and the delete: its ETag is another one."""
    plan = mirror.plan()
    mirror.put_copies("out/gone", content=b"new")
    assert mirror.delete(plan.batches[0]).total.kept == {KeptReason.CHANGED: 1}
    again = mirror.plan()
    server = mirror.bench.server
    server.before.append(
        lambda call: mirror.put_copies("out/gone", content=b"newer") if "delete" in call.verb else None
    )
    assert mirror.delete(again.batches[0]).total.kept == {KeptReason.CHANGED: 1}
    assert mirror.bench.written["out/gone"] == b"newer"


def test_only_what_was_planned_is_deleted(mirror: MirrorBench) -> None:
    """What is extraneous since then waits for the next run, also in a second attempt."""
    plan = mirror.plan()
    mirror.put_copies("out/late", "out/gond")
    mirror.delete(plan.batches[0])
    total = mirror.delete(plan.batches[0]).total
    assert (total.deleted, total.gone) == (0, 1)
    assert {"out/late", "out/gond"} < set(mirror.bench.written)


@pytest.mark.parametrize("bucket", [SOURCE, DESTINATION])
def test_a_listing_that_fails_keeps_all(mirror: MirrorBench, bucket: str) -> None:
    """Nothing is deleted, and the error is counted, even if the next listing succeeds."""
    plan, denied = mirror.plan(), fails(AccessError("no", code="AccessDenied"))
    mirror.bench.server.before.append(on("list_page", denied, bucket=bucket))
    metrics = mirror.delete(plan.batches[0])
    assert metrics.total.kept == {KeptReason.NOT_PROVEN: 1}
    assert metrics.errors.by_code == {"AccessDenied": 1}
    assert "out/gone" in mirror.bench.written


@pytest.mark.parametrize(
    ("error", "key"),
    [
        (AccessError("no", code="AccessDenied"), "in/gone"),
        (TransientError("down", code="503"), "in/gone"),
        (AccessError("no", code="AccessDenied"), "in/a"),
    ],
    ids=["denied", "not answered", "witness denied"],
)
def test_a_head_that_proves_nothing_keeps_the_object(mirror: MirrorBench, error: Exception, key: str) -> None:
    """Only a 404 proves that a source is gone, and only while the witness is there."""
    plan = mirror.plan()
    mirror.bench.server.before.append(refuse("head_object", SOURCE, error, key))
    metrics = mirror.delete(plan.batches[0])
    assert metrics.total.kept == {KeptReason.NOT_PROVEN: 1}
    assert metrics.errors.total == 1
    assert "out/gone" in mirror.bench.written


def test_a_witness_that_leaves_keeps_all(mirror: MirrorBench) -> None:
    """The source may have gone after the first HEAD: then the others prove nothing."""
    plan, bench = mirror.plan(), mirror.bench
    bench.server.after.append(on("head_object", lambda: bench.delete("in/a", "in/b"), key="in/a"))
    assert mirror.delete(plan.batches[0]).total.kept == {KeptReason.NOT_PROVEN: 1}
    assert "out/gone" in bench.written


def test_an_empty_source_proves_nothing(mirror: MirrorBench) -> None:
    """It has no witness: its objects may all be gone since the plan by mistake."""
    plan = mirror.plan()
    mirror.bench.delete("in/a", "in/b")
    assert mirror.delete(plan.batches[0]).total.kept == {KeptReason.NOT_PROVEN: 1}


def test_a_batch_that_is_too_late_keeps_all(mirror: MirrorBench) -> None:
    """Its task may be cleared a month later."""
    (batch,) = mirror.plan().batches
    late = replace(batch, not_after=utc_now() - timedelta(seconds=1))
    assert mirror.delete(late).total.kept == {KeptReason.NOT_PROVEN: 1}
    assert mirror.delete(replace(late, not_after=utc_now() + timedelta(hours=1))).total.deleted == 1


def test_a_batch_that_was_not_allowed_keeps_all(mirror: MirrorBench) -> None:
    """No verdict has given it a time, or its approval was withdrawn."""
    (batch,) = mirror.plan().batches
    counted = DeleteCollector(batch)
    delete_batch(mirror.job, batch, mirror.bench.stores, counted=counted, sender=impatient())
    assert counted.metrics().total.kept == {KeptReason.NOT_PROVEN: 1}


@pytest.mark.parametrize("changes", [{"dry_run": True}, {"max_deleted_objects": 0}], ids=str)
def test_a_run_that_only_looks_refuses_its_batches(mirror: MirrorBench, changes: dict[str, Any]) -> None:
    """Whatever has allowed them."""
    (batch,) = mirror.plan().batches
    mirror.job = make_mirror(**changes)
    with pytest.raises(ConfigError, match="may not delete anything"):
        mirror.delete(batch)


@pytest.mark.parametrize(
    ("error", "deleted"),
    [(AccessError("no", code="AccessDenied"), 1), (TransientError("down", code="503"), 0)],
    ids=["denied", "not answered"],
)
def test_a_head_without_an_answer_keeps_the_batch(
    mirror: MirrorBench, error: Exception, deleted: int
) -> None:
    """A source that begins to fail proves nothing; one that may not be read is kept alone."""
    mirror.put_copies("out/gone2")
    mirror.bench.server.before.append(refuse("head_object", SOURCE, error, "in/gone"))
    total = mirror.run().total
    assert (total.deleted, total.kept) == (deleted, {KeptReason.NOT_PROVEN: 2 - deleted})


def test_a_bucket_that_is_no_longer_versioned_keeps_all(mirror: MirrorBench) -> None:
    """A batch reads the versioning again."""
    plan = mirror.plan()
    mirror.bench.server.versioning[DESTINATION] = "Suspended"
    assert mirror.delete(plan.batches[0]).total.kept == {KeptReason.NOT_PROVEN: 1}
    assert "out/gone" in mirror.bench.written


def test_versioning_that_can_not_be_read_keeps_all(mirror: MirrorBench) -> None:
    """It is not known whether the deletes could be undone."""
    plan, denied = mirror.plan(), AccessError("no", code="AccessDenied")
    mirror.bench.server.before.append(refuse("is_versioned", DESTINATION, denied))
    assert mirror.delete(plan.batches[0]).total.kept == {KeptReason.NOT_PROVEN: 1}


def test_a_lost_reply_is_settled_by_a_listing(mirror: MirrorBench) -> None:
    """The delete was carried out, and is counted as such."""
    plan = mirror.plan()
    down = TransientError("reset", code="ConnectionReset")
    mirror.bench.server.after += [
        refuse("delete_object", DESTINATION, down),
        refuse("delete_objects", DESTINATION, down),
    ]
    assert mirror.delete(plan.batches[0]).total.deleted == 1


def test_a_lost_reply_is_not_another_clients_delete(mirror: MirrorBench) -> None:
    """The retry finds nothing to delete, because the first attempt was carried out."""
    lost = fails(TransientError("reset", code="ConnectionReset"))
    mirror.bench.server.after += [on("delete_object", lost), on("delete_objects", lost)]
    total = mirror.run().total
    assert (total.deleted, total.gone) == (1, 0)


def test_a_delete_without_an_answer_is_unknown(mirror: MirrorBench) -> None:
    """A task that is stopped while it waits for another attempt does not know what the first one did."""
    plan, sender = mirror.plan(), impatient()

    def stop() -> None:
        sender.stop()
        raise TransientError("reset", code="ConnectionReset")

    mirror.bench.server.after += [on("delete_object", stop), on("delete_objects", stop)]
    counted = DeleteCollector(plan.batches[0])
    with pytest.raises(InterruptedError):
        mirror.delete(plan.batches[0], sender=sender, counted=counted)
    assert "out/gone" not in mirror.bench.written
    assert counted.metrics().total == DeleteCounts(unknown=1)


def test_a_denied_delete_fails(mirror: MirrorBench) -> None:
    """It is named, with the code of S3."""
    plan = mirror.plan()
    denied = AccessError("no", code="AccessDenied")
    mirror.bench.server.before += [
        refuse("delete_object", DESTINATION, denied),
        refuse("delete_objects", DESTINATION, denied),
    ]
    metrics = mirror.delete(plan.batches[0])
    assert metrics.total.failed == 1
    assert metrics.errors.by_code["AccessDenied"] >= 1


def test_deletes_end_where_the_first_ones_are_all_denied() -> None:
    """The others would be, too: they are kept."""
    mirror = MirrorBench(make_mirror(max_deleted_objects=2_000))
    mirror.bench.put("in/a")
    mirror.put_copies(*(f"out/{number:04}" for number in range(1_001)))
    denied = AccessError("no", code="AccessDenied")
    mirror.bench.server.before.append(refuse("delete_objects", DESTINATION, denied))
    total = mirror.run().total
    assert (total.failed, total.kept) == (1_000, {KeptReason.NOT_PROVEN: 1})


def test_a_part_of_the_job_asks_all_of_its_entries() -> None:
    """A run of `a/` alone does not take what `b/` writes below its destination for extraneous."""
    every = entries(("a/", "out/"), ("b/", "out/sub/"))
    mirror = MirrorBench(make_mirror(prefixes=every[:1], all_prefixes=every))
    mirror.bench.put("a/1", "b/2")
    mirror.put_copies("out/1", "out/sub/2", "out/sub/3")
    assert mirror.run().total.deleted == 1
    assert sorted(mirror.bench.written) == ["out/1", "out/sub/2"]


def test_a_run_of_the_nested_entry_deletes_only_below_it() -> None:
    """And what the outer entry copies there has a source."""
    every = entries(("a/", "out/"), ("b/", "out/sub/"))
    mirror = MirrorBench(make_mirror(prefixes=every[1:], all_prefixes=every))
    mirror.bench.put("a/sub/1", "b/2")
    mirror.put_copies("out/x", "out/sub/1", "out/sub/2", "out/sub/3")
    assert mirror.run().total.deleted == 1
    assert sorted(mirror.bench.written) == ["out/sub/1", "out/sub/2", "out/x"]


def test_filters_narrow_the_scope_only() -> None:
    """A copy that is filtered out is never deleted; one whose source is filtered out has a source.

    A date is one of the source.
    """
    filters = Filters(include=("*.nc",), exclude=("tmp/*",), modified_since=datetime(2100, 1, 1, tzinfo=UTC))
    mirror = MirrorBench(make_mirror(filters=filters))
    mirror.bench.put("in/a.nc", "in/tmp/b.nc")
    mirror.put_copies("out/a.nc", "out/c.nc", "out/c.txt", "out/tmp/b.nc", "out/tmp/d.nc")
    assert mirror.run().total.deleted == 1
    assert "out/c.nc" not in mirror.bench.written


def test_a_source_that_one_entry_filters_out_is_a_source() -> None:
    """Its copy is in scope by the other entry, below whose prefix its key passes."""
    every = entries(("a/", "out/"), ("b/", "out/sub/"))
    mirror = MirrorBench(make_mirror(prefixes=every, filters=Filters(exclude=("sub/*",))))
    mirror.bench.put("a/1", "a/sub/x", "b/1")
    mirror.put_copies("out/1", "out/sub/1", "out/sub/x", "out/sub/y")
    assert mirror.plan().extraneous == 1


def test_destinations_of_single_objects_are_kept() -> None:
    """Whether they are copied in this run or not."""
    single = (ObjectEntry(source="x", destination="out/single"),)
    mirror = MirrorBench(make_mirror(all_objects=single))
    mirror.bench.put("in/a")
    mirror.put_copies("out/a", "out/single")
    assert mirror.run().total.extraneous == 0


def test_direct_children_only() -> None:
    """An entry that is not recursive has nothing below a folder of its destination in scope."""
    mirror = MirrorBench(make_mirror(prefixes=entries(("in/", "out/"), recursive=False)))
    mirror.bench.put("in/a", "in/sub/b")
    mirror.put_copies("out/a", "out/c", "out/sub/b", "out/sub/c")
    assert mirror.run().total.deleted == 1
    assert sorted(mirror.bench.written) == ["out/a", "out/sub/b", "out/sub/c"]


@pytest.mark.parametrize(("on_aws", "deleted"), [(True, 1), (False, 0)], ids=["aws", "other server"])
def test_a_name_that_a_server_may_confuse_is_kept(*, on_aws: bool, deleted: int) -> None:
    """A server that ignores case lists the copy of `Readme` as `README`; AWS's S3 does not."""
    mirror = MirrorBench(make_mirror(on_aws=on_aws))
    mirror.bench.put("in/Readme", "in/a")
    mirror.put_copies("out/README", "out/a")
    total = mirror.run().total
    assert (total.extraneous, total.deleted) == (1, deleted)


def test_keys_that_xml_can_not_carry_are_deleted_alone() -> None:
    """A line break that arrives as another would delete another object."""
    mirror = MirrorBench()
    mirror.bench.put("in/a")
    mirror.put_copies("out/a", "out/b\rc", "out/b\nc")
    mirror.bench.put("in/b\nc")
    assert mirror.run().total.deleted == 1
    assert sorted(mirror.bench.written) == ["out/a", "out/b\nc"]


def test_many_keys(mirror: MirrorBench) -> None:
    """More than one request of DeleteObjects holds, and in more than one range."""
    mirror.put_copies(*(f"out/x{number:05}" for number in range(2_500)))
    mirror.job = make_mirror(max_deleted_objects=3_000)
    assert mirror.run().total.deleted == 2_501
    assert sorted(mirror.bench.written) == ["elsewhere/z", "out/a", "out/b"]


def test_another_plans_batch_is_refused(mirror: MirrorBench) -> None:
    """Its hashes are of keys that this run did not find."""
    (batch,) = mirror.plan().batches
    with pytest.raises(ConfigError, match="belongs to another plan"):
        mirror.delete(replace(batch, plan_id="other/x"))


def test_each_delete_has_a_row() -> None:
    """With the version of its marker, whose removal brings the object back; keys are encoded."""
    mirror = MirrorBench(make_mirror(results=PLACE))
    mirror.bench.put("in/a", "in/back")
    mirror.put_copies("out/a", "out/=gone", "out/back2")
    plan = mirror.plan()
    mirror.bench.put("in/back2")
    (batch,) = plan.batches
    mirror.delete(batch)
    (content,) = mirror.bench.results.values()
    rows = {unquote(row["destination_key"]): row for row in read_rows(content)}
    assert {key: row["outcome"] for key, row in rows.items()} == {"out/=gone": "deleted", "out/back2": "kept"}
    marker = mirror.bench.server.markers[DESTINATION, "out/=gone"]
    assert rows["out/=gone"]["destination_version_id"] == marker
    assert rows["out/back2"]["reason"] == "source_exists"


@pytest.mark.parametrize(
    ("allows_unversioned", "outcome"),
    [(False, "deleted"), (True, "failed")],
    ids=["versioned", "unversioned"],
)
def test_a_server_without_conditional_deletes(*, allows_unversioned: bool, outcome: str) -> None:
    """The HEAD before it has to do, if the delete can be undone."""
    mirror = MirrorBench(make_mirror(on_aws=False, allows_unversioned=allows_unversioned))
    mirror.bench.put("in/a")
    mirror.put_copies("out/a", "out/gone")
    mirror.bench.server.lacks_conditional_deletes = True
    assert getattr(mirror.run().total, outcome) == 1


def test_a_head_has_to_do_for_the_condition() -> None:
    """What is written again since the server refused a condition is kept."""
    mirror = MirrorBench(make_mirror(on_aws=False))
    mirror.bench.put("in/a")
    mirror.put_copies("out/a", "out/b", "out/c")
    server = mirror.bench.server
    server.lacks_conditional_deletes = True

    def write_again() -> None:
        mirror.put_copies("out/b", content=b"new")

    server.before.append(on("head_object", write_again, key="out/b", spare=1))
    total = mirror.run().total
    assert (total.deleted, total.kept) == (1, {KeptReason.CHANGED: 1})
    assert mirror.bench.written["out/b"] == b"new"


def test_a_delete_without_a_condition_is_not_repeated_blindly() -> None:
    """Another client may have written the key again, since its HEAD, while a reply was lost."""
    mirror = MirrorBench(make_mirror(on_aws=False))
    mirror.bench.put("in/a")
    mirror.put_copies("out/a", "out/gone", "out/lost")
    mirror.bench.server.lacks_conditional_deletes = True

    def write_and_lose() -> None:
        mirror.put_copies("out/gone", content=b"new")
        raise TransientError("reset", code="ConnectionReset")

    lost = fails(TransientError("reset", code="ConnectionReset"))
    hooks = (
        on("delete_object", act, key=key) for act, key in ((write_and_lose, "out/gone"), (lost, "out/lost"))
    )
    mirror.bench.server.after += hooks
    metrics = mirror.run()
    assert mirror.bench.written == {"out/a": b"x", "out/gone": b"new"}
    assert metrics.total.deleted == 1
    sent = mirror.bench.server
    assert metrics.requests.by_kind["HeadObject"] == sent.count("head_object")


@pytest.mark.parametrize("answered", [0, 2], ids=["first HEAD", "HEAD before another attempt"])
def test_a_head_that_is_not_answered_has_deleted_nothing(answered: int) -> None:
    """What another client deletes meanwhile is gone: undelete must not bring it back."""
    mirror = MirrorBench(make_mirror(on_aws=False))
    mirror.bench.put("in/a")
    mirror.put_copies("out/a", "out/gone")
    server = mirror.bench.server
    server.lacks_conditional_deletes = True

    def delete_and_fail() -> None:
        server.delete(DESTINATION, "out/gone")
        raise TransientError("down", code="503")

    slow = fails(ThrottledError("slow down", code="SlowDown"))
    server.before += [
        on("head_object", delete_and_fail, bucket=DESTINATION, spare=answered, times=9),
        on("delete_object", slow, spare=1),
    ]
    assert mirror.run().total == DeleteCounts(gone=1)
