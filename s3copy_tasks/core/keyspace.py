"""Where the next keys of a listing may be: keys as numbers, written in the alphabets that were seen.

What was seen of a listing says which characters vary, and how far a page reaches. A key then is a number
whose digits are its characters, each in its own alphabet: "part-0009" plus one page of 1,000 keys is
"part-0019". Digits may always vary; other characters that never varied are taken as fixed. A guess that is
wrong costs a request, and never a key: it is only a bound.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise, starmap, takewhile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

KEY_BYTES_MAX = 1_024
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html"""
_FINE_CHARACTERS = 3
"""Characters of a number after the one by which the closest keys of the sample differ."""
_BLOCK = 64
"""Characters outside ASCII come in blocks, as those of a script do: the smallest that is looked at."""

_FEW = 128
"""Characters whose ranks an alphabet keeps at hand."""
_SURE = 8
"""Keys after which a place that never varied, behind one that did, is taken as fixed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A stretch of the listing that was seen.

    Attributes:
        lower: where it begins, exclusive; a key or a guess.
        upper: its last key.
        keys: how many there are in it, at least 1.
        sample: some of them, in order.
    """

    lower: str
    upper: str
    keys: int
    sample: tuple[str, ...]


class Alphabet:
    """The characters that a place of a key may hold, in order.

    Args:
        intervals: code points from and through, in order, without surrogates.
    """

    def __init__(self, intervals: Sequence[tuple[int, int]]) -> None:
        self._intervals = tuple(intervals)
        self._firsts = [first for first, _ in intervals]
        self._ranks = [0]
        for first, last in intervals:
            self._ranks.append(self._ranks[-1] + last - first + 1)
        few = range(min(self.size, _FEW))
        self._places = {self.char(rank): (rank, 0) for rank in few}

    @property
    def size(self) -> int:
        """Number of characters."""
        return self._ranks[-1]

    @property
    def last(self) -> int:
        """The code point of the last character."""
        return self._intervals[-1][1]

    def __contains__(self, char: str) -> bool:
        return self.place(char)[1] == 0

    def place(self, char: str) -> tuple[int, int]:
        """Return a character's rank from 0, and 0 where it is one of the alphabet.

        Any other has the rank of the one that follows, and -1; after the last it has the last rank, and 1.
        """
        known = self._places.get(char)
        if known is not None:
            return known
        code = ord(char)
        index = bisect_right(self._firsts, code) - 1
        if index < 0:
            return 0, -1
        first, last = self._intervals[index]
        if code <= last:
            return self._ranks[index] + code - first, 0
        following = self._ranks[index + 1]
        return (following, -1) if following < self.size else (self.size - 1, 1)

    def char(self, rank: int) -> str:
        """Return the character of a rank."""
        index = bisect_right(self._ranks, rank) - 1
        return chr(self._firsts[index] + rank - self._ranks[index])


_VALID = ((0x20, 0x7E), (0xA0, 0xD7FF), (0xE000, 0xFFFD), (0x10000, 0x10FFFF))
"""Characters that a guess may hold: no control characters, no surrogates, nothing that XML forbids."""
_EVERY = Alphabet(_VALID)
_ASCII_END = 0x7E - 0x20
_PRINTABLE = Alphabet(_VALID[:1])
_DIGITS = Alphabet(((0x30, 0x39),))
_LIKELY = (
    _DIGITS,
    Alphabet(((0x61, 0x7A),)),  # a to z
    Alphabet(((0x41, 0x5A),)),  # A to Z
    Alphabet(((0x30, 0x39), (0x61, 0x66))),  # hexadecimal
    Alphabet(((0x30, 0x39), (0x41, 0x46))),
    Alphabet(((0x30, 0x39), (0x61, 0x7A))),
    Alphabet(((0x30, 0x39), (0x41, 0x5A))),
    Alphabet(((0x30, 0x39), (0x41, 0x5A), (0x61, 0x7A))),
    _PRINTABLE,
)
"""Alphabets that names are written in. The first that holds what was seen is taken."""


@lru_cache(maxsize=1_024)
def alphabet(seen: frozenset[str]) -> Alphabet:
    """Return the likely alphabet of some characters."""
    low, high = ord(min(seen)), ord(max(seen))
    if high < _VALID[1][0]:
        return next((one for one in _LIKELY if all(char in one for char in seen)), _PRINTABLE)
    size = _BLOCK
    while low // size != high // size:
        size *= 2
    first = low // size * size
    inside = [(max(a, first), min(b, first + size - 1)) for a, b in _VALID]
    return Alphabet([(a, b) for a, b in inside if a <= b] or _VALID)


def _quotient(one: int, other: int) -> float:
    """Return a quotient, infinite where a float is too small: numbers of long keys have many digits."""
    try:
        return one / other
    except OverflowError:
        return math.inf


class Scale:
    """The keys of a neighbourhood as numbers: in their order, though close ones may share a number.

    Args:
        stretches: what was seen there, in order, at least one.
        prefix: of the listing; every key begins with it.
    """

    def __init__(self, stretches: Sequence[Stretch], prefix: str) -> None:
        self._prefix = prefix
        sample = [key for one in stretches for key in one.sample]
        alphabets = _alphabets(sample, len(prefix))
        fixed = next((i for i, one in enumerate(alphabets) if one.size > 1), len(alphabets))
        self._alphabets = alphabets[fixed:]
        self._head = sample[-1][: len(prefix) + fixed]
        self._last = math.prod(one.size for one in self._alphabets) - 1
        spans = [(max(self.number(one.upper) - self.number(one.lower), 0), one.keys) for one in stretches]
        spans.sort(key=lambda span: _quotient(*span))
        typical = spans[: len(spans) - len(spans) // 8]  # a gap between families says nothing of either
        self._units = sum(units for units, _ in typical)
        self._keys = sum(keys for _, keys in typical)

    def number(self, key: str) -> int:
        """Return a key's number."""
        size = len(self._head)
        if key[:size] != self._head:
            return 0 if key < self._head else self._last
        number, side = 0, 0
        for place, one in enumerate(self._alphabets, start=size):
            rank = 0 if side < 0 else one.size - 1
            if side == 0:
                rank, side = one.place(key[place]) if place < len(key) else (0, -1)
            number = number * one.size + rank
        return number

    def key(self, number: int) -> str:
        """Return the first key of a number."""
        chars = []
        for one in reversed(self._alphabets):
            number, rank = divmod(number, one.size)
            chars.append(one.char(rank))
        return self._head + "".join(reversed(chars))

    def keys_between(self, lower: str, upper: str | None) -> float:
        """Estimate the number of keys between two bounds; infinite where nothing is known of it.

        Args:
            lower: of the neighbourhood.
            upper: None means open.
        """
        high = self._high(upper)
        if not self._units or high is None:
            return math.inf
        return _quotient(max(high - self.number(lower), 0) * self._keys, self._units)

    def split(self, lower: str, upper: str | None, *, most: int) -> str | None:
        """Return where to split the keys between two bounds: in the middle, or nearer to `lower`.

        Args:
            lower: a key that was seen.
            upper: None means open.
            most: keys that the lower part should have at most.

        Returns:
            None where there is no guess between them.
        """
        if not self._units:
            return middle(lower, upper, self._prefix)
        low, high = self.number(lower), self._high(upper)
        guessed = low + max(most * self._units // self._keys, 1)
        if high is not None:
            guessed = min(guessed, (low + high) // 2)
        guess = self._end() if guessed > self._last else self.key(guessed)
        return fitting(guess, lower, upper) or middle(lower, upper, self._prefix)

    def _high(self, upper: str | None) -> int | None:
        """Return an upper bound's number, None where it lies behind all that the alphabets can write."""
        end = self._end()
        return None if upper is None or (end is not None and end < upper) else self.number(upper)

    def _end(self) -> str | None:
        """Return a bound after every key that the alphabets can write; None where no character follows."""
        if not self._alphabets:
            return None
        rank, side = _EVERY.place(chr(self._alphabets[0].last))
        following = rank + 1 if side == 0 else rank
        return self._head + _EVERY.char(following) if following < _EVERY.size else None


def middle(lower: str, upper: str | None, prefix: str) -> str | None:
    """Return a string between two bounds, None where none is worth a guess.

    It is the middle of the first characters that differ. Between ASCII and anything else it is the end of
    ASCII: most keys have nothing behind it.

    Args:
        lower: begins with `prefix`.
        upper: None means open, up to the end of the prefix.
        prefix: of the listing.
    """
    place, high = len(prefix), _EVERY.size
    if upper is not None and upper.startswith(prefix):
        place = shared(lower, upper)
        high = _EVERY.place(upper[place])[0]
    while place <= len(lower):
        low = -1
        if place < len(lower):
            rank, side = _EVERY.place(lower[place])
            low = rank - 1 if side < 0 else rank
        if low < _ASCII_END < high - 1:
            return fitting(lower[:place] + _EVERY.char(_ASCII_END), lower, upper)
        if high - low > 1:
            return fitting(lower[:place] + _EVERY.char((low + high) // 2), lower, upper)
        place, high = place + 1, _EVERY.size
    return None


def fitting(guess: str | None, lower: str, upper: str | None) -> str | None:
    """Return the guess, cut to the length of a key, if it lies between the bounds; else None."""
    if guess is None:
        return None
    guess = guess.encode()[:KEY_BYTES_MAX].decode(errors="ignore")
    return guess if lower < guess and (upper is None or guess < upper) else None


def shared(one: str, other: str) -> int:
    """Return how many characters two keys begin with in common."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        half = (low + high + 1) // 2
        low, high = (half, high) if one[:half] == other[:half] else (low, half - 1)
    return low


def _alphabets(sample: Sequence[str], start: int) -> list[Alphabet]:
    """Return the alphabets of the places from `start` to where the closest keys of a sorted sample differ."""
    last = sample[-1]
    common = shared(sample[0], last)
    columns = _columns(sample, common)
    name = _name(last, common)
    inside = frozenset().union(*(column for place, column in enumerate(columns, common) if place in name))
    named = frozenset(char for char in inside if char.isalnum())
    made = [_before(last[place], named if place in name else frozenset()) for place in range(start, common)]
    for place, column in enumerate(columns, common):
        sure = place > common and len(column) == 1 and len(sample) > _SURE
        made.append(_fixed(min(column)) if sure else alphabet(column | named if place in name else column))
    return made


def _columns(sample: Sequence[str], start: int) -> list[frozenset[str]]:
    """Return the characters that were seen in the places from `start`, down to what tells keys apart."""
    end = max(starmap(shared, pairwise(sample)), default=start) + 1 + _FINE_CHARACTERS
    columns = (frozenset(key[place] for key in sample if place < len(key)) for place in range(start, end))
    return list(takewhile(bool, columns))


def _before(char: str, named: frozenset[str]) -> Alphabet:
    """Return the alphabet of a place that never varied, in a name of which other places did."""
    if named and char in alphabet(named):
        return alphabet(named)
    return _DIGITS if char in _DIGITS else _fixed(char)


@lru_cache(maxsize=1_024)
def _fixed(char: str) -> Alphabet:
    """Return the alphabet of one character."""
    return Alphabet(((ord(char), ord(char)),))


def _name(key: str, place: int) -> range:
    """Return the places of the letters and digits around one."""
    first = last = place
    while first > 0 and key[first - 1].isalnum():
        first -= 1
    while last < len(key) and key[last].isalnum():
        last += 1
    return range(first, last)
