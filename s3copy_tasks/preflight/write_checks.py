"""Checks of writing: a refusal names the principal, the action and the resource (rule 17).

Nothing is written: starting a multipart upload, and aborting it, proves the permission to write.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from s3copy_tasks.core.collector import utc_now
from s3copy_tasks.core.job import Overwrite
from s3copy_tasks.core.objects import S3Object
from s3copy_tasks.core.options import ObjectOptions
from s3copy_tasks.core.store import ABSENT, CopyRequest
from s3copy_tasks.engine.loop import wait_for
from s3copy_tasks.engine.paced_store import PacedStore
from s3copy_tasks.errors import AccessError, CopyError, MissingError, UnsupportedError
from s3copy_tasks.iam.statements import write_actions
from s3copy_tasks.preflight.denial import describe_denial
from s3copy_tasks.preflight.hints import name_side

if TYPE_CHECKING:
    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.engine.sender import Sender
    from s3copy_tasks.s3.connections import AwsConnectionManager, Sides
    from s3copy_tasks.s3.side_connection import SideName

_NO_ETAG = f'"{"0" * 32}"'
_PLAIN = ObjectOptions(tags="drop")
"""What results are written with: nothing but their content."""


class WriteChecks:
    """Each check returns the error that it found, so that one run reports all errors together.

    Args:
        job: the run.
        sides: the destination, and what writes results.
        sender: the budget of requests.
    """

    def __init__(self, job: EffectiveJob, sides: Sides, sender: Sender) -> None:
        self._job = job
        self._sides = sides
        self._sender = sender

    def can_write(self, keys: str, key: str) -> CopyError | None:
        """Start an upload with the job's options and abort it."""
        return self._can_upload("destination", self._sides.destination, self._job.options, keys, key)

    def can_write_results(self) -> CopyError | None:
        """Start an upload below the prefix of the results and abort it, if the job writes any."""
        manager, place = self._sides.results, self._job.results
        if manager is None or place is None:
            return None
        try:
            manager.connect()
        except CopyError as error:  # it names the side itself
            return error
        key = name_unused_key(place.prefix, self._job.run_id)
        return self._can_upload("results", manager, _PLAIN, f"{place.prefix}*", key)

    def _can_upload(
        self, side: SideName, manager: AwsConnectionManager, options: ObjectOptions, keys: str, key: str
    ) -> CopyError | None:
        start = partial(manager.store.try_upload, key, options)
        try:
            upload_id = wait_for(self._sender.send("CreateMultipartUpload", start))
        except AccessError as error:
            return self._denied(side, manager, write_actions(options), error, keys)
        except MissingError as error:
            msg = f"{side}: bucket {manager.location.bucket!r} does not exist ({error.code})"
            return MissingError(msg, code=error.code)
        except CopyError as error:
            return name_side(side, error)
        return self._can_abort(side, manager, keys, key, upload_id)

    def _can_abort(
        self, side: SideName, manager: AwsConnectionManager, keys: str, key: str, upload_id: str
    ) -> CopyError | None:
        try:
            wait_for(PacedStore(manager.store, self._sender).abort_multipart_upload(key, upload_id))
        except AccessError as error:
            denied = self._denied(side, manager, ["s3:AbortMultipartUpload"], error, keys)
            left = f"Upload {upload_id} of {key!r} in {manager.location.bucket} is left behind: abort it."
            return AccessError(f"{denied.message}\n{left}", code=error.code)
        except CopyError as error:
            return error
        return None

    def can_guard(self, _: str, key: str) -> CopyError | None:
        """Ask for a conditional write that can't be made: to complete an upload that does not exist (rule 3).

        Only an answer about its headers counts. The others show that the server knows them, or prove nothing.
        """
        if self._job.overwrite is Overwrite.ALWAYS:
            return None
        nothing = S3Object(
            bucket=self._job.source.bucket, key=key, size=0, last_modified=utc_now(), etag=_NO_ETAG
        )
        request = CopyRequest(
            source=nothing, source_account=None, key=key, options=self._job.options, guard=ABSENT
        )
        store = self._sides.destination.store
        try:
            wait_for(store.complete_multipart_upload(request, "s3copy-preflight", {1: _NO_ETAG}))
        except UnsupportedError as error:
            return name_side("destination", error)
        except CopyError:
            return None
        return None

    def _denied(
        self, side: SideName, manager: AwsConnectionManager, actions: list[str], error: CopyError, keys: str
    ) -> CopyError:
        bucket = manager.location.bucket
        return describe_denial(self._job, side, manager, actions, bucket, error, keys=keys)


def name_unused_key(prefix: str, run_id: str) -> str:
    """Return a key below a prefix that no object has."""
    return f"{prefix}.s3copy-preflight-{''.join(c if c.isalnum() else '-' for c in run_id)}"
