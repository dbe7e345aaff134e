"""Begins listings before their turn: many small ones then take a round trip together, and not one each."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable

AHEAD = 16
"""Listings that are begun and not read yet; each holds a page of either side at most."""


class Begins(Protocol):
    """A listing that may ask for its first page before it is read."""

    def begin(self) -> None:
        """Ask for the first page."""

    def close(self) -> None:
        """Stop, if it was begun and not read."""


T = TypeVar("T", bound=Begins)


def begun_ahead(listings: Iterable[T]) -> Generator[T]:
    """Yield listings in their order, the next ones begun; whoever takes one reads it or closes it."""
    waiting: deque[T] = deque()
    try:
        for one in listings:
            one.begin()
            waiting.append(one)
            if len(waiting) > AHEAD:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()
    finally:
        for one in waiting:
            one.close()
