"""A job's single objects: heads both sides, and decides, object by object."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from s3copy_tasks.core.decide import Decided, Unseen
from s3copy_tasks.engine.loop import wait_for
from s3copy_tasks.errors import CopyError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from s3copy_tasks.core.decide import Decider
    from s3copy_tasks.core.job import EffectiveJob, ObjectEntry
    from s3copy_tasks.core.objects import ObjectDetails
    from s3copy_tasks.engine.paced_store import PacedStores


class NamedObjects:
    """The single objects of a job.

    Args:
        job: the run.
        stores: both sides.
        decider: of the job.
    """

    def __init__(self, job: EffectiveJob, stores: PacedStores, decider: Decider) -> None:
        self._job = job
        self._stores = stores
        self._decider = decider

    def decide_all(self, after: int | None = None, through: int | None = None) -> list[Decided | Unseen]:
        """Return the objects of an index range with their decisions; one that fails does not stop others."""
        first = 0 if after is None else after + 1
        indexes = range(first, len(self._job.objects) if through is None else through + 1)
        with ThreadPoolExecutor(self._job.transfer.in_flight) as pool:
            return list(pool.map(self._try_decide, indexes))

    def _try_decide(self, index: int) -> Decided | Unseen:
        entry, failed = self._job.objects[index], None
        try:
            found = self.decide(index)
        except CopyError as error:
            found, failed = None, error
        return found or Unseen(index, entry.source, entry.destination, failed, entry.version_id)

    def decide(self, index: int) -> Decided | None:
        """Return one object with its decision; None if it is gone.

        Raises:
            CopyError: a HEAD failed.
        """
        entry = self._job.objects[index]
        source, destination = wait_for(self._head_both(entry))
        if source is None:
            return None
        existing = destination.object if destination else None
        decision = self._decider.decide_named(source.object, existing, entry.destination)
        return Decided(
            entry=None,
            position=index,
            source=source.object,
            key=entry.destination,
            decision=decision,
            replaces=existing,
            heads=2,
        )

    async def _head_both(self, entry: ObjectEntry) -> tuple[ObjectDetails | None, ObjectDetails | None]:
        return await asyncio.gather(
            self._stores.source.head_object(entry.source, version_id=entry.version_id),
            self._stores.destination.head_object(entry.destination),
        )


class NamedRange:
    """Single objects of an index range; `begin` and `close` do nothing."""

    def __init__(self, named: NamedObjects, after: int | None, through: int) -> None:
        self._named = named
        self._range = after, through

    def begin(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""

    def __iter__(self) -> Iterator[Decided | Unseen]:
        """Yield what `NamedObjects.decide_all` returns."""
        return iter(self._named.decide_all(*self._range))
