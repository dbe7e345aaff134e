"""Which reads prove that a job may read what it copies: of keys that are listed, or that a list names.

`queue_proof.py` has those of a job whose keys a queue names.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from s3copy_tasks.core.decide import Named
from s3copy_tasks.core.objects import SkipReason
from s3copy_tasks.core.row_decider import RowDecider
from s3copy_tasks.errors import Code, CopyError, MissingError
from s3copy_tasks.preflight.first_rows import read_first_rows
from s3copy_tasks.preflight.list_bucket import ListBucket
from s3copy_tasks.preflight.list_files import FoundList, find_list

if TYPE_CHECKING:
    from collections.abc import Sequence
    from concurrent.futures import Executor, Future

    from s3copy_tasks.core.decide import Found
    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.rows import Row
    from s3copy_tasks.engine.sender import Sender
    from s3copy_tasks.preflight.checks import Checks
    from s3copy_tasks.s3.connections import Sides

_SHOWN = 10


class Readable(NamedTuple):
    """An object whose read proves that others may be read.

    Attributes:
        keys: that must be readable, as `describe_denial` takes them.
        key: one of them.
        version_id: None means the current version.
    """

    keys: str
    key: str
    version_id: str | None = None


class Proof(NamedTuple):
    """What proves that a job may read.

    Attributes:
        reads: as the side that will read the objects.
        heads: as the source, which checks objects that a list does not describe.
        remarks: what is not proven, in words.
    """

    reads: Sequence[Readable]
    heads: Sequence[Readable] = ()
    remarks: Sequence[str] = ()


class ReadProof(Protocol):
    """Finds what proves that a job may read. Each check returns the error that it found.

    Attributes:
        found: the job with the files of its list, and what its queue has, once `find` has passed.
    """

    found: FoundList

    def find(self) -> CopyError | None:
        """Find the list or the queue of the job, if it has one; beside the first listings of both sides."""

    def begin(self, pool: Executor) -> list[Future[CopyError | None]]:
        """Begin the checks of what names single keys, once both sides were listed."""

    def choose(self, pool: Executor) -> Proof:
        """Return what proves it, once these checks and all listings have passed.

        Raises:
            MissingError: there is nothing to copy, and the job does not allow that.
        """


class ListedProof:
    """The proof of a job whose prefixes are listed: the first key of each, and the single objects.

    Args:
        job: the run.
        checks: that list.
    """

    def __init__(self, job: EffectiveJob, checks: Checks) -> None:
        self._job = job
        self._checks = checks
        self.found = FoundList(job=job)

    def find(self) -> CopyError | None:
        """Do nothing: the job has no list."""

    def begin(self, pool: Executor) -> list[Future[CopyError | None]]:
        """Begin to head all single objects."""
        return [pool.submit(self._checks.object_exists, entry) for entry in self._job.objects]

    def choose(self, pool: Executor) -> Proof:
        """Return the first key below each prefix, and the single objects.

        Raises:
            MissingError: no prefix has an object, and the job does not allow that.
        """
        job, firsts = self._job, list(pool.map(self._checks.first_key, self._job.prefixes))
        found = zip(job.prefixes, firsts, strict=True)
        below = [Readable(entry.source + "*", key) for entry, key in found if key]
        named = [Readable(entry.source, entry.source, entry.version_id) for entry in job.objects]
        return Proof([*below, *named], remarks=self._check_something_found(firsts))

    def _check_something_found(self, firsts: Sequence[str | None]) -> list[str]:
        """Return a remark on each empty prefix; a single one if all are, which the job may allow."""
        job = self._job
        found = zip(job.prefixes, firsts, strict=True)
        empty = [f"s3://{job.source.bucket}/{entry.source}" for entry, first in found if first is None]
        if job.objects or not job.prefixes or len(empty) < len(job.prefixes):
            return [f"read access not proven under {where}: no object there" for where in empty]
        words = f"no object below {', '.join(empty[:_SHOWN])}"
        if job.on_empty == "succeed":
            return [f"nothing to copy: {words}"]
        msg = f"{words}. Check the source prefixes, and that their data has arrived"
        raise MissingError(msg, code=Code.NOTHING_FOUND)


class RowProof:
    """The proof of a job whose keys a list names: keys of its first rows.

    Args:
        job: the run.
        sides: of the job.
        sender: the budget of requests.
    """

    def __init__(self, job: EffectiveJob, sides: Sides, sender: Sender) -> None:
        self._job = job
        self._sides = sides
        self._sender = sender
        self._rows: list[Row] = []
        self.found = FoundList(job=job)

    def find(self) -> CopyError | None:
        """Find the files of the list."""
        try:
            self.found = find_list(self._job, self._sides, self._sender)
        except CopyError as error:
            return error
        return None

    def begin(self, pool: Executor) -> list[Future[CopyError | None]]:
        """Begin to read the first rows."""
        return [pool.submit(self._read_rows)]

    def _read_rows(self) -> CopyError | None:
        job = self.found.job
        if job.key_list is None:
            return None
        try:
            bucket = ListBucket.open(job, self._sides, self._sender)
            self._rows = read_first_rows(job.key_list, bucket, job.source.bucket)
        except CopyError as error:
            return error
        return None

    def choose(self, pool: Executor) -> Proof:  # noqa: ARG002
        """Return a key below each prefix, and the single objects, as far as the first rows name them."""
        decider = RowDecider(self._job)
        reads: dict[tuple[str, bool], Readable] = {}
        heads: dict[tuple[str, bool], Readable] = {}
        for row in self._rows:
            found = decider.decide(row, 0)
            if isinstance(found.decision, SkipReason):
                continue
            kind = (self._name_keys(found), row.version_id is not None)
            readable = Readable(kind[0], row.key, row.version_id)
            reads.setdefault(kind, readable)
            if isinstance(found, Named) and found.listed is None:
                heads.setdefault(kind, readable)
        return Proof(list(reads.values()), list(heads.values()), self._remark_unproven(reads))

    def _name_keys(self, found: Found) -> str:
        return found.source_key if found.entry is None else f"{self._job.prefixes[found.entry].source}*"

    def _remark_unproven(self, proven: dict[tuple[str, bool], Readable]) -> list[str]:
        job, keys = self._job, {keys for keys, _ in proven}
        named = [*(f"{entry.source}*" for entry in job.prefixes), *(entry.source for entry in job.objects)]
        unproven = [f"{job.source}/{name}" for name in dict.fromkeys(named) if name not in keys]
        if not unproven:
            return []
        more = f" and {len(unproven) - _SHOWN} more" if len(unproven) > _SHOWN else ""
        where = ", ".join(unproven[:_SHOWN]) + more
        return [f"read access not proven: the first rows of the list name no key of {where}"]
