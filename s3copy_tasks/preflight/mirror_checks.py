"""Checks of a run that may delete: that it can be undone, and that the source says what it no longer has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s3copy_tasks.engine.loop import wait_for
from s3copy_tasks.engine.paced_store import pace_stores
from s3copy_tasks.errors import AccessError, Code, ConfigError, CopyError
from s3copy_tasks.preflight.denial import describe_denial
from s3copy_tasks.preflight.hints import name_side
from s3copy_tasks.preflight.write_checks import name_unused_key

if TYPE_CHECKING:
    from concurrent.futures import Executor, Future

    from s3copy_tasks.core.job import EffectiveJob, PrefixEntry
    from s3copy_tasks.engine.sender import Sender
    from s3copy_tasks.s3.connections import AwsConnectionManager, Sides
    from s3copy_tasks.s3.side_connection import SideName

_UNVERSIONED = (
    "destination.bucket: versioning of {bucket} is not enabled, so no delete could be undone. Enable it "
    "(suspended is not enough), or write mirror.unversioned: allow"
)
_UNREAD = "If the server has no versioning, write mirror.unversioned: allow: no delete can be undone then"


class MirrorChecks:
    """Each check returns the error that it found, so that one run reports all errors together.

    Args:
        job: the run.
        sides: of the job.
        sender: the budget of requests.
    """

    def __init__(self, job: EffectiveJob, sides: Sides, sender: Sender) -> None:
        self._job = job
        self._sides = sides
        self._stores = pace_stores(sides.stores, sender)

    @property
    def not_proven(self) -> list[str]:
        """What could not be checked, in words: nothing is deleted to find out."""
        if not may_delete(self._job):
            return []
        return [f"right to delete not proven in {self._job.destination}: only a delete can prove it"]

    def begin(self, pool: Executor) -> list[Future[CopyError | None]]:
        """Begin all checks; none for a run that deletes nothing."""
        mirror = self._job.mirror
        if mirror is None or not may_delete(self._job):
            return []
        versioned = [] if mirror.allows_unversioned else [pool.submit(self._is_versioned)]
        proven = mirror.prefixes if mirror.delete_folder is None else ()  # a folder is deleted without proof
        return [*versioned, *(pool.submit(self._finds_absence, entry) for entry in proven)]

    def _is_versioned(self) -> CopyError | None:
        bucket = self._job.destination.bucket
        try:
            if wait_for(self._stores.destination.is_versioned()):
                return None
        except AccessError as error:
            actions = ["s3:GetBucketVersioning"]
            return self._denied("destination", self._sides.destination, actions, error)
        except CopyError as error:
            named = name_side("destination", error)
            return type(named)(f"{named.message}. {_UNREAD}", code=named.code)
        return ConfigError(_UNVERSIONED.format(bucket=bucket), code=Code.INVALID_CONFIG)

    def _finds_absence(self, entry: PrefixEntry) -> CopyError | None:
        """Head a key that does not exist: without the permission to list, S3 answers 403 for what is gone."""
        try:
            wait_for(self._stores.source.head_object(name_unused_key(entry.source, self._job.run_id)))
        except AccessError as error:
            return self._denied("source", self._sides.source, ["s3:ListBucket"], error)
        except CopyError as error:
            return name_side("source", error)
        return None

    def _denied(
        self, side: SideName, manager: AwsConnectionManager, actions: list[str], error: CopyError
    ) -> CopyError:
        return describe_denial(self._job, side, manager, actions, manager.location.bucket, error)


def may_delete(job: EffectiveJob) -> bool:
    """Return whether a run may delete anything: it is a mirror, and not only to report."""
    return job.mirror is not None and job.mirror.max_deleted_objects > 0
