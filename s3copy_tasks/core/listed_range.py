"""A key range while it is listed: how far the listing is, and where to split the range."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import TYPE_CHECKING

from s3copy_tasks.core.keyspace import Scale, Stretch
from s3copy_tasks.core.pages import PageTrail

if TYPE_CHECKING:
    from s3copy_tasks.core.objects import S3Object

_STRETCHES = 16
"""Pages that a range remembers, its own and those before it was split off: guesses are based on them."""
_SAMPLE_KEYS = 3
"""Keys of a page that are remembered."""
_DOUBT = 4
"""The estimate of a range is divided by this for each guess in it that found no key."""


class State(Enum):
    """What a range is waiting for."""

    READY = auto()  # to request its next page
    REQUESTED = auto()  # for the page that was requested
    ENDED = auto()  # for nothing: all of its pages have arrived
    FAILED = auto()  # for nothing: its last page was an error, which ends the listing
    DROPPED = auto()  # for nothing: it is behind a failed range, and its replies are ignored


@dataclass(slots=True, kw_only=True)
class Forecast:
    """Estimates the keys that a range still has, from the pages seen in it and just before it.

    Attributes:
        seen: the pages before its next one, the newest last.
        keys: estimate of the keys that are still to come; infinite if nothing is known.
        doubts: guesses in it that found no key, minus pages that found some.
        is_due: new pages were learned since the last `judge`.
        scale: where to split the range; None if a split is not worth it.
    """

    seen: tuple[Stretch, ...] = ()
    keys: float = math.inf
    doubts: int = 0
    is_due: bool = False
    scale: Scale | None = None

    @property
    def likely_keys(self) -> float:
        """The estimate, reduced for each wrong guess."""
        return self.keys / float(_DOUBT**self.doubts)

    def learn(self, stretch: Stretch) -> None:
        """Take the keys of a page: they are no longer to come."""
        self.seen = (*self.seen, stretch)[-_STRETCHES:]
        self.keys = max(self.keys - stretch.keys, 0)
        self.doubts = max(self.doubts - 1, 0)
        self.scale = None

    def judge(self, upper: str | None, prefix: str, *, keys_min: float) -> None:
        """Decide whether a range is worth a split: it is if at least `keys_min` keys are likely."""
        scale = Scale(self.seen, prefix)
        self.keys = scale.keys_between(self.seen[-1].upper, upper)
        self.scale = scale if self.likely_keys >= keys_min else None
        self.is_due = False


@dataclass(slots=True, eq=False, kw_only=True)
class ListedRange:
    """A range of keys while it is listed.

    Attributes:
        position: listed up to here: a whole key, or the guess after which it begins; None: not begun.
        upper: the last key that it may hold; None means open.
        token: opens its next page; None means request the keys after `position`.
        state: what it is waiting for.
        error: why its last page failed; only for a failed range.
        below: the range that it was split from, until its own first page has arrived.
        forecast: of the keys between `position` and `upper`.
        trail: checks that pages without keys lead on.
        pages: the pages that were not handed over yet, in order.
        waiting_keys: how many keys these pages have.
    """

    position: str | None
    upper: str | None
    token: str | None = None
    state: State = State.READY
    error: BaseException | None = None
    below: ListedRange | None = None
    forecast: Forecast = field(default_factory=Forecast)
    trail: PageTrail = field(default_factory=PageTrail)
    pages: deque[tuple[S3Object, ...]] = field(default_factory=deque)
    waiting_keys: int = 0

    @property
    def dropped(self) -> bool:
        """Whether its replies are ignored."""
        return self.state is State.DROPPED

    @property
    def likely_keys(self) -> float:
        """Keys that are likely to come, and those that wait here."""
        if self.state is State.ENDED:
            return self.waiting_keys
        return self.forecast.likely_keys + self.waiting_keys

    def keep(self, keys: list[str], page: tuple[S3Object, ...]) -> None:
        """Keep a page with its keys, at least one."""
        last = keys[-1]
        lower = keys[0] if self.position is None else self.position
        sample = (*keys[: -1 : max(len(keys) // (_SAMPLE_KEYS - 1), 1)], last)
        self.forecast.learn(Stretch(lower=lower, upper=last, keys=len(keys), sample=sample))
        self.position = last
        self.pages.append(page)
        self.waiting_keys += len(page)

    def hand_over(self) -> tuple[S3Object, ...]:
        """Remove and return the next page; there must be one."""
        page = self.pages.popleft()
        self.waiting_keys -= len(page)
        return page

    def split(self, scale: Scale, *, most: int, least: int) -> ListedRange | None:
        """Cut this range at a guess; return the range above it; None without a guess.

        Args:
            scale: the forecast's, which is used up by this.
            most: keys that this range should keep at most.
            least: keys that either range should have; if nothing is known, this one is expected to keep twice
                as many.
        """
        self.forecast.scale = None
        lower, seen = self.forecast.seen[-1].upper, self.forecast.seen
        guess = scale.split(lower, self.upper, most=most)
        if guess is None:
            return None
        forecast = Forecast(seen=seen, keys=scale.keys_between(guess, self.upper))
        above = ListedRange(position=guess, upper=self.upper, below=self, forecast=forecast)
        kept = scale.keys_between(lower, guess)
        self.upper, self.forecast.keys = guess, 2.0 * least if math.isinf(kept) else kept
        return above
