"""Forms of text that are valid, but read otherwise by other tools: in globs, and in keys."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import re
    from collections.abc import Iterable


class Form(NamedTuple):
    """A form, and what it means here."""

    pattern: re.Pattern[str]
    words: str


def find_form(forms: Iterable[Form], text: str) -> str | None:
    """Return the words of the first form that a text has; None if it has none."""
    return next((form.words for form in forms if form.pattern.search(text)), None)
