"""What a mirror may delete, written down once more: nothing here asks the code under test."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING
from unicodedata import normalize

from s3copy_tasks.core.job import Approval

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from s3copy_tasks.core.job import EffectiveJob, Mirror, PrefixEntry


def find_suffix(entry: PrefixEntry, key: str) -> str | None:
    """Return what an entry has appended to its destination prefix; None if it never writes this key."""
    if not key.startswith(entry.destination):
        return None
    suffix = key.removeprefix(entry.destination)
    return None if "/" in suffix and not entry.recursive else suffix


def is_same_name(one: str, other: str) -> bool:
    """Say whether a server that ignores case and form takes two keys for one."""
    return normalize("NFC", normalize("NFD", one).casefold()) == normalize(
        "NFC", normalize("NFD", other).casefold()
    )


@dataclass(frozen=True)
class Rules:
    """The rules for one run, over sets of keys.

    Attributes:
        job: the run.
        mirror: of the run.
        is_approved: a person has approved its deletes, if they were asked.
    """

    job: EffectiveJob
    mirror: Mirror
    is_approved: bool = False

    @property
    def entries(self) -> list[PrefixEntry]:
        """All entries of the job, unless the run deletes a folder whatever their sources have."""
        if self.mirror.delete_folder is not None:
            return []
        return [*self.mirror.prefixes, *self.job.prefixes]

    def find_sources(self, key: str) -> set[str]:
        """Return the source keys that the job copies to a destination key."""
        found = ((entry.source, find_suffix(entry, key)) for entry in self.entries)
        return {source + suffix for source, suffix in found if suffix is not None and source + suffix}

    def map_sources(self, source: Iterable[str]) -> set[str]:
        """Return the destination keys of source keys."""
        return {
            entry.destination + key.removeprefix(entry.source)
            for key in source
            for entry in self.entries
            if key.startswith(entry.source)
            if entry.recursive or "/" not in key.removeprefix(entry.source)
        }

    def is_in_scope(self, key: str) -> bool:
        """Say whether the run may delete a key, if it is extraneous."""
        if self.mirror.delete_folder is not None:
            return key.startswith(self.mirror.delete_folder)
        return any(
            self._passes(entry.folder + suffix)
            for entry in self.job.prefixes
            if (suffix := find_suffix(entry, key))
        )

    def _passes(self, suffix: str) -> bool:
        include, exclude = self.job.filters.include or ("*",), self.job.filters.exclude
        return any(fnmatchcase(suffix, glob) for glob in include) and not any(
            fnmatchcase(suffix, glob) for glob in exclude
        )

    def find_extraneous(self, source: Collection[str], destination: Iterable[str]) -> set[str]:
        """Return what only the destination has, in scope."""
        named = {entry.destination for entry in self.mirror.objects}
        kept = self.map_sources(source) | named
        return {key for key in destination if key not in kept and self.is_in_scope(key)}

    def find_same_names(self, source: Collection[str], extraneous: Iterable[str]) -> set[str]:
        """Return the extraneous keys that are kept for their names."""
        if self.mirror.on_aws:
            return set()
        copies = self.map_sources(source) | {entry.destination for entry in self.mirror.objects}
        return {key for key in extraneous if any(is_same_name(key, copy) for copy in copies)}

    def find_empty_sources(self, source: Collection[str], extraneous: Collection[str]) -> set[str]:
        """Return the source prefixes without an object, from which an extraneous object may have come."""
        return {
            entry.source
            for entry in self.entries
            if any(find_suffix(entry, key) is not None for key in extraneous)
            if not any(
                key != entry.source
                and key.startswith(entry.source)
                and (entry.recursive or "/" not in key.removeprefix(entry.source))
                for key in source
            )
        }

    def find_groups(self) -> list[str]:
        """Return the destination prefixes of the run that are below no other one."""
        if self.mirror.delete_folder is not None:
            return [self.mirror.delete_folder]
        all_of_them = {entry.destination for entry in self.job.prefixes}
        return sorted(
            one for one in all_of_them if not any(one != o and one.startswith(o) for o in all_of_them)
        )

    @property
    def most_deleted(self) -> int:
        """The limit of objects, with the approval that the run has."""
        is_asked = self.mirror.approval is not Approval.NEVER and self.mirror.max_deleted_objects
        return 100_000 if is_asked else self.mirror.max_deleted_objects

    def exceeds_limits(self, extraneous: int, totals: Iterable[tuple[int, int]]) -> bool:
        """Say whether a plan is not within its limits, or needs an approval that it lacks.

        Args:
            extraneous: number of objects, whether they are kept for their names or not.
            totals: numbers of objects to delete and in scope, of the run and of each group.
        """
        if self.mirror.delete_folder is not None:
            return extraneous > self.most_deleted or not self.is_approved
        tenths = round(self.mirror.max_deleted_percent * 10)
        is_above = extraneous > self.mirror.max_deleted_objects or any(
            to_delete * 1_000 > tenths * in_scope for to_delete, in_scope in totals
        )
        if self.mirror.approval is Approval.NEVER:
            return is_above
        return (is_above or self.mirror.approval is Approval.ALWAYS) and not self.is_approved
