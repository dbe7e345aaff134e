"""Made-up listings of many keys: a server that computes pages, and the shapes that buckets have."""

from __future__ import annotations

import random
from bisect import bisect_right
from itertools import islice, product
from typing import TYPE_CHECKING, Any

from s3copy_tasks.core.store import Page

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence


class ListedKey:
    """The part of an object that listings need, created in a tenth of the time."""

    __slots__ = ("key",)
    bucket = "made-up"

    def __init__(self, key: str) -> None:
        self.key = key


class ListedKeys:
    """A prefix of sorted keys, listed as S3 does it."""

    def __init__(self, keys: Sequence[str], *, prefix: str = "", page_keys: int = 1_000) -> None:
        self.keys = keys
        self.prefix = prefix
        self.page_keys = page_keys
        self.requests = 0

    @property
    def pages(self) -> int:
        """Requests of a listing in one row."""
        return max(-(-len(self.keys) // self.page_keys), 1)

    def page(self, after: str | None, token: str | None) -> Page:
        self.requests += 1
        first = int(token) if token else (0 if after is None else bisect_right(self.keys, after))
        last = first + self.page_keys
        made: Any = tuple(map(ListedKey, self.keys[first:last]))
        return Page(objects=made, token=str(last) if last < len(self.keys) else None)


def _numbered(count: int) -> Iterator[str]:
    return (f"part-{i:09}.parquet" for i in range(count))


def _hashed(count: int) -> Iterator[str]:
    numbers = random.Random(1)
    return (f"{numbers.getrandbits(64):016x}.bin" for _ in range(count))


def _dated(count: int) -> Iterator[str]:
    days = product(range(2010, 2100), range(1, 13), range(1, 29), range(5_000))
    return (f"{y}/{m:02}/{d:02}/granule-{i:05}.nc" for y, m, d, i in islice(days, count))


def _unpadded(count: int) -> Iterator[str]:
    return (f"event-{i}.json" for i in range(count))


def _families(count: int) -> Iterator[str]:
    yield from (f"l1/{key}" for key in islice(_hashed(count), count // 2))
    yield from (f"level-2/{key}" for key in _numbered(count - count // 2))


def _huge(count: int) -> Iterator[str]:
    words = _words(500)
    yield from (f"{word}/readme-{i}" for word in words for i in range(4))
    yield from (f"logs/huge/event-{i:08}" for i in range(count - 4 * len(words)))


def _deep(count: int) -> Iterator[str]:
    words = _words(100)
    leaves = product(words, words, range(max(count // len(words) ** 2, 1)))
    return (f"{one}/{other}/granule-{i}" for one, other, i in leaves)


def _customers(count: int) -> Iterator[str]:
    return (f"{word}/invoice-{i:05}" for word in _words(1_000) for i in range(count // 1_000))


def _greek(count: int) -> Iterator[str]:
    letters, numbers = "αβγδεζηθικλμνξοπρστυφχψω", random.Random(2)
    return ("".join(numbers.choices(letters, k=8)) for _ in range(count))


def _words(count: int) -> list[str]:
    numbers, found = random.Random(3), set[str]()
    while len(found) < count:
        found.add("".join(numbers.choices("etaoinshrdlucmfwypvbgkjqxz", range(52, 0, -2), k=7)))
    return sorted(found)


SHAPES: dict[str, Callable[[int], Iterator[str]]] = {
    "numbered": _numbered,
    "hash names": _hashed,
    "dates, 5,000 a day": _dated,
    "numbers without zeros": _unpadded,
    "hashes, then numbers": _families,
    "one huge directory": _huge,
    "Greek": _greek,
    "1,000 customers": _customers,
    "deep tree of words": _deep,
}


def keys_of(shape: str, count: int) -> list[str]:
    """Return about `count` keys of a shape, sorted."""
    return sorted(set(SHAPES[shape](count)))
