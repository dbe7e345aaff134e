"""Places in the text of a file, and YAML errors with their place."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from s3copy_tasks.config.problem import Code
from s3copy_tasks.config.read.hints import LINE_BREAK, quoting_hint

Parts: TypeAlias = tuple[str | int, ...]
"""The path of a value: names of fields and indexes of lists."""


@dataclass(frozen=True, slots=True)
class Place:
    """A place in a file; line and column count from 1, and are None for the whole file."""

    file: Path
    line: int | None = None
    column: int | None = None


class SourceError(ValueError):
    """A YAML error."""

    def __init__(self, code: Code, message: str, place: Place, suggestion: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.place = place
        self.suggestion = suggestion


class SourceText:
    """The text of a file, and where its lines begin."""

    def __init__(self, file: Path, text: str) -> None:
        self.text = text
        self._file = file
        self._starts = [0, *(found.end() for found in LINE_BREAK.finditer(text))]

    def position(self, index: int) -> tuple[int, int]:
        """Return the line and column of a character, in lines as editors count them."""
        line = bisect_right(self._starts, index)
        return line, index - self._starts[line - 1] + 1

    def place(self, index: int) -> Place:
        """Return the place of a character."""
        return Place(self._file, *self.position(index))


def quotable(code: Code, words: str, index: int, text: SourceText, hint: str | None = None) -> SourceError:
    """Return an error, with the value in quotes if that may fix it."""
    suggestion = quoting_hint(text.text, *text.position(index))
    if suggestion is not None:
        hint = f"Put the value in quotes: {suggestion}"
    return SourceError(code, f"{words}. {hint}" if hint else words, text.place(index), suggestion)
