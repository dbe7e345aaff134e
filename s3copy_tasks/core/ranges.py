"""Splits one listing into key ranges while it runs, and decides which page to request next.

A range is split while it is listed: a new range takes the keys above a guess; the old one ends at the guess.

    one page listed       ====------------------------------>
    split at a guess      ====--------------|--------------->    both parts request their next page
    and again             ========---|------|====-----|----->

Nothing here sends a request: `Ranges` returns what to request, takes the replies, and yields pages in order.
docs/design/parallel-listing.md explains the idea, and has the measurements behind the numbers.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from s3copy_tasks.core.listed_range import ListedRange, State
from s3copy_tasks.errors import Code, RequestError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from s3copy_tasks.core.objects import S3Object
    from s3copy_tasks.core.store import Page

WASTED_PAGES, WASTED_SHARE = 20, 0.1
"""Pages that may be wasted: this many, plus this share of those that a listing without splits needs."""
_PAGES_MIN, _PAGES_MAX = 2, 6
"""Pages that either part of a split should have. The last page of a range is cut, so short ranges waste more;
ranges ahead of the consumer wait in memory, so long ones need more of it."""
_AHEAD = 1.5
"""How far ahead of the consumer ranges are listed, in multiples of the budget: a range is complete when the
consumer reaches it, and the ones behind it are partly listed."""
_SLOPE = 0.3
"""The share of the budget that the range farthest ahead must leave to the ranges before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Memory and requests that one listing may use.

    Attributes:
        listers: limit of pages that are requested in parallel; with 1, no range is split.
        keys_max: limit of keys that wait for the consumer.
    """

    listers: int
    keys_max: int

    @property
    def keys_ahead_max(self) -> float:
        """How many keys ahead of the consumer a range may begin."""
        return _AHEAD * self.keys_max

    def keys_max_behind(self, unfinished: int) -> float:
        """Return the limit of waiting keys for a range, by the number of unfinished ranges before it."""
        return self.keys_max * (1 - _SLOPE * min(unfinished / self.listers, 1))


@dataclass(slots=True)
class Pages:
    """Counts listed pages as useful or wasted.

    Attributes:
        useful: pages that a listing without splits would need, too; a cut page counts in part.
        wasted: the rest.
    """

    useful: float = 0.0
    wasted: float = 0.0

    def add(self, useful: float) -> None:
        """Count one page: this share of it is useful."""
        self.useful += useful
        self.wasted += 1.0 - useful

    def allow_split(self, unfinished: int) -> bool:
        """Say whether another split is affordable: each unfinished range may still waste a page."""
        return self.wasted + unfinished + 1 <= WASTED_PAGES + WASTED_SHARE * self.useful


class Ranges:
    """The ranges of one listing, in key order.

    Args:
        prefix: of the listing.
        after: exclusive lower bound, a whole key; None means from the first key.
        through: inclusive upper bound, a whole key; None means to the last.
        listers: limit of pages that are requested in parallel; with 1, no range is split.
        buffered_keys_max: limit of keys that wait for the consumer. When it is reached, only the first range
            goes on, and only while the consumer has nothing to do: that is at most one page more.

    Attributes:
        requests: number of pages requested.
        buffered_keys: keys that wait for the consumer.
    """

    def __init__(
        self, prefix: str, *, after: str | None, through: str | None, listers: int, buffered_keys_max: int
    ) -> None:
        self.requests = 0
        self.buffered_keys = 0
        self._prefix = prefix
        self._budget = Budget(listers=listers, keys_max=buffered_keys_max)
        self._ranges = [ListedRange(position=after, upper=through)]
        self._pages = Pages()
        self._page_keys = 1
        self._handed_over = 0
        self._requested = 0

    @property
    def ended(self) -> bool:
        """Whether every page was handed over; after an error, every page before it."""
        return not self._ranges or (self._ranges[0].error is not None and not self._ranges[0].pages)

    @property
    def error(self) -> BaseException | None:
        """The error that ended the listing; None if it ended with the last key."""
        return self._ranges[0].error if self._ranges else None

    def next_request(self) -> ListedRange | None:
        """Return the range to request a page of, as near the front as possible; None means wait."""
        if self._requested >= self._budget.listers:
            return None
        for before, (listed_range, keys_ahead) in enumerate(self._unfinished()):
            has_room = self._has_room(before)
            if listed_range.state is State.READY and (has_room or (before == 0 and self._handed_over == 0)):
                return self._request(listed_range)
            if not has_room:
                return None
            above = self._split(listed_range, self._budget.keys_ahead_max - keys_ahead)
            if above is not None:
                return self._request(above)
        return None

    def listed(self, listed_range: ListedRange, page: Page) -> list[ListedRange]:
        """Take a page that was requested; return the ranges that are dropped.

        Those are the ranges behind one that failed: the page's keys are not in order, or not after the
        position of the range.
        """
        if listed_range.dropped:
            return []
        keys = [each.key for each in page.objects]
        error = _check_order(page, keys, listed_range.position) or _check_trail(listed_range, page)
        if error is not None:
            return self.failed(listed_range, error)
        kept = len(keys) if listed_range.upper is None else bisect_right(keys, listed_range.upper)
        is_last = page.token is None or kept < len(keys) or (kept > 0 and keys[-1] == listed_range.upper)
        self._replied(listed_range, State.ENDED if is_last else State.READY, found=kept > 0)
        listed_range.token = page.token
        self._page_keys = max(self._page_keys, len(keys))
        full = len(keys) if page.token and keys else self._page_keys
        self._pages.add(kept / full if is_last else 1.0)
        if kept:
            listed_range.keep(keys[:kept], page.objects[:kept])
            listed_range.forecast.is_due = not any(other.below is listed_range for other in self._ranges)
            self.buffered_keys += kept
        return []

    def failed(self, listed_range: ListedRange, error: BaseException) -> list[ListedRange]:
        """Take the error of a page that was requested; return the ranges behind it, which are dropped."""
        if listed_range.dropped:
            return []
        self._replied(listed_range, State.FAILED, found=True)
        listed_range.error = error
        place = self._ranges.index(listed_range) + 1
        behind = self._ranges[place:]
        del self._ranges[place:]
        for each in behind:
            self._requested -= each.state is State.REQUESTED
            self.buffered_keys -= each.waiting_keys
            each.state = State.DROPPED
        return behind

    def in_order(self) -> Iterator[tuple[S3Object, ...]]:
        """Yield the next pages that are complete up to here, each once; none is empty."""
        while self._ranges:
            first = self._ranges[0]
            while first.pages:
                page = first.hand_over()
                self._handed_over += len(page)
                yield page
            if first.state is not State.ENDED:
                return
            del self._ranges[0]

    def taken(self, keys: int) -> None:
        """Note how many of the keys that were handed over the consumer has taken."""
        self._handed_over -= keys
        self.buffered_keys -= keys

    def _unfinished(self) -> Iterator[tuple[ListedRange, float]]:
        """Yield the ranges that may go on, with the estimated keys before each, while those are few."""
        keys_ahead = 0.0
        for listed_range in self._ranges:
            if listed_range.state is State.FAILED or keys_ahead > self._budget.keys_ahead_max:
                return
            if listed_range.state is not State.ENDED:
                yield listed_range, keys_ahead
            keys_ahead += listed_range.likely_keys

    def _has_room(self, unfinished: int) -> bool:
        """Say whether a range may request one more page, by the number of unfinished ranges before it."""
        keys = self.buffered_keys + (self._requested + 1) * self._page_keys
        return keys <= self._budget.keys_max_behind(unfinished)

    def _request(self, listed_range: ListedRange) -> ListedRange:
        listed_range.state = State.REQUESTED
        self._requested += 1
        self.requests += 1
        return listed_range

    def _replied(self, listed_range: ListedRange, state: State, *, found: bool) -> None:
        """Note a reply; the range below, which waited for this range's first reply, may be split again."""
        listed_range.state = state
        self._requested -= 1
        below, listed_range.below = listed_range.below, None
        if below is not None:
            below.forecast.is_due = True
            below.forecast.doubts += not found

    def _split(self, listed_range: ListedRange, keys_max: float) -> ListedRange | None:
        """Split off a new range, at most `keys_max` keys ahead, if this range has enough keys for two."""
        forecast = listed_range.forecast
        if (forecast.scale is None and not forecast.is_due) or not self._is_split_affordable():
            return None
        least = self._least_pages() * self._page_keys
        if forecast.is_due:
            forecast.judge(listed_range.upper, self._prefix, keys_min=2 * least)
        most = int(min(keys_max, max(2 * least, 4 * self._pages.useful * self._page_keys)))
        if forecast.scale is None or most < least:
            return None
        above = listed_range.split(forecast.scale, most=most, least=least)
        if above is not None:
            self._ranges.insert(self._ranges.index(listed_range) + 1, above)
        return above

    def _is_split_affordable(self) -> bool:
        unfinished = sum(each.state is not State.ENDED for each in self._ranges)
        return self._pages.allow_split(unfinished)

    def _least_pages(self) -> int:
        """Return how many pages either part of a split should have: fewer at first, to start sooner."""
        affordable = self._budget.keys_max // (self._page_keys * self._budget.listers)
        return max(min(affordable, _PAGES_MAX, int(self._pages.useful) // 4), _PAGES_MIN)


def _check_trail(listed_range: ListedRange, page: Page) -> RequestError | None:
    """Return the error of a page that does not lead on; None if it does, or is the last."""
    if page.token is None:
        return None
    return listed_range.trail.check(page.token, leads_on=bool(page.objects))


def _check_order(page: Page, keys: list[str], position: str | None) -> RequestError | None:
    """Return the error of a page whose keys are not in order or not after a position; None if they are."""
    if position is not None and keys and keys[0] <= position:
        wrong = position, keys[0]
    elif all(map(str.__lt__, keys, keys[1:])):
        return None
    else:
        wrong = next((left, right) for left, right in pairwise(keys) if right <= left)
    bucket = page.objects[0].bucket
    return RequestError(
        f"the listing of {bucket} is not sorted: {wrong[1]!r} comes after {wrong[0]!r}", code=Code.NOT_SORTED
    )
