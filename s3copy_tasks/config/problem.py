"""What is wrong with a config, and where."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing to mend.

    Attributes:
        file: as the file was named.
        line: from 1; None where it is not known.
        column: from 1; None where it is not known.
        path: of the value, such as `source.account` or `prefixes[0].source`; empty means the whole file.
        message: what is wrong and what to write instead.
    """

    file: str
    line: int | None = None
    column: int | None = None
    path: str = ""
    message: str

    @property
    def place(self) -> tuple[str, int, int, str, str]:
        """Sorts problems by file and place."""
        return (self.file, self.line or 0, self.column or 0, self.path, self.message)

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        return ": ".join(part for part in (place, self.path, self.message) if part)


def json_path(parts: Iterable[str | int]) -> str:
    """Return a path of keys and indexes in the form `prefixes[0].source`."""
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text
