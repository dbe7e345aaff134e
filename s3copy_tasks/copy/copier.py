"""Carries out the decision for an object, and decides again if another client writes at the same time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import structlog

from s3copy_tasks.copy.transfer import make_missing_error
from s3copy_tasks.core.decide import Decided, Decider, Named, is_copied_earlier
from s3copy_tasks.core.job import EntryId, Overwrite
from s3copy_tasks.core.objects import Action, SkipReason, same_etag
from s3copy_tasks.core.store import ABSENT, CopyRequest
from s3copy_tasks.core.verify import Confirmation, Copied, Outcome, compare_checksums
from s3copy_tasks.errors import (
    AccessError,
    Code,
    ConditionError,
    CopyError,
    MissingError,
    RequestError,
    TransientError,
)

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from s3copy_tasks.copy.transfer import Transfer
    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.objects import ObjectDetails, S3Object
    from s3copy_tasks.engine.paced_store import PacedStores

log = structlog.get_logger(__name__)

_VANISHED = frozenset({"NoSuchKey", "NoSuchVersion", Code.DELETE_MARKER})
CHECKS_MAX = 3
"""A source that changes between listing and copying is checked again twice, then reported (rule 2)."""


class Copier:
    """Carries out decisions.

    Args:
        job: the run.
        stores: both sides, to check objects.
        transfer: makes the copies.
        retried: an earlier attempt may have copied something.
    """

    def __init__(
        self, job: EffectiveJob, stores: PacedStores, transfer: Transfer, *, retried: bool = False
    ) -> None:
        self._job = job
        self._source = stores.source
        self._destination = stores.destination
        self._transfer = transfer
        self._decide = Decider(job)
        self._decide_first = Decider(job, retried=retried)
        self._debug = log.bind().debug  # bound once, because each object logs a line

    async def carry_out(self, found: Decided | Named) -> Outcome:
        """Decide for an object if that was not done, carry it out, and return the outcome.

        Raises:
            InterruptedError: the sender was stopped before the outcome was known.
        """
        try:
            decided = found if isinstance(found, Decided) else await self._check(found)
            return None if decided is None else await self._carry_out(decided)
        except MissingError as error:
            return None if error.code in _VANISHED else error
        except CopyError as error:  # listings do not show every archive, such as tiers of Intelligent-Tiering
            return self._archived(found.source) if error.code == Code.ARCHIVED else error

    async def _check(self, named: Named) -> Decided | None:
        """Decide for an object that a list names, by HEADs of one side or both; None if it is gone."""
        headed, existing = await asyncio.gather(self._head_named(named), self._head_existing(named))
        source = headed.object if headed else named.listed
        if source is None:
            return None
        replaces = existing.object if existing else None
        decision = self._decide_first.decide_listed(source, replaces, named.suffix, named.key)
        return Decided(
            entry=named.entry,
            position=named.position,
            source=source,
            key=named.key,
            decision=decision,
            replaces=replaces,
        )

    async def _head_named(self, named: Named) -> ObjectDetails | None:
        if named.listed is not None:
            return None
        return await self._source.head_object(
            named.source_key, version_id=named.version_id, entry=named.entry
        )

    async def _head_existing(self, named: Named) -> ObjectDetails | None:
        if not named.checks_destination:
            return None
        return await self._destination.head_object(named.key, entry=named.entry)

    def _archived(self, source: S3Object | None) -> Outcome:
        if self._job.options.archived == "skip":
            return SkipReason.ARCHIVED
        tier = f" as {source.storage_class}" if source is not None else ""
        msg = f"archived{tier}: restore it first, or set object.archived to skip"
        return RequestError(msg, code=Code.ARCHIVED)

    async def _carry_out(self, decided: Decided) -> Outcome:
        decision, source = decided.decision, decided.source
        if isinstance(decision, SkipReason):
            return decision
        if decision is Action.COPIED_EARLIER:
            return _make_copied(decided, Confirmation(etag=None), earlier=True)
        if decision is Action.KEY_TOO_LONG:
            msg = f"the destination key has more than 1,024 bytes: {decided.key[:100]}..."
            return RequestError(msg, code=Code.KEY_TOO_LONG)
        if decision is Action.ARCHIVED:
            return self._archived(source)
        if decision is Action.COMPARE:
            return await self._compare(decided)
        return await self._copy(decided)

    async def _compare(self, decided: Decided) -> Outcome:
        """Rule 12: only checksums of both sides prove a multipart source unchanged."""
        source, destination = await self._head_both(decided, checksums=True)
        same = compare_checksums(source.checksums, destination.checksums) if destination else False
        if same:
            return SkipReason.UNCHANGED
        return await self._copy(_refresh(decided, source, destination), ambiguous=same is None)

    async def _copy(self, decided: Decided, *, ambiguous: bool = False) -> Outcome:
        """Copy an object; if a side has changed since it was listed, check both and decide again."""
        for check in range(1, CHECKS_MAX + 1):
            request = self._make_request(decided)
            try:
                confirmed = await self._transfer.copy(request)
            except (ConditionError, MissingError) as error:
                if not _is_worth_a_check(error):
                    raise
                if check == CHECKS_MAX:
                    raise _make_still_changing(error, check) from error
                outcome = await self._decide_again(decided, error)
                if not isinstance(outcome, Decided):
                    return outcome
                decided = outcome
            except AccessError:
                # Without permission to list the bucket, S3 answers 403 for an object that is gone.
                if await self._is_gone(decided):
                    return None
                raise
            else:
                break
        self._debug(
            "object copied",
            key=decided.source.key,
            destination_key=decided.key,
            bytes=decided.source.size,
        )
        return _make_copied(decided, confirmed, ambiguous=ambiguous)

    async def _is_gone(self, decided: Decided) -> bool:
        """Say whether the source has no such object; a refused HEAD has no reason, and proves nothing."""
        try:
            return await self._head_source(decided.source, decided.entry) is None
        except AccessError:
            return False

    async def checksums_agree(self, copied: Copied) -> bool | None:
        """Compare a copy's checksums with the source's; None if that proves nothing."""
        source = copied.source
        try:
            details = await self._head_source(source, copied.entry, checksums=True)
        except CopyError as error:
            log.warning("not verified", key=source.key, code=error.code, error=error.message)
            return None
        if details is None or not same_etag(source.etag, details.object.etag):
            return None
        return compare_checksums(details.checksums, copied.confirmed.checksums)

    async def _decide_again(self, decided: Decided, error: CopyError) -> Decided | Outcome:
        """Check both sides after a failed precondition; return what to copy now, or the outcome."""
        source, destination = await self._head_both(decided)
        again = _refresh(decided, source, destination)
        is_same = same_etag(decided.source.etag, again.source.etag)
        if (
            is_same
            and error.may_be_done
            and is_copied_earlier(decided.source, again.replaces, self._job.run_started)
        ):
            return _make_copied(decided, Confirmation(etag=None))  # this run's own copy, whose reply was lost
        decision = self._decide.decide_named(again.source, again.replaces, decided.key)
        return decision if isinstance(decision, SkipReason) else again

    async def _head_both(
        self, decided: Decided, *, checksums: bool = False
    ) -> tuple[ObjectDetails, ObjectDetails | None]:
        """Return what both sides have now.

        Raises:
            MissingError: the source is gone.
        """
        source = await self._head_source(decided.source, decided.entry, checksums=checksums)
        destination = await self._destination.head_object(
            decided.key, checksums=checksums, entry=decided.entry
        )
        if source is None:
            raise make_missing_error(decided.source)
        return source, destination

    def _head_source(
        self, source: S3Object, entry: EntryId, *, checksums: bool = False
    ) -> Coroutine[Any, Any, ObjectDetails | None]:
        return self._source.head_object(
            source.key, version_id=source.version_id, checksums=checksums, entry=entry
        )

    def _make_request(self, decided: Decided) -> CopyRequest:
        return CopyRequest(
            source=decided.source,
            source_account=self._job.source.account,
            key=decided.key,
            options=self._job.options,
            guard=self._find_guard(decided.replaces),
            checksum=self._job.verify == "checksum" and not self._job.relayed,
            requester_pays=self._job.source.requester_pays,
            entry=decided.entry,
        )

    def _find_guard(self, replaces: S3Object | None) -> str | None:
        """Return the precondition: the destination is still as it was when the copy was decided (rule 3)."""
        if self._job.overwrite is Overwrite.ALWAYS:
            return None
        return ABSENT if replaces is None or self._job.overwrite is Overwrite.NEVER else replaces.etag


def _make_copied(
    decided: Decided, confirmed: Confirmation, *, earlier: bool = False, ambiguous: bool = False
) -> Copied:
    return Copied(
        entry=decided.entry,
        source=decided.source,
        key=decided.key,
        confirmed=confirmed,
        earlier=earlier,
        ambiguous=ambiguous,
    )


def _refresh(decided: Decided, source: ObjectDetails, destination: ObjectDetails | None) -> Decided:
    """Return an object with what both sides have now."""
    return replace(decided, source=source.object, replaces=destination.object if destination else None)


def _make_still_changing(error: CopyError, checks: int) -> TransientError:
    """Return the error for an object that had changed at every check; a later task may copy it."""
    if error.code in _VANISHED:
        msg = f"{error.message} ({checks} times, but a HEAD finds it: does this server decode copied keys?)"
        return TransientError(msg, code=error.code)
    if error.code != "PreconditionFailed":
        return TransientError(error.message, code=error.code)
    msg = f"source or destination changed {checks} times during the copy: {error.message}"
    return TransientError(msg, code=Code.SOURCE_CHANGED)


def _is_worth_a_check(error: CopyError) -> bool:
    """Say whether to check both sides and decide again; after a 404, only a check shows what is gone."""
    return isinstance(error, ConditionError) or error.code in _VANISHED
