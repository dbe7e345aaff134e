"""Carries out what was decided for one object, and looks again when somebody else writes meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from s3copy_tasks.copy.transfer import gone
from s3copy_tasks.copy.verifier import count_mismatch
from s3copy_tasks.core.decide import Decider, is_copied_earlier
from s3copy_tasks.core.job import Overwrite
from s3copy_tasks.core.metrics import Failure
from s3copy_tasks.core.objects import Action, SkipReason
from s3copy_tasks.core.store import ABSENT, CopyRequest
from s3copy_tasks.core.verify import Arrival, Confirmation, by_checksums, same_content
from s3copy_tasks.errors import (
    ARCHIVED,
    KEY_TOO_LONG,
    SOURCE_CHANGED,
    AccessError,
    ConditionError,
    CopyError,
    MissingError,
    RequestError,
    TransientError,
    is_worth_a_retry,
)
from s3copy_tasks.report import events

if TYPE_CHECKING:
    from s3copy_tasks.copy.transfer import Transfer
    from s3copy_tasks.core.collector import MetricsCollector
    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.objects import ObjectDetails, S3Object
    from s3copy_tasks.engine.paced_store import PacedStores
    from s3copy_tasks.plan.listing import Decided

log = structlog.get_logger(__name__)

_VANISHED = frozenset({"NoSuchKey", "NoSuchVersion"})
LOOKS_MAX = 3
"""A source that changes between listing and copying is looked at again twice, then reported (rule 2)."""


class Copier:
    """Carries out decisions and counts what came of them.

    Attributes:
        arrivals: copies that are yet to be found in a listing.

    Args:
        job: the run.
        stores: both sides, to look at objects.
        metrics: counts.
        transfer: copies.
    """

    def __init__(
        self,
        job: EffectiveJob,
        stores: PacedStores,
        metrics: MetricsCollector,
        transfer: Transfer,
    ) -> None:
        self._job = job
        self._stores = stores
        self._metrics = metrics
        self._transfer = transfer
        self._decide = Decider(job)
        self._debug = log.bind().debug  # bound once: one line for each object
        self.arrivals: list[Arrival] = []

    async def carry_out(self, entry: int | None, decided: Decided) -> CopyError | None:
        """Do what was decided for one object and count it.

        Returns:
            The error that made the object fail, None where it did not.
        """
        try:
            await self._carry_out(entry, decided)
        except MissingError as error:
            if error.code not in _VANISHED:
                return self._failed(entry, decided.source, error)
            log.info("object vanished", key=decided.source.key)
            self._metrics.record_vanished(entry)
        except CopyError as error:
            return self._failed(entry, decided.source, error)
        return None

    def _failed(self, entry: int | None, source: S3Object, error: CopyError) -> CopyError:
        events.object_failed(source.key, error)
        self._metrics.record_file_failure(
            Failure.of_error(error, entry=entry, key=source.key),
            transient=is_worth_a_retry(error),
        )
        return error

    async def _carry_out(self, entry: int | None, decided: Decided) -> None:
        decision, source, key = decided.decision, decided.source, decided.key
        if isinstance(decision, SkipReason):
            self._metrics.record_skip(decision, entry)
        elif decision is Action.COPIED_EARLIER:
            self._metrics.record_file_success(source.size, earlier=True, entry=entry)
            self.arrivals.append(Arrival(entry=entry, source=source, key=key, etag=None, earlier=True))
        elif decision is Action.KEY_TOO_LONG:
            msg = f"the destination key has more than 1,024 bytes: {key[:100]}..."
            raise RequestError(msg, code=KEY_TOO_LONG)
        elif decision is Action.ARCHIVED:
            msg = f"archived as {source.storage_class}: restore it first, or set object.archived to skip"
            raise RequestError(msg, code=ARCHIVED)
        elif decision is Action.COMPARE:
            await self._compare(entry, source, key)
        else:
            await self._copy(entry, source, key, decided.replaces)

    async def _compare(self, entry: int | None, source: S3Object, key: str) -> None:
        """Rule 12: only checksums of both sides prove a multipart source unchanged."""
        ours = await self._look_at(entry, source, checksums=True)
        theirs = await self._stores.destination.head_object(key, checksums=True, entry=entry)
        if ours is None:
            raise gone(source)
        same = by_checksums(ours.checksums, theirs.checksums) if theirs else False
        if same:
            self._metrics.record_skip(SkipReason.UNCHANGED, entry)
        else:
            await self._copy(
                entry, ours.object, key, theirs.object if theirs else None, ambiguous=same is None
            )

    async def _copy(
        self,
        entry: int | None,
        source: S3Object,
        key: str,
        replaces: S3Object | None,
        *,
        ambiguous: bool = False,
    ) -> None:
        for look in range(1, LOOKS_MAX + 1):
            request = self._request(entry, source, key, replaces)
            try:
                confirmed = await self._transfer.copy(request)
            except (ConditionError, MissingError) as error:
                if not _is_worth_a_look(error, request):
                    raise
                if look == LOOKS_MAX:
                    raise _still_moving(error, look) from error
                again = await self._look_again(entry, source, key, error)
                if again is None:
                    return
                source, replaces = again
            except AccessError:
                # Without the right to list its bucket, S3 says 403 of an object that is gone.
                if await self._look_at(entry, source) is None:
                    raise gone(source) from None
                raise
            else:
                self._debug("object copied", key=source.key, destination_key=key, bytes=source.size)
                await self._arrived(entry, source, key, confirmed, ambiguous=ambiguous)
                return

    async def _arrived(
        self, entry: int | None, source: S3Object, key: str, confirmed: Confirmation, *, ambiguous: bool
    ) -> None:
        """Count a copy; what its reply does not prove is proven by checksums, or by a listing later."""
        if same_content(source, confirmed.etag):
            self._metrics.record_file_success(source.size, ambiguous=ambiguous, verified=True, entry=entry)
            return
        arrival = Arrival(entry=entry, source=source, key=key, etag=confirmed.etag, ambiguous=ambiguous)
        self._metrics.record_file_success(source.size, ambiguous=ambiguous, entry=entry)
        if self._job.verify != "checksum":
            self.arrivals.append(arrival)
            return
        verified = await self._checksums_agree(entry, source, confirmed)
        if verified:
            self._metrics.record_verified(entry)
        elif verified is False:
            count_mismatch(arrival, "its checksum is not that of the source", self._metrics)

    async def _checksums_agree(
        self, entry: int | None, source: S3Object, confirmed: Confirmation
    ) -> bool | None:
        """Compare full-object checksums; None where nothing can be told, or the source changed since."""
        try:
            ours = await self._look_at(entry, source, checksums=True)
        except CopyError as error:
            log.warning("not verified", key=source.key, code=error.code, error=error.message)
            return None
        if ours is None or not same_content(source, ours.object.etag):
            return None
        return by_checksums(ours.checksums, confirmed.checksums)

    async def _look_again(
        self, entry: int | None, source: S3Object, key: str, error: CopyError
    ) -> tuple[S3Object, S3Object | None] | None:
        """Return what to copy and what it replaces after a failed precondition; None for nothing."""
        ours = await self._look_at(entry, source)
        theirs = await self._stores.destination.head_object(key, entry=entry)
        if ours is None:
            raise gone(source)
        found = theirs.object if theirs else None
        is_same = ours.object.etag.strip('"') == source.etag.strip('"')
        if is_same and error.may_be_done and is_copied_earlier(source, found, self._job.run_started):
            self._metrics.record_file_success(source.size, entry=entry)  # our own copy; its reply was lost
            self.arrivals.append(Arrival(entry=entry, source=source, key=key, etag=None))
            return None
        decision = self._decide.named(ours.object, found, key)
        if isinstance(decision, SkipReason):
            self._metrics.record_skip(decision, entry)
            return None
        return ours.object, found

    async def _look_at(
        self, entry: int | None, source: S3Object, *, checksums: bool = False
    ) -> ObjectDetails | None:
        return await self._stores.source.head_object(
            source.key, version_id=source.version_id, checksums=checksums, entry=entry
        )

    def _request(
        self, entry: int | None, source: S3Object, key: str, replaces: S3Object | None
    ) -> CopyRequest:
        return CopyRequest(
            source=source,
            source_account=self._job.source.account,
            key=key,
            options=self._job.options,
            guard=self._guard(replaces),
            checksum=self._job.verify == "checksum" and not self._job.relayed,
            requester_pays=self._job.source.requester_pays,
            entry=entry,
        )

    def _guard(self, replaces: S3Object | None) -> str | None:
        """Return what the destination must hold: what it held when it was decided to copy (rule 3)."""
        if self._job.overwrite is Overwrite.ALWAYS:
            return None
        return ABSENT if replaces is None or self._job.overwrite is Overwrite.NEVER else replaces.etag


def _still_moving(error: CopyError, looks: int) -> TransientError:
    """Return the error for an object that was another at every look: a later task may find it at rest."""
    changed = error.code == "PreconditionFailed"
    msg = f"source or destination changed while it was copied, {looks} times: {error.message}"
    return TransientError(msg if changed else error.message, code=SOURCE_CHANGED if changed else error.code)


def _is_worth_a_look(error: CopyError, request: CopyRequest) -> bool:
    """Say whether a look at both sides tells what to do; an object to be replaced may be gone (404)."""
    replaces = request.guard not in {None, ABSENT}
    return isinstance(error, ConditionError) or (replaces and error.code in _VANISHED)
