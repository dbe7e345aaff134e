"""The schema of a copy job: checks a document, and fills in its defaults, which stand nowhere else."""

from __future__ import annotations

import json
import re
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

from s3copy_tasks.config.problem import Problem, json_path
from s3copy_tasks.config.source import Misread

if TYPE_CHECKING:
    from collections.abc import Iterator

SCHEMA_FILE = Path(__file__).with_name("copy_job.schema.json")

_IN_WORDS = frozenset({"anyOf", "const", "dependentRequired", "enum", "not", "pattern"})
"""Keywords whose failure the schema itself puts in words, as `errorMessage`."""
_BOUNDS = {
    "maxItems": "must have {} entries at most",
    "maxLength": "must have {} characters at most",
    "maximum": "must be {} at most",
    "minItems": "must have {} entry at least, or be left out",
    "minLength": "must have {} character(s) at least, or be left out",
    "minimum": "must be {} at least",
    "uniqueItems": "has an entry twice",
}
_TYPES = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "null": "null",
    "object": "a mapping",
    "string": "text in quotes",
}
_KINDS: dict[type, str] = {dict: "a mapping", list: "a list"}
_SHOWN_MAX = 80


@cache
def schema() -> dict[str, Any]:
    """Return the schema, JSON Schema draft 2020-12."""
    return json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))  # type: ignore[no-any-return]


@cache
def _validator() -> Draft202012Validator:
    kind = extend(Draft202012Validator, {"pattern": _pattern})  # type: ignore[no-untyped-call] # as published
    return cast("Draft202012Validator", kind(schema()))


def _pattern(_: Any, pattern: str, value: Any, __: Any) -> Iterator[ValidationError]:
    """Match as editors do, by ECMA-262: `$` is the very end, and digits are ASCII's."""
    if isinstance(value, str) and not re.search(pattern.replace("$", r"\Z"), value, re.ASCII):
        yield ValidationError(f"{value!r} does not match")


def problems_of_schema(document: Any, file: str) -> Iterator[Problem]:
    """Yield what the schema refuses, in no particular order."""
    found = {
        (json_path(error.absolute_path), message): None
        for error in _validator().iter_errors(document)
        for message in _messages(error)
    }
    for path, message in found:
        yield Problem(file=file, path=path, message=message)


def _messages(error: ValidationError) -> Iterator[str]:
    part: dict[str, Any] = error.schema  # type: ignore[assignment] # a failed `false` never comes here
    instance = cast("Any", error.instance)
    if error.validator == "additionalProperties":
        known = part["properties"]
        for field in sorted(set(instance) - set(known)):
            near = get_close_matches(field, known, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"Known are {', '.join(sorted(known))}"
            yield f"unknown field {field!r}. {hint}"
    elif error.validator == "required":
        yield from (f"needs `{name}`" for name in part["required"] if name not in instance)
    elif error.validator == "type":
        yield _type_message(part, instance)
    elif error.validator in _IN_WORDS and "errorMessage" in part:
        yield part["errorMessage"]
    elif error.validator == "enum":
        allowed = ", ".join("null" if value is None else str(value) for value in part["enum"])
        yield f"must be one of: {allowed}, but is {_shown(instance)}"
    else:
        bound = _BOUNDS.get(str(error.validator))
        yield bound.format(error.validator_value) if bound else error.message


def _type_message(part: dict[str, Any], value: Any) -> str:
    names = [part["type"]] if isinstance(part["type"], str) else part["type"]
    words = " or ".join(_TYPES[name] for name in names)
    return f"{part.get('errorMessage', f'must be {words}')}, but YAML reads {_shown(value)}"


def _shown(value: Any) -> str:
    """Return what YAML made of a value, in words; long text is cut, lists and mappings are named only."""
    match value:
        case None | bool():
            return json.dumps(value)
        case str():
            return f"the text {value[:_SHOWN_MAX]!r}"
        case int() | float():
            return f"the number {value}"
        case Misread():
            return str(value)
        case _:
            return _KINDS.get(type(value), f"a value of type {type(value).__name__}")


def with_defaults(document: dict[str, Any]) -> dict[str, Any]:
    """Return a valid document with every field present."""
    filled: dict[str, Any] = _filled(document, schema())
    return filled


def _filled(value: Any, part: dict[str, Any]) -> Any:
    if isinstance(value, dict) and "properties" in part:
        return {
            name: _filled(value.get(name, field.get("default")), field)
            for name, field in part["properties"].items()
        }
    if isinstance(value, list) and "items" in part:
        return [_filled(item, part["items"]) for item in value]
    if isinstance(value, float):
        return int(value)  # JSON knows one kind of number, so 64.0 is a valid whole one
    return value
