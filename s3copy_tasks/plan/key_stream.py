"""Lists one prefix in parallel key ranges on an event loop, for a consumer in another thread.

For how the ranges are found see `s3copy_tasks.core.ranges`, and docs/design/parallel-listing.md.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from functools import partial
from queue import Empty, SimpleQueue
from threading import Event
from typing import TYPE_CHECKING, TypeAlias

from s3copy_tasks.core.ranges import Ranges

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from s3copy_tasks.core.listed_range import ListedRange
    from s3copy_tasks.core.objects import S3Object
    from s3copy_tasks.core.store import Page

ListPage: TypeAlias = "Callable[[str | None, str | None], Awaitable[Page]]"
"""Lists the page after a whole key (None: the first page), or the page of a token if there is one."""

BUFFERED_KEYS_MAX = 160_000
"""Keys that may wait for the consumer: 10 pages for each of 16 listers. Shorter ranges would be expensive,
because the last page of each is cut. The keys take 46 MiB."""
_CHECK_SECONDS = 1.0
"""How often a waiting consumer checks whether the loop is still running."""
_STOPPED = "the listing was stopped"


class KeyStream:
    """The keys of one prefix, as one sorted stream.

    Each iteration is a separate listing. It begins when the first key is requested, or at `begin`. Closing
    the iterator early stops it, and returns when no request is left. There is one consumer, in any
    thread but the loop's.

    Args:
        list_page: requests a page, with retries. Called on the loop's thread.
        prefix: of the listing, which has no delimiter.
        after: exclusive lower bound, a whole key; None means from the first key.
        through: inclusive upper bound, a whole key; None means to the last.
        listers: limit of pages that are requested in parallel, at least 1.
        loop: runs in another thread.
        buffered_keys_max: limit of keys that wait for the consumer, plus one page.

    Raises:
        RequestError: while iterating; a page's keys are not in order, or StartAfter was ignored.
        InterruptedError: while iterating; the loop has stopped.
        Exception: while iterating; what `list_page` raised, after all keys before it.
    """

    def __init__(
        self,
        list_page: ListPage,
        prefix: str,
        *,
        after: str | None,
        through: str | None,
        listers: int,
        loop: asyncio.AbstractEventLoop,
        buffered_keys_max: int = BUFFERED_KEYS_MAX,
    ) -> None:
        self._list_page = list_page
        self._prefix = prefix
        self._after = after
        self._through = through
        self._listers = listers
        self._loop = loop
        self._buffered_keys_max = buffered_keys_max
        self._begun: _Listers | None = None

    def begin(self, *, whole: bool = False) -> None:
        """Request the first page, if that was not done before; then either read the stream or `close` it.

        Args:
            whole: go on with the other pages, as far as keys may wait.
        """
        if self._begun is None:
            self._begun = self._new_listers()
            self._begun.start()
        if whole:
            self._begun.go_on()

    def close(self) -> None:
        """Stop a listing that was begun and never read."""
        if self._begun is not None:
            self._begun.stop()
            self._begun = None

    def __iter__(self) -> Iterator[S3Object]:
        """Yield the objects in key order, each once."""
        listers, self._begun = self._begun, None
        if listers is None:
            listers = self._new_listers()
            listers.start()
        try:
            listers.go_on()
            while (page := listers.next_page()) is not None:
                yield from page
        finally:
            listers.stop()

    def _new_listers(self) -> _Listers:
        ranges = Ranges(
            self._prefix,
            after=self._after,
            through=self._through,
            listers=self._listers,
            buffered_keys_max=self._buffered_keys_max,
        )
        return _Listers(self._list_page, ranges, self._loop)


class _Listers:
    """The requests of one listing. `_on_loop_...` runs on the loop's thread, the rest on the consumer's."""

    def __init__(self, list_page: ListPage, ranges: Ranges, loop: asyncio.AbstractEventLoop) -> None:
        self._list_page = list_page
        self._ranges = ranges
        self._loop = loop
        self._pages: SimpleQueue[tuple[S3Object, ...] | BaseException | None] = SimpleQueue()
        self._tasks: dict[ListedRange, asyncio.Task[Page]] = {}
        self._is_read = False
        self._stopping = False
        self._stopped = Event()

    def start(self) -> None:
        """Request the first page."""
        if _runs_here(self._loop):
            raise RuntimeError("a listing can't be read in the thread of its loop")
        if self._loop.is_closed():
            raise InterruptedError(_STOPPED)
        self._call(self._on_loop_advance)

    def go_on(self) -> None:
        """Request more than the first page."""
        self._call(self._on_loop_go_on)

    def next_page(self) -> tuple[S3Object, ...] | None:
        """Return the next page; None after the last."""
        while True:
            try:
                page = self._pages.get(timeout=_CHECK_SECONDS)
            except Empty:
                if not self._loop.is_running():
                    raise InterruptedError(_STOPPED) from None
                continue
            if isinstance(page, BaseException):
                raise page
            if page is not None:
                self._call(self._on_loop_taken, len(page))
            return page

    def stop(self) -> None:
        """Cancel the requests that are left, and wait for them to end."""
        self._call(self._on_loop_stop)
        if _runs_here(self._loop):  # an abandoned iterator may be collected in any thread
            return
        while self._loop.is_running() and not self._stopped.wait(_CHECK_SECONDS):
            pass

    def _call(self, act: Callable[..., None], *args: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: `next_page` raises
            self._loop.call_soon_threadsafe(act, *args)

    def _on_loop_go_on(self) -> None:
        self._is_read = True
        self._on_loop_advance()

    def _on_loop_taken(self, keys: int) -> None:
        self._ranges.taken(keys)
        self._on_loop_advance()

    def _on_loop_advance(self) -> None:
        """Hand over the next pages and request more; pass errors on, or the consumer would wait for ever."""
        try:
            self._on_loop_go()
        except Exception as error:  # noqa: BLE001 - the consumer raises it
            self._on_loop_end(error)

    def _on_loop_go(self) -> None:
        if self._stopping:
            return
        for page in self._ranges.in_order():
            self._pages.put(page)
        if self._ranges.ended:
            self._on_loop_end(self._ranges.error)
            return
        while (self._is_read or not self._ranges.requests) and (
            listed_range := self._ranges.next_request()
        ) is not None:
            task = self._loop.create_task(self._on_loop_list(listed_range))
            self._tasks[listed_range] = task
            task.add_done_callback(partial(self._on_loop_done, listed_range))

    async def _on_loop_list(self, listed_range: ListedRange) -> Page:
        return await self._list_page(listed_range.position, listed_range.token)

    def _on_loop_done(self, listed_range: ListedRange, task: asyncio.Task[Page]) -> None:
        del self._tasks[listed_range]
        try:
            self._on_loop_answered(listed_range, task)
        except Exception as error:  # noqa: BLE001 - an invalid page: the consumer must not wait
            self._on_loop_end(error)
        self._on_loop_advance()
        if self._stopping and not self._tasks:
            self._stopped.set()

    def _on_loop_answered(self, listed_range: ListedRange, task: asyncio.Task[Page]) -> None:
        if listed_range.dropped:
            return
        if task.cancelled():
            self._on_loop_end(InterruptedError(_STOPPED))
            return
        error = task.exception()
        dropped = (
            self._ranges.listed(listed_range, task.result())
            if error is None
            else self._ranges.failed(listed_range, error)
        )
        for each in dropped:
            if each in self._tasks:
                self._tasks[each].cancel()

    def _on_loop_end(self, error: BaseException | None) -> None:
        """Report the end to the consumer, and request nothing more."""
        if not self._stopping:
            self._pages.put(error)
            self._on_loop_stop()

    def _on_loop_stop(self) -> None:
        self._stopping = True
        for task in self._tasks.values():
            task.cancel()
        if not self._tasks:
            self._stopped.set()


def _runs_here(loop: asyncio.AbstractEventLoop) -> bool:
    """Say whether this is the loop's thread."""
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False
