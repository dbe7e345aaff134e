"""Whether the keys of two places of a bucket can be the same, before templates are rendered."""

from __future__ import annotations

from functools import lru_cache
from glob import escape
from typing import TYPE_CHECKING, NamedTuple

from s3copy_tasks.config.check.template import template_parts
from s3copy_tasks.core.globs import can_pass

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_EXPRESSION = "\0"
"""Before and after each expression in a `_Form`: the reader refuses it in texts."""


class Overlap(NamedTuple):
    """How a place overlaps a prefix.

    Attributes:
        is_around: the place is a prefix above the other; if not, it is equal to that or below.
        within: glob of the inner one's keys, below the outer one; None where templates leave open whether
            they overlap at all.
        has_template: the inner one has a template below the outer one.
    """

    is_around: bool
    within: str | None
    has_template: bool


class _Form(NamedTuple):
    """A template that can be compared as text.

    Attributes:
        text: with each expression in one form, whatever its spaces.
        head: the text before the first expression.
        stem: the text through the last expression.
    """

    text: str
    head: str
    stem: str


def find_overlap(prefix: str, place: str, *, is_prefix: bool) -> Overlap | None:
    """Return how a place may overlap a prefix, in any of its runs; None if it can't.

    What is written alike at the beginning of both is assumed to render to texts of one form: two prefixes
    `{{ ds }}/a/` and `{{ ds }}/b/` never overlap, whatever the days of their runs.

    Args:
        prefix: a template that ends in "/", or is empty.
        place: a template of a prefix, or of a key.
        is_prefix: whether `place` is a prefix.

    Raises:
        UnknownNameError: one of them is not valid Jinja.
    """
    own, other = _read(prefix), _read(place)
    if other.text.startswith(own.text):
        return _make_overlap(other.text[len(own.text) :], is_around=False, is_prefix=is_prefix)
    if own.text.startswith(other.text):
        rest = own.text[len(other.text) :]
        return _make_overlap(rest, is_around=True, is_prefix=True) if is_prefix else None
    characters = enumerate(zip(own.text, other.text, strict=False))
    same = next(index for index, (mine, its) in characters if mine != its)
    if own.text.count(_EXPRESSION, 0, same) % 2:
        same = own.text.rindex(_EXPRESSION, 0, same)
    rests = own.text[same:], other.text[same:]
    if not any(rest.startswith(_EXPRESSION) for rest in rests):
        return None
    within, keys = _glob(rests[0], is_prefix=True), _glob(rests[1], is_prefix=is_prefix)
    may_meet = can_pass((keys,), (), within=within)
    return Overlap(is_around=False, within=None, has_template=True) if may_meet else None


class PrefixIndex:
    """Finds the prefixes that a place may overlap, quickly where a job has 1,000.

    Args:
        prefixes: templates, as for `find_overlap`.
    """

    def __init__(self, prefixes: Iterable[str]) -> None:
        self._groups: dict[tuple[str, str], list[tuple[int, str, str]]] = {}
        for index, prefix in enumerate(prefixes):
            form = _read(prefix)
            self._groups.setdefault((form.head, form.stem), []).append((index, prefix, form.text))

    def find(self, place: str, *, is_prefix: bool) -> Iterator[tuple[int, Overlap]]:
        """Yield the index of each prefix that a place may overlap, and how; as `find_overlap`."""
        own = _read(place)
        for (head, stem), members in self._groups.items():
            if not (head.startswith(own.head) or own.head.startswith(head)):
                continue
            for index, prefix, text in members:
                if stem == own.stem and not (own.text.startswith(text) or text.startswith(own.text)):
                    continue  # they differ in what follows equal expressions
                found = find_overlap(prefix, place, is_prefix=is_prefix)
                if found is not None:
                    yield index, found


@lru_cache(maxsize=4096)  # hundreds of jobs share a few templates
def _read(template: str) -> _Form:
    text = "".join(
        part if isinstance(part, str) else f"{_EXPRESSION}{part!r}{_EXPRESSION}"
        for part in template_parts(template)
    )
    return _Form(text, text.partition(_EXPRESSION)[0], text[: text.rfind(_EXPRESSION) + 1])


def _make_overlap(rest: str, *, is_around: bool, is_prefix: bool) -> Overlap:
    within, has_template = _glob(rest, is_prefix=is_prefix), _EXPRESSION in rest
    return Overlap(is_around=is_around, within=within, has_template=has_template)


def _glob(text: str, *, is_prefix: bool) -> str:
    """Return the glob of keys, or of those below a prefix."""
    parts = text.split(_EXPRESSION)
    globs = ("*" if number % 2 else escape(part) for number, part in enumerate(parts))
    return "".join(globs) + ("*" if is_prefix else "")
