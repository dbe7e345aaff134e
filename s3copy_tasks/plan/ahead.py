"""Lists for a plan while preflight still checks; and the first pages that preflight has listed itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from s3copy_tasks.engine.paced_store import pace_stores
from s3copy_tasks.plan.listing import WHOLE, Listing

if TYPE_CHECKING:
    from types import TracebackType

    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.pages import FirstPages, Listed
    from s3copy_tasks.core.store import Stores
    from s3copy_tasks.engine.sender import Sender
    from s3copy_tasks.plan.key_stream import KeyStream


class ListingAhead:
    """What is listed of a job before it is planned; use it as a context, which ends the listings.

    Args:
        job: not checked yet.
        stores: both sides.
        sender: the budget of requests.
    """

    def __init__(self, job: EffectiveJob, stores: Stores, sender: Sender) -> None:
        self._job = job
        self._stores = stores
        self._sender = sender
        self._streams: dict[Listed, KeyStream] = {}
        self.first_pages: FirstPages = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def begin(self, first_pages: FirstPages) -> None:
        """List both sides of a job that has one prefix; several are listed side by side by the plan.

        Where a list names the keys, the plan lists nothing, and so does this.

        Args:
            first_pages: those that are known; there may be more when the plan begins.
        """
        if self._job.keys_from is not None:
            return
        self.first_pages = first_pages
        if len(self._job.prefixes) != 1:
            return
        listing = Listing(self._job, pace_stores(self._stores, self._sender), ahead=self)
        for listed in listing.both_sides(0):
            stream = listing.make_stream(0, listed, None, None, WHOLE)
            stream.begin(whole=True)
            self._streams[listed] = stream

    def take(self, listed: Listed) -> KeyStream | None:
        """Return a listing that has begun; whoever takes it closes it. None if there is none."""
        return self._streams.pop(listed, None)

    def close(self) -> None:
        """Stop the listings that were not taken, and forget the first pages."""
        self.first_pages = {}
        while self._streams:
            self._streams.popitem()[1].close()
