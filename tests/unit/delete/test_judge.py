"""One reason not to delete, and nothing at all is deleted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from s3copy_tasks.core.deletions import DeletePlan, GroupPlan, KeptReason
from s3copy_tasks.core.job import Approval, ObjectEntry
from s3copy_tasks.core.metrics import Errors, TransferMetrics
from s3copy_tasks.delete.judge import Verdict
from tests.support.builders.bench import DESTINATION
from tests.support.builders.mirror import MirrorBench, entries, make_mirror

FAILED = TransferMetrics(errors_encountered=Errors(by_code={"503": 1}))


def make_plan(*groups: tuple[int, int]) -> DeletePlan:
    """Return a plan of groups, each with its extraneous objects and all that are in scope."""
    plans = (
        GroupPlan(prefix=f"{number}/", extraneous=extraneous, in_scope=in_scope)
        for number, (extraneous, in_scope) in enumerate(groups)
    )
    return DeletePlan(groups=tuple(plans))


def judge(plan: DeletePlan, circumstances: dict[str, Any] | None = None, **limits: Any) -> Verdict:
    return MirrorBench(make_mirror(**limits)).judge(plan, **(circumstances or {}))


@pytest.mark.parametrize(
    ("groups", "objects", "percent", "refused"),
    [
        ([(10, 10)], 10, 100, False),
        ([(11, 11)], 10, 100, True),
        ([(6, 10), (5, 10)], 10, 100, True),
        ([(10, 100)], 100, 10, False),
        ([(11, 100)], 100, 10, True),
        ([(2, 10), (0, 100)], 100, 10, True),
        ([(0, 0), (1, 10)], 100, 10, False),
        ([(69, 3_000)], 100, 2.3, False),
        ([(70, 3_000)], 100, 2.3, True),
        ([(1, 100_000)], 100, 0.001, False),
        ([(1, 99_999)], 100, 0.001, True),
    ],
    ids=str,
)
def test_limits_are_inclusive(
    *, groups: list[tuple[int, int]], objects: int, percent: float, refused: bool
) -> None:
    """Exactly a limit may be deleted, and not one more: of the run, and of each group."""
    plan = make_plan(*groups)
    verdict = judge(plan, max_deleted_objects=objects, max_deleted_percent=percent)
    assert (verdict.kept is KeptReason.REFUSED) is refused
    if refused:
        assert f"would delete {plan.extraneous}" in str(verdict.reason)


@pytest.mark.parametrize(
    ("circumstances", "reason"),
    [
        ({"metrics": replace(FAILED, total_files_found=1, files_failed=1)}, "1 objects were not copied"),
        ({"metrics": TransferMetrics(total_files_found=1, files_unknown=1)}, "1 are unknown"),
        ({"metrics": FAILED}, "errors before (503)"),
        ({"is_versioned": False}, "versioning"),
        ({"digest": "of another config"}, "the config has changed"),
        ({"is_backfill": True}, "a backfill never deletes"),
        ({"other_runs": 1}, "other runs"),
        ({"overlap": "job b writes there"}, "job b writes there"),
    ],
    ids=["failed", "unknown", "listing", "versioning", "digest", "backfill", "other runs", "overlap"],
)
def test_any_doubt_refuses(circumstances: dict[str, Any], reason: str) -> None:
    """And all reasons are named; a run that would delete nothing has nothing to refuse."""
    plan = make_plan((1, 1))
    assert judge(plan).kept is None
    verdict = judge(plan, circumstances)
    assert verdict.kept is KeptReason.REFUSED
    assert reason in str(verdict.reason)
    assert judge(make_plan((0, 1)), circumstances) == Verdict()


@pytest.mark.parametrize(
    ("changes", "kept"),
    [({"dry_run": True}, KeptReason.DRY_RUN), ({"max_deleted_objects": 0}, KeptReason.REPORT_ONLY)],
    ids=str,
)
def test_a_run_that_only_looks(changes: dict[str, Any], kept: KeptReason) -> None:
    """It deletes nothing, is not refused, and counts what it would delete."""
    mirror = MirrorBench(make_mirror(**changes))
    mirror.bench.put("in/a")
    mirror.put_copies("out/a", "out/gone")
    assert mirror.judge(mirror.plan()).reason is None
    assert mirror.run().total.kept == {kept: 1}
    assert "out/gone" in mirror.bench.written


def test_names_that_are_kept_count_for_the_limit() -> None:
    """A plan keeps no more hashes than the limit, so what it can't check for its name is not deleted."""
    mirror = MirrorBench(make_mirror(on_aws=False, max_deleted_objects=2))
    mirror.bench.put("in/Readme")
    mirror.put_copies("out/README", "out/Readme", "out/x", "out/y")
    total = mirror.run().total
    assert total.kept == {KeptReason.SAME_NAME: 1, KeptReason.REFUSED: 2}
    assert len(mirror.bench.written) == 4


def test_names_that_are_kept_count_for_what_can_be_approved() -> None:
    """No approval helps where a plan keeps no hashes, although one object less would be deleted."""
    for extraneous, kept in ((100_000, None), (100_001, KeptReason.REFUSED)):
        group = GroupPlan(prefix="out/", in_scope=100_001, extraneous=extraneous, same_name=1)
        verdict = judge(DeletePlan(groups=(group,)), {"is_approved": True}, approval=Approval.ALWAYS)
        assert verdict.kept is kept


def test_a_name_of_a_single_object_is_kept() -> None:
    """A server that ignores case lists the copy of `single` as `SINGLE`."""
    single = (ObjectEntry(source="x", destination="out/single"),)
    mirror = MirrorBench(make_mirror(on_aws=False, all_objects=single))
    mirror.bench.put("in/a")
    mirror.put_copies("out/a", "out/SINGLE")
    assert mirror.run().total.kept == {KeptReason.SAME_NAME: 1}


@pytest.mark.parametrize("prefixes", [slice(None), slice(1), slice(1, None)], ids=["all", "outer", "nested"])
@pytest.mark.parametrize("empty", ["a/", "b/"])
def test_an_empty_source_of_any_entry_refuses(empty: str, prefixes: slice) -> None:
    """Whichever entries the run copies: what an empty source would have written is not deleted."""
    every = entries(("a/", "out/"), ("b/", "out/sub/"))
    mirror = MirrorBench(make_mirror(prefixes=every[prefixes], all_prefixes=every))
    mirror.bench.put("a/", "b/", *({"a/1", "b/1"} - {f"{empty}1"}))
    mirror.put_copies("out/1", "out/sub/1", "out/sub/lost")
    (group,) = mirror.plan().groups
    assert group.empty_sources == (empty,)
    assert mirror.run().total.deleted == 0
    assert sorted(mirror.bench.written) == ["out/1", "out/sub/1", "out/sub/lost"]


def test_an_empty_source_is_asked_of_what_it_would_have_written() -> None:
    """Not of an entry for direct children, if only a folder below its destination lost something."""
    direct = entries(("a/", "out/"), recursive=False)
    mirror = MirrorBench(make_mirror(prefixes=(*direct, *entries(("b/", "out/sub/")))))
    mirror.bench.put("a/only/deeper", "b/1")
    mirror.put_copies("out/sub/1", "out/sub/lost")
    assert mirror.run().total.deleted == 1
    mirror.bench.server.put(DESTINATION, "out/lost")
    assert mirror.plan().groups[0].empty_sources == ("a/",)


@pytest.mark.parametrize(
    ("approval", "extraneous", "approved", "deletes"),
    [
        ("above_caps", 10, False, True),
        ("above_caps", 11, False, False),
        ("above_caps", 11, True, True),
        ("always", 1, False, False),
        ("always", 1, True, True),
        ("always", 11, True, True),
        ("never", 11, True, False),
        ("above_caps", 100_000, True, True),
        ("above_caps", 100_001, True, False),
    ],
)
def test_approval(*, approval: str, extraneous: int, approved: bool, deletes: bool) -> None:
    """Above the limits, or always, nothing is deleted without it; and never more than the highest limit."""
    limits = {"approval": Approval(approval), "max_deleted_objects": 10}
    plan = make_plan((extraneous, extraneous))
    verdict = judge(plan, {"is_approved": approved}, **limits)
    assert (verdict.kept is None) is deletes
    assert verdict.by_approval is (deletes and approved)


def test_approval_of_a_failed_run() -> None:
    """It is one condition among others: a copy that failed is still against all deletes."""
    failed = TransferMetrics(
        total_files_found=1, files_failed=1, errors_encountered=Errors(by_code={"AccessDenied": 1})
    )
    verdict = judge(make_plan((1, 1)), {"is_approved": True, "metrics": failed}, approval=Approval.ALWAYS)
    assert verdict.kept is KeptReason.REFUSED


def test_no_one_has_kept_what_no_one_was_asked_about() -> None:
    """The reason names approval only if nothing else is against the deletes: else no question was asked."""
    verdict = judge(make_plan((1, 1)), {"is_backfill": True}, approval=Approval.ALWAYS)
    assert "a backfill" in str(verdict.reason)
    assert "approved" not in str(verdict.reason)
