"""Finds the objects of a batch that may be deleted: planned, and extraneous still."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from s3copy_tasks.core.deletions import KeptReason, PlannedHashes
from s3copy_tasks.core.mirror_group import group_mirror
from s3copy_tasks.plan.extraneous import GroupListing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from s3copy_tasks.core.deletions import DeleteBatch, DeleteRange
    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.mirror_group import MirrorGroup
    from s3copy_tasks.core.objects import S3Object
    from s3copy_tasks.delete.account import Account
    from s3copy_tasks.plan.listing import Listing


@dataclass(frozen=True, slots=True)
class Candidate:
    """An object that may be deleted if no source has it.

    Attributes:
        group: that it belongs to.
        found: as it was listed.
    """

    group: MirrorGroup
    found: S3Object


class BatchListing:
    """Lists the ranges of a batch.

    Args:
        job: the run, with a mirror.
        batch: of its plan.
        listing: of the job.
    """

    def __init__(self, job: EffectiveJob, batch: DeleteBatch, listing: Listing) -> None:
        groups = {group.prefix: group for group in group_mirror(job)}
        self._ranges = [
            (each, GroupListing(job, groups[each.prefix], listing, each.after, each.through))
            for each in batch.ranges
        ]

    @property
    def groups(self) -> list[MirrorGroup]:
        """The groups of the batch, each once."""
        return list({ranged.group.prefix: ranged.group for _, ranged in self._ranges}.values())

    def take(self) -> FoundObjects:
        """Return what the ranges have now of the objects that were planned.

        Raises:
            CopyError: a listing failed.
        """
        return FoundObjects([_FoundRange(each, ranged) for each, ranged in self._ranges])

    def list_left(self, keys: set[str]) -> dict[str, S3Object]:
        """Return those of the keys that the destination still has.

        Raises:
            CopyError: a listing failed.
        """
        return {
            found.key: found
            for _, ranged in self._ranges
            for found in ranged.list_destination()
            if found.key in keys
        }


class FoundObjects:
    """What a batch has now of the objects that were planned.

    Attributes:
        candidates: objects that may be deleted if no source has them.
    """

    def __init__(self, ranges: Sequence[_FoundRange]) -> None:
        self._ranges = ranges
        self.candidates = [candidate for part in ranges for candidate in part.candidates]

    def count(self, account: Account) -> None:
        """Count the objects that may not be deleted, or are gone."""
        for part in self._ranges:
            part.count(account)


class _FoundRange:
    """What a range has now of the objects that were planned."""

    def __init__(self, planned: DeleteRange, ranged: GroupListing) -> None:
        self._group = ranged.group
        self._kept: list[tuple[Candidate, KeptReason]] = []
        self.candidates: list[Candidate] = []
        hashes = PlannedHashes(planned.hashes)
        for each in ranged:
            known = hashes.take(each.found.key, each.found.etag)
            if not known:
                continue
            candidate = Candidate(ranged.group, each.found)
            if known is KeptReason.CHANGED:
                self._kept.append((candidate, KeptReason.CHANGED))
            elif each.is_extraneous:
                self.candidates.append(candidate)
            else:
                self._kept.append((candidate, KeptReason.SOURCE_EXISTS))
        self._gone = len(hashes)

    def count(self, account: Account) -> None:
        """Count what may not be deleted."""
        account.count_gone(self._group.prefix, self._gone)
        for candidate, reason in self._kept:
            account.keep(candidate, reason)
