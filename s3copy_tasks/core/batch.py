"""Batches: the work of one mapped copy task, in a few hundred bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from s3copy_tasks.core.job import EffectiveJob, EntryId
from s3copy_tasks.core.queue import Queue
from s3copy_tasks.errors import Code, ConfigError

_LABEL_PREFIX_CHARACTERS_MAX = 100
"""Airflow keeps 250 characters of a label, and a plan may carry 500 of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRange:
    """A range of one entry's keys, or of a list's rows, to be read again, decided again and copied.

    Attributes:
        entry: index into the job's prefixes; None means the job's `objects`, or rows of any entry.
        after: lower bound, exclusive; None means from the start. Below a prefix it is the part of the key
            after the prefix, so that one bound serves both listings; for `objects` it is an index. A row's
            position is the byte where it ends in its file, which is unpacked if it is compressed.
        through: upper bound, inclusive, in the same terms.
        found: objects that the plan saw inside.
        objects: of these, the ones that need a copy, or a comparison by HEAD.
        bytes: total size of those.
        file: index into the files of the job's list; None if keys are listed.
    """

    entry: EntryId
    after: str | int | None
    through: str | int
    found: int
    objects: int
    bytes: int
    file: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """The ranges that one task copies.

    Attributes:
        id: position in the plan, from 0.
        of: batches in the plan.
        plan_id: of the plan that the batch belongs to.
        label: for people, in Airflow's grid.
        ranges: at least one.
    """

    id: int
    of: int
    plan_id: str
    label: str
    ranges: tuple[KeyRange, ...]

    @property
    def found(self) -> int:
        """Objects that the plan saw inside: this many are unknown when the batch is lost."""
        return sum(r.found for r in self.ranges)

    @property
    def found_by_entry(self) -> dict[int | None, int]:
        """Objects that the plan saw inside, by entry; the batch's first entry comes first."""
        found: dict[int | None, int] = {}
        for key_range in self.ranges:
            found[key_range.entry] = found.get(key_range.entry, 0) + key_range.found
        return found

    @property
    def objects(self) -> int:
        """Objects that the plan wants to copy."""
        return sum(r.objects for r in self.ranges)

    def check_belongs(self, job: EffectiveJob) -> None:
        """Refuse a batch of another plan.

        Raises:
            ConfigError: the job was rendered again after this batch was planned.
        """
        key = make_run_key(job)
        if not self.plan_id.startswith(key + "/"):
            msg = (
                f"batch {self.id} belongs to another plan ({self.plan_id}, this run has {key}): "
                "its task was cleared without its plan. Clear the run from preflight, downstream included"
            )
            raise ConfigError(msg, code=Code.PLAN_MISMATCH)


def make_run_key(job: EffectiveJob) -> str:
    """Name a run by its config, its id, and the time when it was prepared."""
    started = job.run_started.isoformat() if job.run_started else "-"
    return f"{job.digest[:12]}/{job.run_id}/{started}"


def make_plan_id(job: EffectiveJob, batches: Sequence[Sequence[KeyRange]]) -> str:
    """Name a plan by its run and its ranges: planning again may give other ranges."""
    content = hashlib.sha256(repr(batches).encode()).hexdigest()
    return f"{make_run_key(job)}/{content[:12]}"


def make_label(number: int, of: int, ranges: tuple[KeyRange, ...], job: EffectiveJob) -> str:
    """Name a batch by its number, from 1, and its first entry or file, or its queue; "+n" means n others."""
    entries = list(dict.fromkeys((r.entry, r.file) for r in ranges))
    first = _name_range(ranges[0], job)
    if len(first) > _LABEL_PREFIX_CHARACTERS_MAX:
        first = "..." + first[3 - _LABEL_PREFIX_CHARACTERS_MAX :]
    more = f" +{len(entries) - 1}" if len(entries) > 1 else ""
    return f"{number}/{of} {first}{more}"


def _name_range(key_range: KeyRange, job: EffectiveJob) -> str:
    if key_range.file is not None and job.key_list is not None:
        return job.key_list.files[key_range.file].key
    if isinstance(job.keys_from, Queue):
        return job.keys_from.name
    if key_range.entry is None:
        return "objects"
    return job.prefixes[key_range.entry].source or "(whole bucket)"
