"""A whole run of a mirror on a server with versioning: what it deletes, and what a second run finds."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from s3copy_tasks.core.job import Mirror
from s3copy_tasks.core.options import TransferOptions
from s3copy_tasks.delete.judge import Circumstances, judge_deletes
from s3copy_tasks.engine.sender import make_sender
from s3copy_tasks.run import InProcessRun

if TYPE_CHECKING:
    from typing import Any, Literal

    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.metrics import TransferMetrics
    from tests.support.s3.sides import Sides

pytestmark = pytest.mark.needs("versioning")

KEPT = ("a", "sub/b", "é ü+%2B")
GONE = ("gone", "sub/gone too", "<&>")


def run(sides: Sides, job: EffectiveJob) -> tuple[TransferMetrics, dict[str, Any]]:
    """Carry out a run as the command line does; return its metrics, and what it reports of deletes."""
    proven = sides.preflight(job).job
    done = InProcessRun(proven, sides.stores(proven), make_sender(proven.transfer))
    done.carry_out()
    plan = done.delete_plan
    assert plan is not None
    circumstances = Circumstances(metrics=done.metrics, is_versioned=True, digest=job.digest)
    done.delete(plan, judge_deletes(proven, plan, circumstances))
    deletions = done.details["deletions"]
    assert deletions is not None
    return done.metrics, dict(deletions)


@pytest.mark.parametrize("client", ["fast", "boto3"])
def test_a_mirror(sides: Sides, client: Literal["fast", "boto3"]) -> None:
    """What the source lacks is deleted, and can be brought back; a second run finds nothing to do."""
    for key in KEPT:
        sides.put(f"data/{key}")
    bucket = sides.destination_bucket
    sides.destination.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for key in (*GONE, KEPT[0]):
        sides.destination.put_object(Bucket=bucket, Key=f"copy/{key}", Body=b"old")
    sides.destination.put_object(Bucket=bucket, Key="elsewhere/x", Body=b"x")
    job = sides.job(transfer=TransferOptions(concurrency=8, client=client))
    job = replace(job, mirror=Mirror(max_deleted_objects=3, max_deleted_percent=80, prefixes=job.prefixes))
    metrics, deletions = run(sides, job)
    assert metrics.files_copied_successfully == 3
    assert (deletions["extraneous"], deletions["deleted"]) == (3, 3)
    assert sorted(sides.copied()) == sorted(["elsewhere/x", *(f"copy/{key}" for key in KEPT)])
    markers = sides.destination.list_object_versions(Bucket=bucket)["DeleteMarkers"]
    assert sorted(marker["Key"] for marker in markers) == sorted(f"copy/{key}" for key in GONE)
    again, nothing = run(sides, job)
    assert again.files_copied_successfully == nothing["extraneous"] == 0
