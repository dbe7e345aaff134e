"""What is deleted by a run: the batches of a plan, and the account of what became of each key."""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Self

from s3copy_tasks.core.batch import make_run_key
from s3copy_tasks.core.metrics import Errors
from s3copy_tasks.core.request_counts import Requests, add_counts
from s3copy_tasks.errors import Code, ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from s3copy_tasks.core.job import EffectiveJob

_KEY_BYTES, _ETAG_BYTES = 8, 4
_HASH_BYTES = _KEY_BYTES + _ETAG_BYTES


class KeptReason(StrEnum):
    """Why an extraneous object is not deleted. The values are part of the metrics."""

    DRY_RUN = "dry_run"
    REPORT_ONLY = "report_only"
    """The limit is 0."""
    REFUSED = "refused"
    """Nothing at all is deleted in this run."""
    NOT_PROVEN = "not_proven"
    """S3 did not answer whether a source still exists, or the batch was refused."""
    SOURCE_EXISTS = "source_exists"
    CHANGED = "changed"
    """It was written again since the plan."""
    SAME_NAME = "same_name"
    """Its name and that of an object that the source has are one to a server that ignores case or form."""


def hash_object(key: str, etag: str) -> bytes:
    """Return what a plan keeps of an object to delete: 8 bytes of its key's hash, and 4 of its ETag's."""
    name = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=_KEY_BYTES).digest()
    return name + hashlib.blake2b(etag.strip('"').encode(), digest_size=_ETAG_BYTES).digest()


class PlannedHashes:
    """The objects that a range may delete, by their hashes.

    Args:
        packed: of `pack_hashes`.
    """

    def __init__(self, packed: str) -> None:
        content = b64decode(packed)
        self._etags = {
            content[at : at + _KEY_BYTES]: content[at + _KEY_BYTES : at + _HASH_BYTES]
            for at in range(0, len(content), _HASH_BYTES)
        }

    def __len__(self) -> int:
        return len(self._etags)

    def take(self, key: str, etag: str) -> KeptReason | bool:
        """Say whether an object was planned, once; `CHANGED` if its key was, with another ETag."""
        hashed = hash_object(key, etag)
        planned = self._etags.pop(hashed[:_KEY_BYTES], None)
        if planned is None:
            return False
        return True if planned == hashed[_KEY_BYTES:] else KeptReason.CHANGED


def pack_hashes(hashes: Iterable[bytes]) -> str:
    """Return hashes as text."""
    return b64encode(b"".join(hashes)).decode("ascii")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteRange:
    """A range of a group's destination keys, to be listed again with all sources that map to it.

    Attributes:
        prefix: of its group.
        after: exclusive lower bound, a whole destination key; None means from the start.
        through: inclusive upper bound.
        extraneous: objects that the plan found extraneous; only these may be deleted.
        hashes: of these, as `pack_hashes` returns them.
    """

    prefix: str
    after: str | None
    through: str
    extraneous: int
    hashes: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteBatch:
    """The ranges whose extraneous objects one task deletes.

    Attributes:
        id: position in the plan, from 0.
        of: batches in the plan.
        plan_id: of the plan that the batch belongs to.
        label: for people, in Airflow's grid.
        ranges: at least one.
        not_after: nothing is deleted later, such as by a task that was cleared a month ago; set when deleting
            is allowed.
    """

    id: int
    of: int
    plan_id: str
    label: str
    ranges: tuple[DeleteRange, ...]
    not_after: datetime | None = None

    @property
    def extraneous(self) -> int:
        """Objects that the batch may delete."""
        return sum(r.extraneous for r in self.ranges)

    @property
    def extraneous_by_group(self) -> dict[str, int]:
        """The same, by the prefix of their group."""
        found: dict[str, int] = {}
        for each in self.ranges:
            found[each.prefix] = found.get(each.prefix, 0) + each.extraneous
        return found

    def check_belongs(self, job: EffectiveJob) -> None:
        """Refuse a batch of another plan.

        Raises:
            ConfigError: the job was rendered again after this batch was planned.
        """
        key = make_run_key(job)
        if not self.plan_id.startswith(key + "/"):
            msg = (
                f"batch {self.id} of deletes belongs to another plan ({self.plan_id}, this run has {key}): "
                "its task was cleared without its plan. Clear the run from preflight, downstream included"
            )
            raise ConfigError(msg, code=Code.PLAN_MISMATCH)


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupPlan:
    """What a plan found in a group.

    Attributes:
        prefix: of the group.
        in_scope: objects of the destination that are in the run's scope.
        extraneous: of these, the ones that no source would be copied to.
        same_name: of these, kept because the server may take their name for that of an object's copy.
        empty_sources: source prefixes that have no object, with extraneous objects at their destination.
    """

    prefix: str
    in_scope: int
    extraneous: int
    same_name: int = 0
    empty_sources: tuple[str, ...] = ()

    @property
    def to_delete(self) -> int:
        """Objects that the run would delete."""
        return self.extraneous - self.same_name


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletePlan:
    """What a run would delete.

    Attributes:
        batches: none if there are more extraneous objects than the run can delete.
        groups: the totals of each group.
        comes_back: the run deletes a folder for which the source still has objects.
    """

    batches: tuple[DeleteBatch, ...] = ()
    groups: tuple[GroupPlan, ...] = ()
    comes_back: bool = False

    @property
    def plan_id(self) -> str | None:
        """Names what would be deleted; None if nothing can be."""
        return self.batches[0].plan_id if self.batches else None

    @property
    def extraneous(self) -> int:
        """Number of all extraneous objects."""
        return sum(group.extraneous for group in self.groups)

    @property
    def to_delete(self) -> int:
        """Number of objects that the run would delete."""
        return sum(group.to_delete for group in self.groups)

    @property
    def in_scope(self) -> int:
        """Number of the destination's objects in scope."""
        return sum(group.in_scope for group in self.groups)


def make_delete_plan_id(job: EffectiveJob, batches: Sequence[Sequence[DeleteRange]]) -> str:
    """Name a plan of deletes by its run and what it would delete."""
    content = hashlib.sha256(repr(batches).encode()).hexdigest()
    return f"{make_run_key(job)}/{content[:12]}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteCounts:
    """What became of extraneous objects. Extraneous = deleted + gone + kept + failed + unknown, always.

    Attributes:
        deleted: S3 confirmed it, in this attempt of the task.
        gone: no longer there: another client, or an attempt that was lost, has deleted them.
        kept: by reason.
        failed: S3 refused to delete them.
        unknown: their task died and reported nothing about them.
    """

    deleted: int = 0
    gone: int = 0
    kept: Mapping[KeptReason, int] = field(default_factory=dict)
    failed: int = 0
    unknown: int = 0

    @property
    def extraneous(self) -> int:
        """All of them."""
        return self.deleted + self.gone + sum(self.kept.values()) + self.failed + self.unknown

    def __add__(self, other: DeleteCounts) -> DeleteCounts:
        return DeleteCounts(
            deleted=self.deleted + other.deleted,
            gone=self.gone + other.gone,
            kept=add_counts(self.kept, other.kept),
            failed=self.failed + other.failed,
            unknown=self.unknown + other.unknown,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteMetrics:
    """The account of a batch or a run. `a + b` is associative and commutative; `DeleteMetrics()` is its zero.

    Attributes:
        groups: by the prefix of the group.
        errors: why objects failed, are unknown, or were kept because S3 did not answer.
        requests: that were sent.
    """

    groups: Mapping[str, DeleteCounts] = field(default_factory=dict)
    errors: Errors = field(default_factory=Errors)
    requests: Requests = field(default_factory=Requests)

    def __add__(self, other: DeleteMetrics) -> DeleteMetrics:
        zero = DeleteCounts()
        names = sorted({*self.groups, *other.groups})
        return DeleteMetrics(
            groups={name: self.groups.get(name, zero) + other.groups.get(name, zero) for name in names},
            errors=self.errors + other.errors,
            requests=self.requests + other.requests,
        )

    @property
    def total(self) -> DeleteCounts:
        """The sum of all groups."""
        return sum(self.groups.values(), start=DeleteCounts())

    @classmethod
    def of_unknown(cls, batch: DeleteBatch, errors: Errors) -> Self:
        """Return the account of a batch that reported nothing."""
        return cls(
            groups={
                prefix: DeleteCounts(unknown=number) for prefix, number in batch.extraneous_by_group.items()
            },
            errors=errors,
            requests=Requests(at_least=True),
        )
