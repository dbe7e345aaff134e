"""A run that deletes a folder of the destination, whether the source has it or not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from s3copy_tasks.core.deletions import KeptReason
from s3copy_tasks.core.job import Approval, ObjectEntry
from s3copy_tasks.delete.judge import needs_approval
from s3copy_tasks.errors import ConfigError
from s3copy_tasks.plan.planning import plan_job
from tests.support.builders.bench import SOURCE, impatient
from tests.support.builders.mirror import MirrorBench, entries, make_folder_deletes

NESTED = entries(("in/", "out/"), ("b/", "out/sub/"))
SINGLE = (ObjectEntry(source="one", destination="out/x/one"),)


def make_bench(*, on_aws: bool = True, **changes: object) -> MirrorBench:
    job = make_folder_deletes("out/x/", prefixes=NESTED, on_aws=on_aws, **changes)
    mirror = MirrorBench(job)
    mirror.bench.put("in/x/a", "in/y/a")
    mirror.put_copies("out/x/", "out/x/a", "out/x/deep/b", "out/x2/a", "out/y/a", "out/sub/x/c")
    return mirror


@pytest.mark.parametrize("on_aws", [True, False], ids=["aws", "other server"])
def test_all_below_the_folder_is_deleted(*, on_aws: bool) -> None:
    """Its marker, too, and nothing beside it; no source is asked for, and the plan says what comes back."""
    mirror = make_bench(on_aws=on_aws)
    assert plan_job(mirror.job, mirror.bench.stores, sender=impatient()).batches == ()
    plan = mirror.plan()
    assert (plan.to_delete, plan.in_scope, plan.comes_back) == (3, 3, True)
    mirror.bench.server.calls.clear()
    assert mirror.run(is_approved=True).total.deleted == 3
    assert sorted(mirror.bench.written) == ["out/sub/x/c", "out/x2/a", "out/y/a"]
    assert {call.verb for call in mirror.bench.server.calls if call.bucket == SOURCE} == {"list_page"}


def test_a_marker_alone_is_deleted() -> None:
    """It is the folder's only key."""
    mirror = MirrorBench(make_folder_deletes("out/x/"))
    mirror.put_copies("out/x/", "out/x2")
    assert mirror.run(is_approved=True).total.deleted == 1
    assert (sorted(mirror.bench.written), mirror.plan().comes_back) == (["out/x2"], False)


def test_destinations_of_single_objects_are_kept() -> None:
    """As in every run of a mirror."""
    mirror = make_bench(all_prefixes=NESTED, all_objects=SINGLE)
    mirror.put_copies("out/x/one")
    assert mirror.run(is_approved=True).total.deleted == 3
    assert "out/x/one" in mirror.bench.written


@pytest.mark.parametrize("approval", Approval)
def test_it_is_always_approved(approval: Approval) -> None:
    """Whatever the job says of approval, and a percentage means nothing."""
    mirror = make_bench(approval=approval, max_deleted_percent=1)
    plan = mirror.plan()
    assert needs_approval(mirror.job, plan)
    assert mirror.judge(plan).kept is KeptReason.REFUSED
    assert "was not approved" in str(mirror.judge(plan).reason)
    allowed = mirror.judge(plan, is_approved=True)
    assert (allowed.kept, allowed.by_approval) == (None, True)
    assert mirror.judge(plan, is_approved=True, is_backfill=True).kept is KeptReason.REFUSED


@pytest.mark.parametrize(("approval", "deleted"), [("never", 0), ("above_caps", 3), ("always", 3)])
def test_approval_lifts_the_limit_only_if_the_job_says_so(approval: str, deleted: int) -> None:
    """As in every run of a mirror: else nothing is deleted at all."""
    mirror = make_bench(approval=Approval(approval), max_deleted_objects=2)
    assert mirror.run(is_approved=True).total.deleted == deleted


def test_what_is_not_a_folder_of_the_job_is_refused() -> None:
    """A run checks itself: a whole destination prefix, or copies beside the deletes, can't be."""
    for folder in ("out/", "elsewhere/x/", ""):
        with pytest.raises(ConfigError, match="would delete"):
            make_folder_deletes(folder)
    job = make_folder_deletes("out/x/")
    assert job.mirror is not None
    with pytest.raises(ConfigError, match="copies nothing"):
        replace(job, prefixes=job.mirror.prefixes)
