"""What globs can match: whether any key passes a job's filters, without listing one.

A glob is a list of steps: one character of a set, or any text (`*`). All globs of a job's filters are read
together, one character at a time, as a search over what a key may begin with. Every set of characters that
the globs distinguish has one representative, so the search is over few characters.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase, translate
from functools import lru_cache
from heapq import heappop, heappush
from typing import TypeAlias

from s3copy_tasks.core.job import KEY_BYTES_MAX, key_bytes

_CLASS = r"\[!?+(?:\][^\]]*|[^\]]+)\]"
"""As `fnmatch` reads it; without its end, a bracket is an ordinary character."""
_STEP = re.compile(rf"{_CLASS}|.", re.DOTALL)
_NOT_LITERAL = re.compile(rf"[*?]|{_CLASS}", re.DOTALL)
_RANGE_ENDS = re.compile(r"(.)-(.)", re.DOTALL)
_OTHERS = ("a", "0", ".", "\ue000")
"""Characters of keys, for globs that name none of them."""
_SEARCH_MAX = 20_000
"""Steps of a search; a few hundred are the rule. Beyond it, a key is assumed to pass."""

Glob: TypeAlias = tuple[re.Pattern[str] | None, ...]
"""The steps of a glob: what one character must match, or None for `*`."""
_State: TypeAlias = tuple[frozenset[int], ...]
"""For each glob, how many of its steps the text so far may have matched."""


@lru_cache(maxsize=4096)
def parse_glob(text: str) -> Glob:
    """Return the steps of a glob, by the language of Python's `fnmatch`."""
    return tuple(None if step == "*" else re.compile(translate(step)) for step in _STEP.findall(text))


def find_literal_start(glob: str) -> str:
    """Return the text with which every key that a glob matches begins."""
    return _NOT_LITERAL.split(glob, maxsplit=1)[0]


def hide_classes(glob: str) -> str:
    """Return a glob with `?` in place of each class such as `[0-9]`: its characters are meant as they are."""
    return re.sub(_CLASS, "?", glob)


def shortest_bytes(glob: str) -> int:
    """Return the length in bytes of the shortest key that a glob can match."""
    return sum(1 if len(step) > 1 else key_bytes(step) for step in _STEP.findall(glob) if step != "*")


@lru_cache(maxsize=1024)
def can_pass(
    include: tuple[str, ...], exclude: tuple[str, ...], *, within: str = "*", folders: bool = True
) -> bool:
    """Say whether there can be a key, below its prefix, that an include glob matches and no exclude glob.

    Args:
        include: at least one.
        exclude: globs that win over include.
        within: a glob that the key must match, too.
        folders: whether the key may contain "/".
    """
    fits = [glob for glob in include if shortest_bytes(glob) <= KEY_BYTES_MAX]
    if any(_passes(key, (within, glob), exclude, folders) for glob in fits for key in _guess_keys(glob)):
        return True
    globs = [parse_glob(text) for text in (within, *fits, *exclude)]
    characters = [
        char for char in _find_representatives((within, *include, *exclude)) if folders or char != "/"
    ]
    split = 1 + len(fits)
    start = tuple(_skip_stars(glob, {0}) for glob in globs)
    seen, waiting, left = {start}, [(0, 0, start)], _SEARCH_MAX
    while waiting:
        state = heappop(waiting)[-1]
        ends = [len(glob) in steps for glob, steps in zip(globs, state, strict=True)]
        if ends[0] and any(ends[1:split]) and not any(ends[split:]):
            return True
        for char in characters:
            following = tuple(_read(glob, steps, char) for glob, steps in zip(globs, state, strict=True))
            left -= len(globs)
            if following[0] and any(following[1:split]) and following not in seen:
                seen.add(following)
                heappush(waiting, (-_progress(following[:split]), len(seen), following))
        if left < 0:
            return True
    return False


def _guess_keys(glob: str) -> Iterator[str]:
    """Yield texts that a glob may match: for most globs one of them makes a search needless."""
    steps = _STEP.findall(glob)
    for text in _OTHERS:
        one = {"*": text, "?": text[0]}
        yield "".join(one.get(step, step if len(step) == 1 else text[0]) for step in steps)


def _passes(key: str, wanted: Sequence[str], exclude: Sequence[str], folders: bool) -> bool:  # noqa: FBT001
    """Say whether a key matches all wanted globs, and no exclude glob."""
    return (
        (folders or "/" not in key)
        and all(fnmatchcase(key, glob) for glob in wanted)
        and not any(fnmatchcase(key, glob) for glob in exclude)
    )


def _progress(state: _State) -> int:
    """Return how far the globs to match have got: the search goes on where the end is nearest."""
    return sum(max(steps, default=0) for steps in state)


def _read(glob: Glob, steps: frozenset[int], char: str) -> frozenset[int]:
    """Return the steps of a glob that are matched after one more character."""
    reached = set()
    for step in steps:
        if step < len(glob):
            wanted = glob[step]
            if wanted is None:
                reached.add(step)
            elif wanted.match(char):
                reached.add(step + 1)
    return _skip_stars(glob, reached)


def _skip_stars(glob: Glob, steps: set[int]) -> frozenset[int]:
    """Add the steps after each `*`, which also matches no text."""
    waiting = list(steps)
    while waiting:
        step = waiting.pop()
        if step < len(glob) and glob[step] is None and step + 1 not in steps:
            steps.add(step + 1)
            waiting.append(step + 1)
    return frozenset(steps)


def _find_representatives(globs: Sequence[str]) -> Iterator[str]:
    """Yield a character of each set that the globs treat alike, and all that they name."""
    named = {char for glob in globs for char in glob}
    ends = {char for glob in globs for pair in _RANGE_ENDS.findall(glob) for char in pair}
    beside = {
        chr(ord(char) + way) for char in ends for way in (-1, 1) if 0 < ord(char) + way < sys.maxunicode
    }
    yield from sorted(named | beside | {*_OTHERS, "/"})
