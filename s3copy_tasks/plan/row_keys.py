"""The second source of keys: the rows of a list. A batch is a range of bytes of one of its files."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from s3copy_tasks.core.key_list import KeyList
from s3copy_tasks.core.objects import SkipReason
from s3copy_tasks.core.row_decider import RowDecider
from s3copy_tasks.core.rows import BadRow, Lines, parse_rows
from s3copy_tasks.engine.local_files import LocalFiles
from s3copy_tasks.errors import Code, ConfigError, MissingError
from s3copy_tasks.plan.list_file import ListBlocks
from s3copy_tasks.plan.listing import begin_ahead

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from s3copy_tasks.core.batch import KeyRange
    from s3copy_tasks.core.decide import Found
    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.rows import Row
    from s3copy_tasks.engine.paced_store import PacedStores
    from s3copy_tasks.plan.list_file import ReadsBytes

_PROBLEMS_SHOWN = 10
_PREFIXES_SHOWN = 3


class RowKeys:
    """The objects that a list names.

    Args:
        job: the run.
        of: its list, with its files.
        stores: both sides, and the bucket of the list.
        retried: an earlier attempt may have copied something.
    """

    def __init__(self, job: EffectiveJob, of: KeyList, stores: PacedStores, *, retried: bool = False) -> None:
        self._job = job
        self._of = of
        self._store: ReadsBytes = stores.lists or LocalFiles()
        self._decider = RowDecider(job, retried=retried)

    def find_all(self) -> Generator[Found]:
        """Yield the objects of all files, in the order of their rows.

        Raises:
            ConfigError: rows are invalid; the message names file and line of the first ones.
            MissingError: no row is in scope.
            CopyError: a file can't be read.
        """
        problems: list[str] = []
        in_scope, decide, outside = 0, self._decider.decide, ""
        with closing(self._open_files()) as files:
            for index, rows in files:
                for row in rows:
                    if isinstance(row, BadRow):
                        where = self._of.describe(self._of.files[index])
                        problems.append(f"{where}:{row.line}: {row.problem}")
                        self._raise_problems(problems, at_least=_PROBLEMS_SHOWN)
                    elif not problems:
                        found = decide(row, index)
                        if found.decision is not SkipReason.OUT_OF_SCOPE:
                            in_scope += 1
                        elif not outside:
                            outside = row.key
                        yield found
        self._raise_problems(problems, at_least=1)
        if not in_scope and self._job.on_empty == "fail":
            raise MissingError(self._explain_nothing(outside), code=Code.NOTHING_FOUND)

    def _open_files(self) -> Generator[tuple[int, Iterator[Row | BadRow]]]:
        """Yield the index and the rows of each file; the next files are requested ahead."""
        opened = (ListBlocks(self._store, self._of, file) for file in self._of.files)
        with closing(begin_ahead(opened)) as files:
            for index, blocks in enumerate(files):
                with closing(blocks):
                    yield index, parse_rows(Lines(blocks), self._of, self._job.source.bucket)

    def _explain_nothing(self, outside: str) -> str:
        """Return why nothing is in scope, with the first key that is not."""
        if not outside:
            return f"{self._of} names no key. Check that it is complete"
        prefixes = ", ".join(repr(entry.source) for entry in self._job.prefixes[:_PREFIXES_SHOWN])
        words = f"no key of {self._of} is below a prefix of the job ({prefixes}): the first is {outside!r}"
        if self._of.names_destinations:
            words += ", or the job does not copy it to the destination that its row names"
        return f"{words}. Check the list and from.columns, and the day of the run if prefixes have dates"

    def find_range(self, key_range: KeyRange) -> _RowRange:
        """Return the objects of a batch's range of rows."""
        return _RowRange(self, key_range)

    def read_range(self, key_range: KeyRange) -> ListBlocks:
        """Return the content of a range of rows."""
        file = self._of.files[_file_of(key_range)]
        return ListBlocks(self._store, self._of, file, int(key_range.after or 0), int(key_range.through))

    def decide_rows(self, blocks: ListBlocks, key_range: KeyRange) -> Iterator[Found]:
        """Yield the objects of a range, which the plan has checked."""
        start = int(key_range.after or 0)
        file, bucket = _file_of(key_range), self._job.source.bucket
        for row in parse_rows(Lines(blocks, start), self._of, bucket, from_start=start == 0):
            if isinstance(row, BadRow):  # the file is the same: its ETag was checked
                where = self._of.describe(self._of.files[file])
                msg = f"{where}: row after byte {start}: {row.problem}"
                raise ConfigError(msg, code=Code.INVALID_LIST)
            yield self._decider.decide(row, file)

    def _raise_problems(self, problems: list[str], *, at_least: int) -> None:
        if len(problems) >= at_least:
            raise ConfigError("\n".join(problems), code=Code.INVALID_LIST)


class _RowRange:
    """The objects of a range of rows; it is read once."""

    def __init__(self, keys: RowKeys, key_range: KeyRange) -> None:
        self._keys = keys
        self._range = key_range
        self._blocks = keys.read_range(key_range)

    def begin(self) -> None:
        """Request the first bytes."""
        self._blocks.begin()

    def close(self) -> None:
        """Stop reading."""
        self._blocks.close()

    def __iter__(self) -> Iterator[Found]:
        """Yield the objects in the order of their rows."""
        return self._keys.decide_rows(self._blocks, self._range)


def _file_of(key_range: KeyRange) -> int:
    if key_range.file is None:
        msg = f"not a range of a list: {key_range}"
        raise ValueError(msg)
    return key_range.file
