"""One listing in many key ranges that are found while listing: which page to ask for next.

A range is split while it is being listed: a new one takes what lies above a guess, the old one ends there.
Nothing here asks for a page: `Ranges` says what to ask, is told what came, and gives the pages in order.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import deque
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from s3copy_tasks.core.keyspace import Scale, Stretch
from s3copy_tasks.errors import NOT_S3, NOT_SORTED, RequestError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from s3copy_tasks.core.objects import S3Object
    from s3copy_tasks.core.store import Page

WASTED_PAGES, WASTED_SHARE = 20, 0.1
"""Pages that may be asked for in vain: so many, and this share of those that a listing in one row needs."""
_PAGES_MIN, _PAGES_MAX = 3, 6
"""What either part of a split should have. The last page of a range is cut, so short ones waste much; but all
ranges ahead of the consumer wait in memory, so long ones need much."""
_AHEAD = 1.5
"""How far ahead of the consumer ranges are listed, in budgets: by the time a range is its turn, it is done,
and the ones behind it are less so."""
_SLOPE = 0.3
"""Which share of the budget the range that is farthest ahead must leave to those before it."""
_STRETCHES = 16
"""Pages that a range remembers, its own and those before it was split off: a guess is made from them."""
_SAMPLE_KEYS = 3
"""Keys that are remembered of a page."""
_DOUBT = 4
"""By how much the estimate of a range shrinks when a guess in it found nothing."""


@dataclass(slots=True, eq=False)
class ListedRange:
    """A range of keys while it is listed.

    Attributes:
        position: listed up to here: a whole key, or the guess that it begins after; None: the very first key.
        upper: the last key that it may hold; None means open.
        token: opens its next page; None means ask for what comes after `position`.
        seen: what was listed here, and before it was split off.
        below: the range that it was split from, as long as no page of this one came.
        estimate: keys that may still come.
        asked: a page was asked for and has not come.
        ended: there is nothing more to ask for.
        dropped: an error came before it: what it still gets is of no interest.
        error: what its last page came to.
        has_keys: it was listed from a key, so it may be split.
        to_look_at: whether it is worth a split was not looked at since its last page.
        scale: where to split it; None where that is not worth it.
        doubts: guesses in it that found nothing, less pages that found something.
        pages: not handed over yet, in order.
    """

    position: str | None
    upper: str | None
    token: str | None = None
    seen: tuple[Stretch, ...] = ()
    below: ListedRange | None = None
    estimate: float = math.inf
    asked: bool = False
    ended: bool = False
    dropped: bool = False
    error: BaseException | None = None
    has_keys: bool = False
    to_look_at: bool = False
    scale: Scale | None = None
    doubts: int = 0
    pages: deque[tuple[S3Object, ...]] = field(default_factory=deque)

    @property
    def likely_keys(self) -> float:
        """Keys that will come, as far as can be told, and those that wait here."""
        coming = 0 if self.ended else self.estimate / _DOUBT**self.doubts
        return coming + sum(len(page) for page in self.pages)


class Ranges:
    """The ranges of one listing, in key order.

    Args:
        prefix: of the listing.
        after: exclusive lower bound, a whole key; None means from the first key.
        through: inclusive upper bound, a whole key; None means to the last.
        listers: pages that may be asked for at once; with 1 nothing is ever split.
        buffered_keys_max: keys that may wait for the consumer. When they are that many, only the range at the
            front goes on, and only while the consumer has nothing to do: that is a page more at most.

    Attributes:
        requests: pages asked for.
        wasted: of these, what came in vain, in pages.
        buffered_keys: keys that wait for the consumer.
    """

    def __init__(
        self, prefix: str, *, after: str | None, through: str | None, listers: int, buffered_keys_max: int
    ) -> None:
        self.requests = 0
        self.wasted = 0.0
        self.buffered_keys = 0
        self._prefix = prefix
        self._listers = listers
        self._buffered_keys_max = buffered_keys_max
        self._ranges = [ListedRange(position=after, upper=through)]
        self._page_keys = 1
        self._handed_over = 0
        self._asked = 0
        self._useful = 0.0

    @property
    def ended(self) -> bool:
        """Whether every page was handed over; where there is an error, those before it."""
        return not self._ranges or (self._ranges[0].error is not None and not self._ranges[0].pages)

    @property
    def error(self) -> BaseException | None:
        """What a listing that has ended ended with; None means with its last key."""
        return self._ranges[0].error if self._ranges else None

    def next_request(self) -> ListedRange | None:
        """Return the range to ask for a page of, near the front; None means wait for a page, or for room."""
        if self._asked >= self._listers:
            return None
        ahead, alive = 0.0, 0
        for index, one in enumerate(self._ranges):
            if one.error is not None or ahead > _AHEAD * self._buffered_keys_max:
                return None
            if not one.ended:
                room = self._has_room(alive)
                if not one.asked and (room or (alive == 0 and self._handed_over == 0)):
                    return self._ask(one)
                if not room:
                    return None
                upper = self._split(index, one, _AHEAD * self._buffered_keys_max - ahead)
                if upper is not None:
                    return self._ask(upper)
                alive += 1
            ahead += one.likely_keys
        return None

    def listed(self, one: ListedRange, page: Page) -> list[ListedRange]:
        """Take a page that was asked for; return the ranges whose pages are of no interest any more.

        Those are the ranges behind one that failed: the page's keys are not in order, or not after those
        that are known.
        """
        if one.dropped:
            return []
        keys = [each.key for each in page.objects]
        error = _disorder(page, keys, one.position) or _standstill(page, one.token)
        if error is not None:
            return self.failed(one, error)
        self._answered(one)
        self._page_keys = max(self._page_keys, len(keys))
        kept = len(keys) if one.upper is None else bisect_right(keys, one.upper)
        one.ended = page.token is None or kept < len(keys) or (kept > 0 and keys[-1] == one.upper)
        one.token = page.token
        share = kept / (len(keys) if page.token and keys else self._page_keys) if one.ended else 1.0
        self._useful += share
        self.wasted += 1.0 - share
        self._look_at_below(one, found=kept > 0)
        if kept:
            self._keep(one, keys[:kept], page.objects[:kept])
        return []

    def failed(self, one: ListedRange, error: BaseException) -> list[ListedRange]:
        """Take the error of a page that was asked for; return the ranges behind it, which are dropped."""
        if one.dropped:
            return []
        self._answered(one)
        one.error = error
        place = self._ranges.index(one) + 1
        behind = self._ranges[place:]
        del self._ranges[place:]
        for each in behind:
            each.dropped = True
            self._asked -= each.asked
            self.buffered_keys -= sum(len(page) for page in each.pages)
        self._look_at_below(one, found=True)
        return behind

    def in_order(self) -> Iterator[tuple[S3Object, ...]]:
        """Yield the pages that are next, each once, none of them empty."""
        while self._ranges:
            first = self._ranges[0]
            while first.pages:
                page = first.pages.popleft()
                self._handed_over += len(page)
                yield page
            if not first.ended:
                return
            del self._ranges[0]

    def taken(self, keys: int) -> None:
        """Take note that the consumer has taken so many keys of those that were handed over."""
        self._handed_over -= keys
        self.buffered_keys -= keys

    def _has_room(self, ahead: int) -> bool:
        """Say whether a page more may be asked for, as many ranges ahead."""
        most = self._buffered_keys_max * (1 - _SLOPE * min(ahead / self._listers, 1))
        return self.buffered_keys + (self._asked + 1) * self._page_keys <= most

    def _ask(self, one: ListedRange) -> ListedRange:
        one.asked = True
        self._asked += 1
        self.requests += 1
        return one

    def _answered(self, one: ListedRange) -> None:
        one.asked = False
        self._asked -= 1

    def _look_at_below(self, one: ListedRange, *, found: bool) -> None:
        """The range below, which was split for this one, may be split again."""
        below, one.below = one.below, None
        if below is not None:
            below.to_look_at = below.has_keys
            below.doubts += not found

    def _keep(self, one: ListedRange, keys: list[str], page: tuple[S3Object, ...]) -> None:
        last = keys[-1]
        lower = keys[0] if one.position is None else one.position
        sample = (*keys[: -1 : max(len(keys) // (_SAMPLE_KEYS - 1), 1)], last)
        stretch = Stretch(lower=lower, upper=last, keys=len(keys), sample=sample)
        one.seen = (*one.seen, stretch)[-_STRETCHES:]
        one.position, one.has_keys = last, True
        one.estimate = max(one.estimate - len(keys), 0)
        one.doubts = max(one.doubts - 1, 0)
        one.to_look_at = not any(other.below is one for other in self._ranges)
        one.scale = None
        one.pages.append(page)
        self.buffered_keys += len(keys)

    def _split(self, index: int, one: ListedRange, room: float) -> ListedRange | None:
        """Return a new range above, at most `room` keys ahead, where this one holds enough for two."""
        alive = sum(not each.ended for each in self._ranges)
        if self.wasted + alive + 1 > WASTED_PAGES + WASTED_SHARE * self._useful:  # each may waste a page yet
            return None
        least = self._least_pages() * self._page_keys
        if one.to_look_at and one.position is not None:
            one.to_look_at = False
            scale = Scale(one.seen, self._prefix)
            one.estimate = scale.keys_between(one.position, one.upper)
            one.scale = scale if one.estimate >= 2 * least * _DOUBT**one.doubts else None
        most = int(min(room, max(2 * least, 2 * self._useful * self._page_keys)))
        if one.scale is None or one.position is None or most < least:
            return None
        scale, one.scale = one.scale, None
        guess = scale.split(one.position, one.upper, most=most)
        if guess is None:
            return None
        upper = ListedRange(position=guess, upper=one.upper, seen=one.seen, below=one)
        upper.estimate = scale.keys_between(guess, one.upper)
        known = scale.keys_between(one.position, guess)
        one.upper, one.estimate = guess, 2.0 * least if math.isinf(known) else known
        self._ranges.insert(index + 1, upper)
        return upper

    def _least_pages(self) -> int:
        """Return how many pages either part of a split should have: fewer at first, so that it gets going."""
        affordable = self._buffered_keys_max // (self._page_keys * self._listers)
        return max(min(affordable, _PAGES_MAX, int(self._useful) // 4), _PAGES_MIN)


def _standstill(page: Page, token: str | None) -> RequestError | None:
    """Return what is wrong with a page that has no keys and leads to itself, without end."""
    if page.objects or page.token is None or page.token != token:
        return None
    return RequestError("a page of the listing is empty, and leads to itself", code=NOT_S3)


def _disorder(page: Page, keys: list[str], position: str | None) -> RequestError | None:
    """Return what is wrong with the order of a page's keys, all of which come after a position."""
    if position is not None and keys and keys[0] <= position:
        wrong = position, keys[0]
    elif all(map(str.__lt__, keys, keys[1:])):
        return None
    else:
        wrong = next((one, other) for one, other in pairwise(keys) if other <= one)
    bucket = page.objects[0].bucket
    return RequestError(
        f"the listing of {bucket} is not sorted: {wrong[1]!r} comes after {wrong[0]!r}", code=NOT_SORTED
    )
