"""The characters that one position of a key may hold, in order: the digits of keys as numbers."""

from __future__ import annotations

from bisect import bisect_right
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_BLOCK = 64
"""The smallest block of characters outside ASCII: the characters of one script are close together."""
_CACHED = 128
"""How many characters of an alphabet have their ranks cached."""


class Alphabet:
    """The characters that a position of a key may hold, in order.

    Args:
        intervals: first and last code points, in order, without surrogates.
    """

    def __init__(self, intervals: Sequence[tuple[int, int]]) -> None:
        self._intervals = tuple(intervals)
        self._firsts = [first for first, _ in intervals]
        self._ranks = [0]
        for first, last in intervals:
            self._ranks.append(self._ranks[-1] + last - first + 1)
        cached = range(min(self.size, _CACHED))
        self._places = {self.char(rank): (rank, 0) for rank in cached}

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
        """Return a character's rank from 0, and 0 if it belongs to the alphabet.

        Any other character gets the rank of the next one in the alphabet, and -1. After the last one it gets
        the last rank, and 1.
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
EVERY = Alphabet(_VALID)
ASCII_END = 0x7E - 0x20
"""The rank of the last ASCII character in `EVERY`."""
_PRINTABLE = Alphabet(_VALID[:1])
DIGITS = Alphabet(((0x30, 0x39),))
_LIKELY = (
    DIGITS,
    Alphabet(((0x61, 0x7A),)),  # a to z
    Alphabet(((0x41, 0x5A),)),  # A to Z
    Alphabet(((0x30, 0x39), (0x61, 0x66))),  # hexadecimal
    Alphabet(((0x30, 0x39), (0x41, 0x46))),
    Alphabet(((0x30, 0x39), (0x61, 0x7A))),
    Alphabet(((0x30, 0x39), (0x41, 0x5A))),
    Alphabet(((0x30, 0x39), (0x41, 0x5A), (0x61, 0x7A))),
    _PRINTABLE,
)
"""Alphabets that names are written in. The first one that holds all characters seen is used."""


@lru_cache(maxsize=1_024)
def guess_alphabet(seen: frozenset[str]) -> Alphabet:
    """Return the alphabet that some characters, at least one, are likely written in."""
    low, high = ord(min(seen)), ord(max(seen))
    if high < _VALID[1][0]:
        return next((alphabet for alphabet in _LIKELY if all(char in alphabet for char in seen)), _PRINTABLE)
    size = _BLOCK
    while low // size != high // size:
        size *= 2
    first = low // size * size
    inside = [(max(a, first), min(b, first + size - 1)) for a, b in _VALID]
    return Alphabet([(a, b) for a, b in inside if a <= b] or _VALID)


@lru_cache(maxsize=1_024)
def make_fixed(char: str) -> Alphabet:
    """Return the alphabet of one character."""
    return Alphabet(((ord(char), ord(char)),))
