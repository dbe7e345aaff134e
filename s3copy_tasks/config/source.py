"""Reads one YAML file within bounds: nothing in it can crash, hang or fill the memory of its reader."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

SIZE_MAX = 2**20
"""Bytes of a file, and of what its anchors expand to."""
DEPTH_MAX = 32
"""Levels of nesting. A job has four; libyaml overflows its stack at some ten thousand."""
_DIGITS_MAX = 20
_PLAIN_NUMBER = re.compile(r"[-+]?(0|[1-9][0-9]{0,18})")


class SourceError(ValueError):
    """The file can't be read as YAML."""

    def __init__(self, message: str, mark: Any = None) -> None:
        super().__init__(message)
        self.message = message
        self.line = mark.line + 1 if mark else None
        self.column = mark.column + 1 if mark else None


@dataclass(frozen=True, slots=True)
class Misread:
    """A scalar without quotes that YAML takes for what its writer may not have meant: no value of a job.

    Attributes:
        text: as it stands in the file.
        meaning: what YAML reads.
    """

    text: str
    meaning: str

    def __str__(self) -> str:
        return f"{self.text} as {self.meaning}"


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc] # libyaml: ten times as fast
    """A safe loader for which names of fields are text, and traps are no values."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        super().flatten_mapping(node)
        for name, _ in node.value:
            if not isinstance(name, yaml.ScalarNode):
                raise SourceError("the name of a field must be text", name.start_mark)
            name.tag = "tag:yaml.org,2002:str"

    def construct_number(self, node: yaml.ScalarNode) -> int | Misread:
        """Octal, base 60 and the like are traps; account numbers are the usual prey."""
        text = self.construct_scalar(node)
        if _PLAIN_NUMBER.fullmatch(text):
            return int(text)
        if len(text) > _DIGITS_MAX:
            return Misread(text[:_DIGITS_MAX] + "...", "a number")
        return Misread(text, f"the number {self.construct_yaml_int(node)}")

    def construct_date(self, node: yaml.ScalarNode) -> Misread:
        return Misread(self.construct_scalar(node), "a date")


_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_number)
_Loader.add_constructor("tag:yaml.org,2002:timestamp", _Loader.construct_date)


def read_document(file: Path) -> Any:
    """Return what a YAML file says: text, numbers, booleans, None, lists, mappings by text, `Misread`.

    Raises:
        OSError: the file can't be read.
        SourceError: it is no YAML, or beyond the bounds.
    """
    with file.open("rb") as stream:
        raw = stream.read(SIZE_MAX + 1)
    if len(raw) > SIZE_MAX:
        raise SourceError(f"is larger than {SIZE_MAX:,} bytes; a job has a few hundred")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise SourceError(f"is not UTF-8: byte {raw[error.start]:#x} in line {line}") from None
    try:
        _check_bounds(yaml.parse(text, _Loader))
        return yaml.load(text, _Loader)  # noqa: S506 - a safe loader
    except SourceError:
        raise
    except yaml.MarkedYAMLError as error:
        words = ", ".join(filter(None, (error.context, error.problem)))
        hint = ". Put the value in quotes" if "cannot start any token" in words else ""
        raise SourceError(f"not YAML: {words}{hint}", error.problem_mark) from None
    except (yaml.YAMLError, ValueError, LookupError, ArithmeticError) as error:  # `!!int ""` and its like
        words = str(error).partition("\n")[0]
        raise SourceError(f"not YAML: {words}") from None


def _check_bounds(events: Iterable[yaml.Event]) -> None:
    """Refuse deep nesting and anchors that expand without end, before anything is built."""
    # Of anchors; infinite while they are open, for then they hold themselves.
    sizes: dict[str | None, float] = {}
    levels: list[tuple[str | None, float]] = [(None, 0)]
    for event in events:
        size = 0.0
        match event:
            case yaml.CollectionStartEvent():
                if len(levels) > DEPTH_MAX:
                    raise SourceError(f"is nested more than {DEPTH_MAX} levels deep", event.start_mark)
                levels.append((event.anchor, 1))
                sizes[event.anchor] = math.inf
            case yaml.CollectionEndEvent():
                anchor, size = levels.pop()
                sizes[anchor] = size
            case yaml.ScalarEvent():
                sizes[event.anchor] = size = len(event.value) + 1
            case yaml.AliasEvent():
                size = sizes.get(event.anchor, 0)
        anchor, before = levels[-1]
        levels[-1] = (anchor, before + size)
        if levels[-1][1] > SIZE_MAX:
            raise SourceError("its anchors hold themselves, or expand to more than 1 MiB", event.start_mark)
