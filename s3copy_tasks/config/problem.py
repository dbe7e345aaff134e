"""What is wrong with a config, and where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


_NAME_MAX = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing to mend.

    Attributes:
        file: as the file was named.
        line: from 1; None where the problem is the file.
        column: from 1, in characters.
        path: of the value, such as `source.account` or `prefixes[0].source`; empty means the whole file.
        code: one of `s3copy_tasks.config.codes`.
        message: what is wrong and what to write instead.
        suggestion: text that may take the value's or the name's place; None where none is known.
    """

    file: str
    line: int | None = None
    column: int | None = None
    path: str = ""
    code: str
    message: str
    suggestion: str | None = None

    @property
    def where(self) -> str:
        """File, line and column as editors take them, such as `daily.yaml:12:3`."""
        return ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)

    @property
    def place(self) -> tuple[str, int, int, str, str]:
        """Sorts problems by file and place."""
        return (self.file, self.line or 0, self.column or 0, self.path, self.message)

    def __str__(self) -> str:
        return ": ".join(part for part in (self.where, self.path, self.message) if part)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A problem before its place is looked up.

    Attributes:
        parts: the way to the value.
        code: as of a problem.
        message: as of a problem.
        suggestion: as of a problem.
        at_name: the name of the field is wrong, not its value.
    """

    parts: tuple[str | int, ...]
    code: str
    message: str
    suggestion: str | None = None
    at_name: bool = False


def json_path(parts: Iterable[str | int]) -> str:
    """Return a path of names and indexes in the form `prefixes[0].source`."""
    text = ""
    for part in parts:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            name = part if len(part) <= _NAME_MAX else f"(a name of {len(part)} characters)"
            text += f".{name}" if text else name
    return text
