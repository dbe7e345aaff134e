"""Whether what a run would delete can be brought back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s3copy_tasks.delete.judge import wants_to_delete
from s3copy_tasks.engine.loop import wait_for
from s3copy_tasks.engine.paced_store import pace_stores
from s3copy_tasks.engine.sender import make_sender

if TYPE_CHECKING:
    from collections.abc import Callable

    from s3copy_tasks.core.deletions import DeletePlan
    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.store import Stores
    from s3copy_tasks.errors import CopyError


def read_versioning(job: EffectiveJob, plan: DeletePlan, open_stores: Callable[[], Stores]) -> bool:
    """Return whether versioning of the destination is enabled; True where that does not matter.

    Args:
        job: the run.
        plan: of its deletes.
        open_stores: opens both sides; called only if it matters.

    Raises:
        CopyError: S3 did not say.
    """
    if job.mirror is None or job.mirror.allows_unversioned or not wants_to_delete(job, plan):
        return True
    return wait_for(pace_stores(open_stores(), make_sender(job.transfer)).destination.is_versioned())


def explain_unread(job: EffectiveJob, error: CopyError) -> str:
    """Return why a run must not delete: `read_versioning` has raised an error."""
    return f"versioning of {job.destination} is not known: {error}"
