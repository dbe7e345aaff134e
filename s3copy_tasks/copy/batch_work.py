"""The work of a batch: passes objects to the copier, and stops when access is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s3copy_tasks.core.objects import SkipReason
from s3copy_tasks.engine.workers import Workers
from s3copy_tasks.errors import AccessError, Code, ExpiredError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from s3copy_tasks.copy.copier import Copier
    from s3copy_tasks.copy.counting import Outcomes
    from s3copy_tasks.copy.verifier import Verifier
    from s3copy_tasks.core.decide import Decided, Named
    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.verify import Copied
    from s3copy_tasks.engine.sender import Sender

ACCESS_ERRORS_MAX = 100
"""Access errors in a row that end a batch: a revoked grant must not cost millions of requests (rule 19)."""


class BatchWork:
    """Passes objects to the copier, and stops when access is gone.

    Args:
        job: the run.
        copier: carries out decisions.
        outcomes: counts the results.
        verifier: takes the copies that their replies do not prove.
        sender: the budget of requests.
        on_counted: called after each object with the number of objects counted so far.
    """

    def __init__(
        self,
        job: EffectiveJob,
        copier: Copier,
        outcomes: Outcomes,
        verifier: Verifier,
        sender: Sender,
        on_counted: Callable[[int], None] | None,
    ) -> None:
        self._job = job
        self._sender = sender
        self._copier = copier
        self._outcomes = outcomes
        self._verifier = verifier
        self._workers = self._new_workers()
        self._on_counted = on_counted
        self._access_errors = 0

    def add(self, found: Decided | Named) -> None:
        """Add an object; waits while there is enough to do. Skipped objects take no request."""
        if isinstance(found.decision, SkipReason):
            self._outcomes.count(found, found.decision)
            self._report_counted()
        elif self._access_errors >= ACCESS_ERRORS_MAX:
            self._count_not_attempted(found)
        else:
            self._workers.add(found)
        if self._verifier.is_due:
            self._workers.finish()
            self._verifier.verify_through(found.position)
            self._workers = self._new_workers()

    @property
    def goes_on(self) -> bool:
        """Whether more objects would be attempted."""
        return self._access_errors < ACCESS_ERRORS_MAX and not self._sender.is_stopped

    def settle(self) -> None:
        """Wait until all objects so far are done, and verify the copies.

        Raises:
            BaseException: like `finish`.
        """
        self._workers.finish()
        self._verifier.verify()
        self._workers = self._new_workers()

    def finish(self) -> None:
        """Wait until all objects are done.

        Raises:
            BaseException: the first error that did not come from S3, if any.
        """
        self._workers.finish()

    def abandon(self) -> None:
        """Wait for the objects in progress and drop the rest."""
        self._workers.abandon()

    def _new_workers(self) -> Workers[Decided | Named]:
        sender = self._sender
        return Workers(
            self._carry_out,
            lambda: sender.in_flight_limit,
            watch=sender.watch_bottlenecks(),
            on_last=sender.last_begun.set,
        )

    async def _carry_out(self, found: Decided | Named) -> None:
        if self._access_errors >= ACCESS_ERRORS_MAX:
            self._count_not_attempted(found)
            return
        outcome = await self._copier.carry_out(found)
        unproven = self._outcomes.count(found, outcome)
        if unproven is not None:
            await self._verify(unproven)
        denied = isinstance(outcome, (AccessError, ExpiredError, UnsupportedError))
        self._access_errors = self._access_errors + 1 if denied else 0
        self._report_counted()

    async def _verify(self, copied: Copied) -> None:
        """Compare checksums if the job asks for it, else leave it to a listing (rule 13)."""
        if copied.confirmed.etag is None or self._job.verify != "checksum":
            self._verifier.expect(copied)
            return
        agree = await self._copier.checksums_agree(copied)
        self._outcomes.count_checksums(copied, same=agree)

    def _count_not_attempted(self, found: Decided | Named) -> None:
        msg = f"{ACCESS_ERRORS_MAX} objects in a row were denied; the rest of the batch was not attempted"
        error = AccessError(msg, code=Code.ACCESS_BREAKER)
        error.attempts = 0
        self._outcomes.count(found, error)
        self._report_counted()

    def _report_counted(self) -> None:
        if self._on_counted is not None:
            self._on_counted(self._outcomes.metrics.found)
