"""Where the keys of a run come from: the one seam between listings, lists, and what else may name keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from s3copy_tasks.plan.listed_keys import ListedKeys
from s3copy_tasks.plan.listing import Begins
from s3copy_tasks.plan.row_keys import RowKeys

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from s3copy_tasks.core.batch import KeyRange
    from s3copy_tasks.core.decide import Found
    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.engine.paced_store import PacedStores
    from s3copy_tasks.plan.listing import Listing


class FoundRange(Begins, Protocol):
    """The objects of a range; each iteration may list or read them."""

    def __iter__(self) -> Iterator[Found]:
        """Yield the objects in order."""


class KeySource(Protocol):
    """Finds the keys of a run: all of them for its plan, and those of a range for a batch."""

    def find_all(self) -> Generator[Found]:
        """Yield all objects, in the order of their positions in each entry or file."""

    def find_range(self, key_range: KeyRange) -> FoundRange:
        """Return the objects of a batch's range."""


def open_key_source(
    job: EffectiveJob, stores: PacedStores, listing: Listing, *, retried: bool = False
) -> KeySource:
    """Return where the keys of a run come from.

    Args:
        job: the run.
        stores: both sides, and the bucket of a list.
        listing: of the job.
        retried: an earlier attempt may have copied something.
    """
    if job.key_list is not None:
        return RowKeys(job, job.key_list, stores, retried=retried)
    return ListedKeys(job, listing)
