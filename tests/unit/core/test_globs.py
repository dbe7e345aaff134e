"""What globs can match, without a listing: `fnmatch` is the oracle."""

from __future__ import annotations

from fnmatch import fnmatchcase
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3copy_tasks.core.globs import can_pass, find_literal_start, parse_glob, shortest_bytes

TEXTS = ["".join(letters) for length in range(5) for letters in product("ab/]", repeat=length)]
GLOBS = st.lists(st.text(alphabet="ab/*?[]!-", max_size=6), min_size=1, max_size=3)


def passes(text: str, include: tuple[str, ...], exclude: tuple[str, ...]) -> bool:
    return any(fnmatchcase(text, glob) for glob in include) and not any(
        fnmatchcase(text, glob) for glob in exclude
    )


@settings(max_examples=200, deadline=None)
@given(include=GLOBS, exclude=st.lists(st.text(alphabet="ab/*?[]!-", max_size=5), max_size=3))
def test_a_key_that_passes_is_never_denied(include: list[str], exclude: list[str]) -> None:
    """Where a short key passes, it is said that one can, with and without folders."""
    found = [text for text in TEXTS if text and passes(text, tuple(include), tuple(exclude))]
    assert can_pass(tuple(include), tuple(exclude)) or not found
    flat = [text for text in found if "/" not in text]
    assert can_pass(tuple(include), tuple(exclude), folders=False) or not flat


@settings(max_examples=200, deadline=None)
@given(glob=st.text(alphabet="ab/*?[]!^-", max_size=8))
def test_a_glob_is_read_as_fnmatch_reads_it(glob: str) -> None:
    """Its steps, one after the other, match the same texts."""
    steps = parse_glob(glob)
    if None in steps:
        return
    for text in TEXTS:
        matched = len(text) == len(steps) and all(
            step is not None and step.match(char) for step, char in zip(steps, text, strict=True)
        )
        assert matched == fnmatchcase(text, glob)


PASSING: dict[str, tuple[tuple[str, ...], tuple[str, ...], bool]] = {
    "everything": (("*",), (), True),
    "nothing left": (("*.nc",), ("*",), False),
    "the same": (("*.nc",), ("*.nc",), False),
    "a part": (("*.nc",), ("tmp/*",), True),
    "a part of a part": (("tmp/*.nc",), ("tmp/*",), False),
    "two that leave nothing together": (("?",), ("[!a]", "a"), False),
    "two that leave one key": (("[ab]",), ("b",), True),
    "one of two": (("*.nc", "*.h5"), ("*.nc",), True),
    "by the length": (("*",), ("?*",), True),
    "by the case": (("*.NC",), ("*.nc",), True),
    "an empty range": (("[b-a]",), (), False),
    "longer than a key": (("a" * 1025,), (), False),
    "longer than a key in bytes": (("é" * 513,), (), False),
    "other letters": (("[à-ÿ]*",), ("[é]*",), True),
}


@pytest.mark.parametrize(("include", "exclude", "expected"), PASSING.values(), ids=PASSING)
def test_whether_any_key_passes(
    include: tuple[str, ...], exclude: tuple[str, ...], *, expected: bool
) -> None:
    """Excludes together may leave nothing of the includes."""
    assert can_pass(include, exclude) is expected


def test_within_a_folder() -> None:
    """Keys below a folder pass unless they are excluded there."""
    assert can_pass(("*",), ("other/*",), within="deeper/*")
    assert not can_pass(("*",), ("deeper/*",), within="deeper/*")
    assert not can_pass(("*.nc",), (), within="deeper/index.json")


def test_the_search_is_bounded() -> None:
    """Globs that are too many or too long for a search are taken to let a key pass."""
    exclude = tuple(f"*{'?' * number}x*" for number in range(60))
    assert can_pass(("*",), (*exclude, "*"))


@pytest.mark.parametrize(
    ("glob", "start", "size"),
    [("tmp/*", "tmp/", 4), ("[t]mp/*", "", 4), ("a?", "a", 2), ("a[", "a[", 2), ("é*", "é", 2)],
)
def test_the_start_of_a_glob(glob: str, start: str, size: int) -> None:
    """Every key that it matches begins so, and has at least so many bytes."""
    assert (find_literal_start(glob), shortest_bytes(glob)) == (start, size)
