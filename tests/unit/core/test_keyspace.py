"""Guesses of where keys are: they are only bounds, but worth a request."""

from __future__ import annotations

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3copy_tasks.core import keyspace
from s3copy_tasks.core.alphabet import guess_alphabet
from s3copy_tasks.core.keyspace import KEY_BYTES_MAX, Scale, Stretch, find_middle

KEY_CHARS = st.characters(codec="utf-8") | st.sampled_from("ab09/é\uffff\U0010ffff\x01\x7f")
KEYS = st.text(KEY_CHARS, max_size=6)
SAMPLE = st.lists(KEYS, min_size=2, max_size=12, unique=True).map(sorted)


def page(first: int, last: int, form: str) -> Stretch:
    keys = [form.format(number) for number in range(first, last + 1)]
    sample = (*keys[::500], keys[-1])
    return Stretch(lower=keys[0], upper=keys[-1], keys=len(keys), sample=sample)


def scale_of(keys: list[str], prefix: str = "") -> Scale:
    return Scale([Stretch(lower=keys[0], upper=keys[-1], keys=len(keys), sample=tuple(keys))], prefix)


def test_the_example_is_true() -> None:
    """The example in the module's docstring shows what the module returns."""
    tried = doctest.testmod(keyspace)
    assert (tried.failed, tried.attempted > 5) == (0, True)


@pytest.mark.parametrize(
    ("form", "most", "begins"),
    [
        ("part-{:06}", 8_000, "part-008"),
        ("part-{:024}.parquet", 8_000, "part-" + "0" * 20 + "8"),
        ("2026/01/31/{:04}", 20_000, "2026/01/33/"),
        ("{:08x}", 0xF000, "0000f3"),
    ],
    ids=["numbers", "many-zeros", "carries-into-the-day", "hexadecimal"],
)
def test_a_guess_reaches_as_far_as_it_was_asked_to(form: str, most: int, begins: str) -> None:
    """After a page of 1,000 numbered keys, a guess n keys ahead is the key with that number."""
    seen = page(0, 999, form)
    guess = Scale([seen], "").split(seen.upper, None, most=most)
    assert guess is not None
    assert guess.startswith(begins)


def test_a_guess_between_two_bounds_is_their_middle() -> None:
    """Between two known bounds, the guess is the middle."""
    guess = Scale([page(0, 999, "part-{:06}")], "").split("part-000999", "part-800999", most=10**6)
    assert guess is not None
    assert guess.startswith("part-4009")


def test_the_guess_after_the_last_number() -> None:
    """If no larger number is possible, the guess comes after all numbers."""
    assert Scale([page(0, 999, "p/part-{:03}")], "p/").split("p/part-990", None, most=5_000) == "p/part-:"


def test_long_names_are_estimated_too() -> None:
    """The number of keys between two long names may have more digits than a float takes."""
    one, other = "ab" * 150 + "{:03}", "zy" * 150 + "{:03}"
    scale = Scale([page(0, 999, one), page(0, 999, other)], "")
    assert scale.keys_between(one.format(999), other.format(0)) == float("inf")


def test_an_estimate_is_the_number_of_keys() -> None:
    """Numbered keys are estimated by their numbers; without an upper bound, nothing is known."""
    scale = Scale([page(0, 999, "part-{:06}")], "")
    assert scale.keys_between("part-000999", "part-010999") == pytest.approx(10_000, rel=0.01)
    assert scale.keys_between("part-000999", None) == float("inf")


@given(keys=SAMPLE, at=st.integers(0, 10), upper=st.none() | KEYS, most=st.integers(1, 10**9))
def test_a_guess_lies_between_its_bounds(keys: list[str], at: int, upper: str | None, most: int) -> None:
    """A guess lies strictly between both bounds, begins with the prefix, and is no longer than a key."""
    prefix = "p/"
    keys = [prefix + key for key in keys]
    lower = keys[min(at, len(keys) - 1)]
    upper = None if upper is None else prefix + upper
    if upper is not None and upper <= lower:
        upper = None
    for guess in (scale_of(keys, prefix).split(lower, upper, most=most), find_middle(lower, upper, prefix)):
        if guess is not None:
            assert lower < guess
            assert upper is None or guess < upper
            assert guess.startswith(prefix)
            assert len(guess.encode()) <= KEY_BYTES_MAX


@given(keys=SAMPLE)
def test_numbers_keep_the_order_of_keys(keys: list[str]) -> None:
    """A later key never has a smaller number."""
    numbers = [scale_of(keys).number(key) for key in keys]
    assert numbers == sorted(numbers)


@given(seen=st.frozensets(KEY_CHARS, min_size=1), at=st.floats(0, 1))
def test_alphabets_have_only_valid_characters(seen: frozenset[str], at: float) -> None:
    """No alphabet has a surrogate, a control character, or a character that XML forbids."""
    made = guess_alphabet(seen)
    char = made.char(int(at * (made.size - 1)))
    assert char.isascii() <= char.isprintable()
    assert not "\ud800" <= char <= "\udfff"
    assert char not in "\ufffe\uffff"
    assert made.place(char) == (int(at * (made.size - 1)), 0)


@pytest.mark.parametrize(
    ("lower", "upper", "expected"),
    [
        ("a", None, "~"),
        ("a", "c", "b"),
        ("a", "b", "a~"),
        ("ж", "я", "т"),
        ("\ud7ff", "\ue001", "\ue000"),
        ("\U0010ffff", None, "\U0010ffff~"),
        ("a", "a\x01", None),
        ("a/b", "a/\U0010ffff", "a/~"),
    ],
    ids=["open", "between", "neighbours", "script", "surrogates", "last", "nothing-printable", "ascii-first"],
)
def test_middles(lower: str, upper: str | None, expected: str | None) -> None:
    """The middle is that of the first characters that differ; the end of ASCII is preferred."""
    assert find_middle(lower, upper, "") == expected
