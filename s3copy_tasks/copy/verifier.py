"""Checks copies against listings: right key, right size, right ETag (rule 13)."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from itertools import starmap
from typing import TYPE_CHECKING

import structlog

from s3copy_tasks.core.multipart import LIMITS
from s3copy_tasks.core.verify import has_same_content
from s3copy_tasks.errors import CopyError
from s3copy_tasks.plan.listing import begin_ahead

if TYPE_CHECKING:
    from collections.abc import Iterable

    from s3copy_tasks.copy.counting import Outcomes
    from s3copy_tasks.core.batch import KeyRange
    from s3copy_tasks.core.job import EntryId
    from s3copy_tasks.core.multipart import Limits
    from s3copy_tasks.core.objects import S3Object
    from s3copy_tasks.core.verify import Copied
    from s3copy_tasks.plan.listing import Listing

log = structlog.get_logger(__name__)


class Verifier:
    """Lists a batch's destination ranges again, and compares them with what S3 confirmed.

    A copy that differs counts as failed. A copy that can't be listed stays unverified.

    Args:
        listing: of the job.
        outcomes: counts the results.
        limits: how many copies may wait.
    """

    def __init__(
        self,
        listing: Listing,
        outcomes: Outcomes,
        limits: Limits = LIMITS,
    ) -> None:
        self._awaited: list[Copied] = []
        self._listing = listing
        self._outcomes = outcomes
        self._unproven_max = limits.unproven
        self._ranges: list[KeyRange] = []

    def expect(self, copied: Copied) -> None:
        """Add a copy that its reply did not prove; may be called on the loop."""
        self._awaited.append(copied)

    @property
    def is_due(self) -> bool:
        """Whether the limit of waiting copies is reached, so that they must be verified now."""
        return len(self._awaited) >= self._unproven_max

    def begin(self, key_range: KeyRange) -> None:
        """Note that the copying of a range begins."""
        self._ranges.append(key_range)

    def verify_through(self, position: str | int) -> None:
        """Verify the copies up to a position in the last range; no copy may be in progress."""
        *before, last = self._ranges
        self._ranges = [*before, replace(last, through=position)]
        self.verify()
        self._ranges = [replace(last, after=position)]

    def verify(self) -> None:
        """Verify the copies in all ranges that were begun; no copy may be in progress."""
        waiting: dict[EntryId, dict[str, Copied]] = {}
        for copied in self._awaited:
            waiting.setdefault(copied.entry, {})[copied.key] = copied
        self._awaited.clear()
        below = [
            (key_range.entry, key_range)
            for key_range in self._ranges
            if key_range.entry is not None and key_range.entry in waiting
        ]
        with closing(begin_ahead(starmap(self._listing.list_copies, below))) as listed:
            for (entry, _), copies in zip(below, listed, strict=True):
                _find(copies, waiting[entry], self._outcomes)
        for unlisted in waiting.keys() - {entry for entry, _ in below}:  # named by their keys
            _find(self._listing.find_copies(waiting[unlisted]), waiting[unlisted], self._outcomes)
        for expected in waiting.values():
            for copied in expected.values():
                _compare(copied, None, self._outcomes)
        self._outcomes.settle()


def _find(copies: Iterable[S3Object], expected: dict[str, Copied], outcomes: Outcomes) -> None:
    """Compare expected copies with a listing, and remove those found; remove all if the listing fails."""
    try:
        for listed in copies:
            if listed.key in expected:
                _compare(expected.pop(listed.key), listed, outcomes)
            if not expected:
                return
    except CopyError as error:
        log.warning("not verified", code=error.code, error=error.message)
        expected.clear()


def _compare(copied: Copied, found: S3Object | None, outcomes: Outcomes) -> None:
    wrong = copied.find_mismatch(found)
    if wrong is not None:
        outcomes.count_mismatch(copied, wrong)
    elif found is not None and (
        copied.confirmed.etag is not None or has_same_content(copied.source, found.etag)
    ):
        outcomes.count_verified(copied)
