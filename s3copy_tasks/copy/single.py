"""Copies the only object of a job, without a plan and without batches."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s3copy_tasks.copy.copier import Copier
from s3copy_tasks.copy.counting import Outcomes
from s3copy_tasks.copy.transfer import Transfer
from s3copy_tasks.copy.uploads import NoRecord
from s3copy_tasks.engine.loop import wait_for
from s3copy_tasks.engine.paced_store import pace_stores
from s3copy_tasks.engine.sender import make_sender
from s3copy_tasks.errors import CopyError, MissingError
from s3copy_tasks.plan.listing import Listing

if TYPE_CHECKING:
    from s3copy_tasks.core.collector import MetricsCollector
    from s3copy_tasks.core.decide import Decided
    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.store import Stores


def require_object(listing: Listing, job: EffectiveJob) -> Decided:
    """Return the first of a job's single objects with its decision.

    Raises:
        MissingError: it does not exist.
        CopyError: its head failed.
    """
    found = listing.named.decide(0)
    if found is None:
        msg = f"the object {job.source}/{job.objects[0].source} does not exist"
        raise MissingError(msg, code="NoSuchKey")
    return found


def copy_single(job: EffectiveJob, stores: Stores, collector: MetricsCollector) -> CopyError | None:
    """Copy the only object of a job and count it; return the error that it failed with.

    Raises:
        CopyError: its head failed.
    """
    sides = pace_stores(stores, make_sender(job.transfer))
    found = require_object(Listing(job, sides), job)
    outcome = wait_for(Copier(job, sides, Transfer(job, sides, NoRecord())).carry_out(found))
    Outcomes(collector).count(found, outcome)
    if outcome is None:
        return MissingError(f"{job.source}/{found.source.key} is gone", code="NoSuchKey")
    return outcome if isinstance(outcome, CopyError) else None
