"""Guesses where the next keys of a listing are: keys as numbers, in the alphabets seen so far.

The pages seen so far show which characters vary, and how far a page reaches. A key is then a number whose
digits are its characters, each in its own alphabet. A guess is only a bound: a wrong one costs a request, but
never loses a key.

An example. A page has the keys of 1,000 parts; the first, the 501st and the last are kept as a sample:

>>> page = Stretch(
...     lower="in/part-000000",
...     upper="in/part-000999",
...     keys=1_000,
...     sample=("in/part-000000", "in/part-000500", "in/part-000999"),
... )
>>> scale = Scale([page], prefix="in/")

They differ in the last three characters, which are digits. The digits before those may vary later, so all six
count. Letters that never varied are taken as fixed, so "in/part-" does not count. The number of a key is the
value of its six digits:

>>> scale.number("in/part-000999"), scale.number("in/part-004999")
(999, 4999)
>>> scale.key(4_999)
'in/part-004999'

A page of 1,000 keys went from number 0 to 999, so the next 4,000 numbers are about 4,000 keys:

>>> round(scale.keys_between("in/part-000999", "in/part-004999"))
4004

To split off the keys that are more than 5,000 ahead, the guess is 5,000 numbers further. If the listing is
known to end at number 4,999, the middle between 999 and 4,999 is nearer, and is used instead:

>>> scale.split("in/part-000999", None, most=5_000)
'in/part-005994'
>>> scale.split("in/part-000999", "in/part-004999", most=5_000)
'in/part-002999'
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise, starmap, takewhile
from typing import TYPE_CHECKING

from s3copy_tasks.core.alphabet import ASCII_END, DIGITS, EVERY, guess_alphabet, make_fixed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from s3copy_tasks.core.alphabet import Alphabet

KEY_BYTES_MAX = 1_024
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html"""
_FINE_CHARACTERS = 3
"""How many more characters a number has, after the first one in which the closest sample keys differ."""
_SURE = 8
"""Number of keys after which a position that never varied, behind one that did, is taken as fixed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A part of the listing that was seen.

    Attributes:
        lower: exclusive lower bound; a key or a guess.
        upper: its last key.
        keys: number of its keys, at least 1.
        sample: some of them, in order.
    """

    lower: str
    upper: str
    keys: int
    sample: tuple[str, ...]


class Scale:
    """Maps the keys of a neighbourhood to numbers, in order; keys that are close may share a number.

    Args:
        stretches: the parts that were seen there, in order, at least one.
        prefix: of the listing; every key begins with it.
    """

    def __init__(self, stretches: Sequence[Stretch], prefix: str) -> None:
        self._prefix = prefix
        sample = [key for stretch in stretches for key in stretch.sample]
        alphabets = _find_alphabets(sample, len(prefix))
        fixed = next((i for i, alphabet in enumerate(alphabets) if alphabet.size > 1), len(alphabets))
        self._alphabets = alphabets[fixed:]
        self._head = sample[-1][: len(prefix) + fixed]
        self._last = math.prod(alphabet.size for alphabet in self._alphabets) - 1
        self._units, self._keys = self._measure_density(stretches)

    def _measure_density(self, stretches: Sequence[Stretch]) -> tuple[int, int]:
        """Return how many numbers the stretches span, and how many keys they have: guesses use the ratio."""
        spans = [
            (max(self.number(stretch.upper) - self.number(stretch.lower), 0), stretch.keys)
            for stretch in stretches
        ]
        spans.sort(key=lambda span: _divide(*span))
        typical = spans[: len(spans) - len(spans) // 8]  # a gap between families says nothing
        return sum(units for units, _ in typical), sum(keys for _, keys in typical)

    def number(self, key: str) -> int:
        """Return a key's number."""
        size = len(self._head)
        if key[:size] != self._head:
            return 0 if key < self._head else self._last
        number, side = 0, 0
        for place, alphabet in enumerate(self._alphabets, start=size):
            rank = 0 if side < 0 else alphabet.size - 1
            if side == 0:
                rank, side = alphabet.place(key[place]) if place < len(key) else (0, -1)
            number = number * alphabet.size + rank
        return number

    def key(self, number: int) -> str:
        """Return the first key of a number."""
        chars = []
        for alphabet in reversed(self._alphabets):
            number, rank = divmod(number, alphabet.size)
            chars.append(alphabet.char(rank))
        return self._head + "".join(reversed(chars))

    def keys_between(self, lower: str, upper: str | None) -> float:
        """Estimate the number of keys between two bounds; infinite if nothing is known.

        Args:
            lower: lower bound, in the neighbourhood.
            upper: None means open.
        """
        high = self._number_upper(upper)
        if not self._units or high is None:
            return math.inf
        return _divide(max(high - self.number(lower), 0) * self._keys, self._units)

    def split(self, lower: str, upper: str | None, *, most: int) -> str | None:
        """Return where to split the keys between two bounds: in the middle, or nearer to `lower`.

        Args:
            lower: a key that was seen.
            upper: None means open.
            most: keys that the lower part should have at most.

        Returns:
            None if no guess lies between them.
        """
        if not self._units:
            return find_middle(lower, upper, self._prefix)
        low, high = self.number(lower), self._number_upper(upper)
        guessed = low + max(most * self._units // self._keys, 1)
        if high is not None:
            guessed = min(guessed, (low + high) // 2)
        guess = self._find_end() if guessed > self._last else self.key(guessed)
        return fit_guess(guess, lower, upper) or find_middle(lower, upper, self._prefix)

    def _number_upper(self, upper: str | None) -> int | None:
        """Return an upper bound's number; None if it comes after every key that the alphabets can write."""
        end = self._find_end()
        return None if upper is None or (end is not None and end < upper) else self.number(upper)

    def _find_end(self) -> str | None:
        """Return a bound after every key that the alphabets can write; None if no character follows."""
        if not self._alphabets:
            return None
        rank, side = EVERY.place(chr(self._alphabets[0].last))
        following = rank + 1 if side == 0 else rank
        return self._head + EVERY.char(following) if following < EVERY.size else None


def find_middle(lower: str, upper: str | None, prefix: str) -> str | None:
    """Return a string between two bounds; None if none is useful.

    It is the middle of the first characters that differ. Between ASCII and other characters it is the end of
    ASCII: few keys come after that.

    Args:
        lower: begins with `prefix`.
        upper: None means open, up to the end of the prefix.
        prefix: of the listing.
    """
    place, high = len(prefix), EVERY.size
    if upper is not None and upper.startswith(prefix):
        place = count_shared(lower, upper)
        high = EVERY.place(upper[place])[0]
    for end in range(place, len(lower) + 1):
        low = _find_rank(lower[end]) if end < len(lower) else -1
        rank = ASCII_END if low < ASCII_END < high - 1 else (low + high) // 2
        if low < rank < high:
            return fit_guess(lower[:end] + EVERY.char(rank), lower, upper)
        high = EVERY.size  # a longer string is below `upper` whatever follows
    return None


def _find_rank(char: str) -> int:
    """Return the rank of a character, or of the one before it if a guess must not contain it."""
    rank, side = EVERY.place(char)
    return rank - 1 if side < 0 else rank


def fit_guess(guess: str | None, lower: str, upper: str | None) -> str | None:
    """Return the guess, cut to the length of a key, if it lies between the bounds; else None."""
    if guess is None:
        return None
    guess = guess.encode()[:KEY_BYTES_MAX].decode(errors="ignore")
    return guess if lower < guess and (upper is None or guess < upper) else None


def count_shared(left: str, right: str) -> int:
    """Return the length of the common beginning of two keys."""
    low, high = 0, min(len(left), len(right))
    while low < high:
        half = (low + high + 1) // 2
        low, high = (half, high) if left[:half] == right[:half] else (low, half - 1)
    return low


def _find_alphabets(sample: Sequence[str], start: int) -> list[Alphabet]:
    """Return the alphabets of positions, from `start` to where the closest keys of a sorted sample differ."""
    last = sample[-1]
    common = count_shared(sample[0], last)
    columns = _find_columns(sample, common)
    name = _find_name(last, common)
    inside = frozenset().union(*(column for place, column in enumerate(columns, common) if place in name))
    named = frozenset(char for char in inside if char.isalnum())
    made = [
        _guess_fixed(last[place], named if place in name else frozenset()) for place in range(start, common)
    ]
    for place, column in enumerate(columns, common):
        if place > common and len(column) == 1 and len(sample) > _SURE:
            made.append(make_fixed(min(column)))
        else:
            made.append(guess_alphabet(column | named if place in name else column))
    return made


def _find_columns(sample: Sequence[str], start: int) -> list[frozenset[str]]:
    """Return the characters seen at each position, from `start` to where the closest keys differ."""
    end = max(starmap(count_shared, pairwise(sample)), default=start) + 1 + _FINE_CHARACTERS
    columns = (frozenset(key[place] for key in sample if place < len(key)) for place in range(start, end))
    return list(takewhile(bool, columns))


def _guess_fixed(char: str, named: frozenset[str]) -> Alphabet:
    """Return the alphabet of a position that never varied, in a name whose other positions did."""
    if named and char in guess_alphabet(named):
        return guess_alphabet(named)
    return DIGITS if char in DIGITS else make_fixed(char)


def _find_name(key: str, place: int) -> range:
    """Return the positions of the letters and digits around a position."""
    first = last = place
    while first > 0 and key[first - 1].isalnum():
        first -= 1
    while last < len(key) and key[last].isalnum():
        last += 1
    return range(first, last)


def _divide(dividend: int, divisor: int) -> float:
    """Return a quotient; infinite if it exceeds a float: numbers of long keys have many digits."""
    try:
        return dividend / divisor
    except OverflowError:
        return math.inf
