"""Rows of the objects that a plan skips and no batch has: which these are is known only when it has ended.

So a plan keeps the rows of all skipped objects, packed, in memory and then in a temporary file.
"""

from __future__ import annotations

import gzip
from bisect import bisect_left
from collections import defaultdict
from operator import attrgetter
from tempfile import SpooledTemporaryFile
from typing import TYPE_CHECKING, Any, NamedTuple, Self, cast
from urllib.parse import unquote

from s3copy_tasks.core.objects import SkipReason
from s3copy_tasks.core.result_rows import HEADER, describe_skipped, pack_rows
from s3copy_tasks.core.results_folder import find_results_folder
from s3copy_tasks.errors import Code, TransientError
from s3copy_tasks.plan.results_writer import GZIP, ResultsWriter

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from types import TracebackType

    from s3copy_tasks.core.batch import Batch, KeyRange
    from s3copy_tasks.core.decide import Found
    from s3copy_tasks.core.job import EffectiveJob, EntryId
    from s3copy_tasks.engine.paced_store import PacedStore

BLOCK_ROWS = 1_000
_through = attrgetter("through")


class _Block(NamedTuple):
    """Rows of neighbours in the temporary file; `first` and `last` are positions, see `KeyRange`."""

    entry: EntryId
    first: str | int
    last: str | int
    offset: int
    length: int


class PlanResults:
    """Keeps the rows of skipped objects until the batches are known.

    Does nothing if the run writes no results, or copies what a list names: its batches have all rows.

    Args:
        job: the run.
        store: the bucket of the results; None if there are none.
        memory_bytes: of packed rows, until a temporary file is used.
        file_bytes: of an object of results: its rows are held in memory while it is written.
        folder: of the temporary file; None means the usual one.
    """

    def __init__(
        self,
        job: EffectiveJob,
        store: PacedStore | None,
        *,
        memory_bytes: int = 16 * 2**20,
        file_bytes: int = 16 * 2**20,
        folder: str | None = None,
    ) -> None:
        self._job = job
        self._store = None if job.dry_run or job.keys_from is not None else store
        self._file_bytes = file_bytes
        self._file = SpooledTemporaryFile(memory_bytes, dir=folder)  # noqa: SIM115 - `__exit__` closes it
        self._end = 0
        self._blocks: list[_Block] = []
        self._waiting: defaultdict[EntryId, list[tuple[str | int, str]]] = defaultdict(list)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, found: Found) -> None:
        """Keep the row of an object if it is skipped; the positions of one entry ascend.

        Raises:
            TransientError: the temporary file can't be written.
        """
        if self._store is None or not isinstance(found.decision, SkipReason):
            return
        waiting = self._waiting[found.entry]
        waiting.append((found.position, describe_skipped(found, found.decision)))
        if len(waiting) >= BLOCK_ROWS or found.entry is None:  # an index is not in the row
            self._keep(found.entry)

    def write(self, batches: Sequence[Batch]) -> None:
        """Write the rows of the objects that are in no batch.

        Args:
            batches: all of the plan.

        Raises:
            CopyError: they could not be written.
            InterruptedError: the sender was stopped.
        """
        folder = find_results_folder(self._job, batches)
        if folder is None or self._store is None:
            return
        for entry in [entry for entry, rows in self._waiting.items() if rows]:
            self._keep(entry)
        writer = ResultsWriter(self._job, folder, self._store)
        counted_for = next(iter(self._waiting), None)
        for number, content in enumerate(self._fill_files(batches), 1):
            writer.write(folder.name_plan(number), content, GZIP, entry=counted_for)

    def _keep(self, entry: EntryId) -> None:
        waiting = self._waiting[entry]
        packed = pack_rows(row for _, row in waiting)
        try:
            self._file.write(packed)
        except OSError as error:
            msg = (
                "results need space in the folder for temporary files for the rows of objects that need no "
                f"copy, some 40 bytes for each: {error.strerror}. Free some, or set TMPDIR"
            )
            raise TransientError(msg, code=Code.RESULTS_NOT_WRITTEN) from error
        self._blocks.append(_Block(entry, waiting[0][0], waiting[-1][0], self._end, len(packed)))
        self._end += len(packed)
        waiting.clear()

    def _fill_files(self, batches: Iterable[Batch]) -> Iterator[bytes]:
        """Yield files of packed rows that are in no batch, each with a header."""
        content = bytearray()
        for packed in self._find_outside(batches):
            content += packed if content else pack_rows([HEADER]) + packed
            if len(content) >= self._file_bytes:
                yield bytes(content)
                content.clear()
        if content:
            yield bytes(content)

    def _find_outside(self, batches: Iterable[Batch]) -> Iterator[bytes]:
        """Yield packed rows that are in no batch."""
        inside = _Inside(batches)
        for block in self._blocks:
            overlapping = inside.find(block.entry, block.first, block.last)
            if overlapping is not None and _has_all(overlapping, block):
                continue
            self._file.seek(block.offset)
            packed = self._file.read(block.length)
            if overlapping is None:
                yield packed
            else:
                rows = gzip.decompress(packed).decode("ascii").splitlines(keepends=True)
                outside = [
                    row for row in rows if not inside.has(block.entry, self._find_position(block, row))
                ]
                if outside:
                    yield pack_rows(outside)

    def _find_position(self, block: _Block, row: str) -> str | int:
        """Return the position of a row: its key below its prefix; of a single object, the only one."""
        if block.entry is None:
            return block.first
        key = unquote(row.partition(",")[0], errors="surrogatepass")
        return key.removeprefix(self._job.prefixes[block.entry].source)


class _Inside:
    """The positions that batches have."""

    def __init__(self, batches: Iterable[Batch]) -> None:
        self._ranges: defaultdict[EntryId, list[KeyRange]] = defaultdict(list)
        for batch in batches:
            for key_range in batch.ranges:
                self._ranges[key_range.entry].append(key_range)
        for ranges in self._ranges.values():
            ranges.sort(key=_through)

    def has(self, entry: EntryId, position: str | int) -> bool:
        """Say whether a batch has a position."""
        return self.find(entry, position, position) is not None

    def find(self, entry: EntryId, first: Any, last: Any) -> KeyRange | None:
        """Return the first range that has any of the positions from the first through the last."""
        ranges = self._ranges[entry]
        index = bisect_left(ranges, first, key=_through)
        if index == len(ranges):
            return None
        after = ranges[index].after
        return ranges[index] if after is None or after < last else None


def _has_all(key_range: KeyRange, block: _Block) -> bool:
    after, through = cast("Any", key_range.after), cast("Any", key_range.through)
    return (after is None or after < block.first) and bool(block.last <= through)
