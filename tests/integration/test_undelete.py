"""A mirror, and back: what a run has deleted is restored by the rows of its results."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from s3copy_tasks.core.job import Mirror
from s3copy_tasks.core.key_list import ResultsPlace
from s3copy_tasks.core.options import TransferOptions
from s3copy_tasks.core.undelete import Restoration
from s3copy_tasks.delete.judge import Circumstances, judge_deletes
from s3copy_tasks.delete.undelete import find_markers, list_markers, read_deleted, remove_markers
from s3copy_tasks.engine.paced_store import pace_stores
from s3copy_tasks.engine.sender import make_sender
from s3copy_tasks.errors import AccessError
from s3copy_tasks.run import InProcessRun
from tests.support.s3.proxy import Reply
from tests.support.s3.sides import now

if TYPE_CHECKING:
    from typing import Any, Literal

    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.engine.paced_store import PacedStores
    from tests.support.s3.proxy import Proxy, Request
    from tests.support.s3.sides import Sides

pytestmark = pytest.mark.needs("versioning")

GONE = ("again", "gone", "gone too/a+b c%2Bd", "é<&>")


def make_mirror(sides: Sides, **transfer: Any) -> EffectiveJob:
    """Return a mirror with results, whose destination has objects without a source."""
    job = sides.job(transfer=TransferOptions(concurrency=8, **transfer))
    mirror = Mirror(max_deleted_objects=9, max_deleted_percent=100, prefixes=job.prefixes)
    place = ResultsPlace(location=job.destination, prefix="results/")
    bucket = sides.destination_bucket
    sides.destination.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    sides.put("data/a")
    for key in GONE:
        sides.destination.put_object(Bucket=bucket, Key=f"copy/{key}", Body=b"old")
    return replace(job, mirror=mirror, results=place)


def run(sides: Sides, job: EffectiveJob) -> PacedStores:
    """Copy and delete; return the buckets of the run."""
    proven = sides.preflight(job).job
    sender = make_sender(proven.transfer)
    done = InProcessRun(proven, sides.stores(proven), sender)
    done.carry_out()
    assert done.delete_plan is not None
    circumstances = Circumstances(metrics=done.metrics, is_versioned=True, digest=job.digest)
    done.delete(done.delete_plan, judge_deletes(proven, done.delete_plan, circumstances))
    return pace_stores(sides.stores(proven), sender)


@pytest.mark.parametrize("client", ["fast", "boto3"])
def test_a_mirror_and_back(sides: Sides, client: Literal["fast", "boto3"]) -> None:
    """All is as before, but for an object that was written since: that one stays."""
    job = make_mirror(sides, client=client)
    start = now().replace(microsecond=0)
    stores = run(sides, job)
    assert not sides.copied().keys() & {f"copy/{key}" for key in GONE}
    sides.destination.put_object(Bucket=sides.destination_bucket, Key="copy/again", Body=b"new")
    assert stores.results is not None
    assert job.results is not None

    hiding = list_markers(stores.destination, job, start)
    assert sorted(each.key for each in hiding) == sorted(f"copy/{key}" for key in GONE if key != "again")
    deleted = read_deleted(stores.results, job.results, job.name, job.run_id)
    found = find_markers(stores.destination, deleted)
    assert {(each.key, each.version_id) for each in hiding} < {(each.key, each.version_id) for each in found}
    removed = {each.key: each.outcome for each in remove_markers(stores.destination, found)}
    assert removed == {f"copy/{key}": Restoration.RESTORED for key in GONE} | {
        "copy/again": Restoration.WRITTEN_SINCE
    }
    there = {key: body for key, body in sides.copied().items() if key.startswith("copy/")}
    assert there == {"copy/a": b"x"} | {f"copy/{key}": b"old" for key in GONE} | {"copy/again": b"new"}
    assert list_markers(stores.destination, job, start) == []


REFUSALS = {
    "to list": ("ListObjectVersions", "no", '"Action": ["s3:ListBucketVersions"]'),
    "to remove": ("DeleteObject", "no", '"Action": ["s3:DeleteObjectVersion"]'),
    "MFA delete": ("DeleteObject", "Mfa Authentication must be used for this request", "has MFA delete: "),
}


@pytest.mark.one_server
@pytest.mark.parametrize(("kind", "said", "words"), REFUSALS.values(), ids=REFUSALS)
def test_refusals(sides: Sides, proxy: Proxy, kind: str, said: str, words: str) -> None:
    """The missing statement is named, and only it; nothing is restored, and MFA delete is explained."""
    job = make_mirror(sides)
    stores = run(sides, job)

    def refuse(request: Request) -> Reply | None:
        return Reply.error(403, "AccessDenied", said) if request.kind == kind else None

    proxy.answer = refuse
    with pytest.raises(AccessError) as refused:
        remove_markers(stores.destination, list_markers(stores.destination, job, now().replace(year=2020)))
    assert words in str(refused.value)
    assert ("Missing from" in str(refused.value)) == (kind == "ListObjectVersions" or said == "no")
    assert "copy/gone" not in sides.copied()
