"""What a document violates in the schema of a copy job: only the keywords of JSON Schema that it has.

https://json-schema.org/draft/2020-12/json-schema-validation. The import of the package jsonschema takes as
long as all else that reads a config; a test compares both.
"""

from __future__ import annotations

import re
from operator import gt, lt
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from s3copy_tasks.config.read.place import Parts

_TYPES: dict[str, type | tuple[type, ...]] = {
    "array": list,
    "boolean": bool,
    "null": type(None),
    "number": (int, float),
    "object": dict,
    "string": str,
}
_BOUNDS: dict[str, tuple[str, Callable[[Any], Any], Callable[[Any, Any], bool]]] = {
    "maxItems": ("array", len, gt),
    "maxLength": ("string", len, gt),
    "maxProperties": ("object", len, gt),
    "maximum": ("number", lambda value: value, gt),
    "minItems": ("array", len, lt),
    "minLength": ("string", len, lt),
    "minProperties": ("object", len, lt),
    "minimum": ("number", lambda value: value, lt),
}


class Violation(NamedTuple):
    """A keyword that a value does not satisfy.

    Attributes:
        keyword: of JSON Schema.
        part: of the schema; it has the keyword.
        value: of the document.
        parts: the value's path.
        words: what is wrong, where the schema has no message for it.
    """

    keyword: str
    part: Mapping[str, Any]
    value: Any
    parts: Parts
    words: str = ""


class Validator:
    """Compares documents with a schema.

    Args:
        schema: references lead to parts of it.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self._schema = schema

    def find_violations(
        self, value: Any, part: Mapping[str, Any] | None = None, parts: Parts = ()
    ) -> Iterator[Violation]:
        """Yield what a value violates, in the schema's order.

        Args:
            value: of a document.
            part: of the schema, by default all of it.
            parts: the value's path.
        """
        part = self.resolve(self._schema if part is None else part)
        for keyword, wanted in part.items():
            if keyword == "uniqueItems":
                yield from _find_repeated(value, part, parts)
            elif not self._satisfies(value, keyword, wanted, part):
                yield Violation(keyword, part, value, parts)
            for inner in _list_inner(value, keyword, wanted, parts):
                yield from self.find_violations(*inner)

    def is_valid(self, value: Any, part: Mapping[str, Any]) -> bool:
        """Return whether a value violates nothing; it is read up to the first violation."""
        return next(self.find_violations(value, part), None) is None

    def resolve(self, part: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a part of the schema, or the part that it refers to."""
        if "$ref" not in part:
            return part
        found: Any = self._schema
        for name in part["$ref"].split("/")[1:]:
            found = found[name]
        return found  # type: ignore[no-any-return]

    def _satisfies(self, value: Any, keyword: str, wanted: Any, part: Mapping[str, Any]) -> bool:
        match keyword:
            case "additionalProperties":
                fits = not isinstance(value, dict) or value.keys() <= part["properties"].keys()
            case "anyOf":
                fits = any(self.is_valid(value, choice) for choice in wanted)
            case "const":
                fits = _is_same(value, wanted)
            case "enum":
                fits = any(_is_same(value, choice) for choice in wanted)
            case "not":
                fits = not self.is_valid(value, wanted)
            case "pattern":
                fits = not isinstance(value, str) or _matches(wanted, value)
            case "required":
                fits = not isinstance(value, dict) or all(name in value for name in wanted)
            case "type":
                fits = any(
                    _is_of_type(value, name) for name in ([wanted] if isinstance(wanted, str) else wanted)
                )
            case _:
                fits = keyword not in _BOUNDS or _is_within(value, keyword, wanted)
        return fits


def _list_inner(
    value: Any, keyword: str, wanted: Any, parts: Parts
) -> Iterator[tuple[Any, Mapping[str, Any], Parts]]:
    """Yield the parts of the schema below a keyword, each with the value that it is for, and its path."""
    if keyword == "allOf":
        yield from ((value, part, parts) for part in wanted)
    elif keyword == "items" and isinstance(value, list):
        yield from ((item, wanted, (*parts, index)) for index, item in enumerate(value))
    elif keyword == "properties" and isinstance(value, dict):
        yield from ((value[name], part, (*parts, name)) for name, part in wanted.items() if name in value)


def _find_repeated(value: Any, part: Mapping[str, Any], parts: Parts) -> Iterator[Violation]:
    """Yield each repeated text of a list."""
    first: dict[str, int] = {}
    for index, item in enumerate(value if isinstance(value, list) else ()):
        if isinstance(item, str) and first.setdefault(item, index) != index:
            words = f"is already in this list, as [{first[item]}]. Keep one of them"
            yield Violation("uniqueItems", part, item, (*parts, index), words)


def _is_of_type(value: Any, name: str) -> bool:
    if name == "integer":
        return _is_of_type(value, "number") and (isinstance(value, int) or value.is_integer())
    return isinstance(value, _TYPES[name]) and not (name == "number" and isinstance(value, bool))


def _is_within(value: Any, keyword: str, bound: int) -> bool:
    kind, measure, violates = _BOUNDS[keyword]
    return not (_is_of_type(value, kind) and violates(measure(value), bound))


def _is_same(value: Any, wanted: Any) -> bool:
    return value == wanted and isinstance(value, bool) == isinstance(wanted, bool)


def _matches(pattern: str, text: str) -> bool:
    """Match as editors do, by ECMA-262: `$` is the very end, and digits are ASCII."""
    return re.search(pattern.replace("$", r"\Z"), text, re.ASCII) is not None
