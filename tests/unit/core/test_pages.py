"""Pages of a listing that never end are found in constant memory, and long listings are none of them."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3copy_tasks.core.pages import EMPTY_PAGES_MAX, PageTrail
from s3copy_tasks.errors import Code, RequestError

if TYPE_CHECKING:
    from collections.abc import Iterable


def first_error(tokens: Iterable[int]) -> tuple[int, RequestError]:
    """Return the number of pages up to the first error, and the error."""
    trail = PageTrail()
    errors = ((page, trail.check(token, leads_on=False)) for page, token in enumerate(tokens, 1))
    return next((page, error) for page, error in errors if error is not None)


@given(before=st.integers(0, 200), circle=st.integers(1, 200))
def test_a_circle_is_found(before: int, circle: int) -> None:
    """Wherever a circle begins and however long it is: within three times the pages up to its end."""
    pages, error = first_error(
        itertools.chain(range(before), itertools.cycle(range(before, before + circle)))
    )
    assert error.code == Code.NOT_S3
    assert pages <= 3 * (before + circle)


def test_empty_pages_have_an_end() -> None:
    """A server that always finds a new token for the same empty page is refused, too."""
    pages, error = first_error(itertools.count())
    assert (pages, error.code) == (EMPTY_PAGES_MAX + 1, Code.NOT_S3)


@pytest.mark.parametrize("tokens", [itertools.repeat(1), itertools.count()], ids=["one token", "new tokens"])
def test_a_page_that_leads_on_ends_the_count(tokens: Iterable[int]) -> None:
    """Only pages in a row count: a key between them proves that the listing leads on."""
    trail = PageTrail()
    for page, token in zip(range(3 * EMPTY_PAGES_MAX), tokens, strict=False):
        assert trail.check(token, leads_on=page % 2 == 0) is None
