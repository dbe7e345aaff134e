"""The schema of a copy job: checks a document, and fills in its defaults, which stand nowhere else."""

from __future__ import annotations

import json
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from jsonschema import Draft202012Validator

from s3copy_tasks.config.problem import Problem, json_path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jsonschema import ValidationError

SCHEMA_FILE = Path(__file__).with_name("copy_job.schema.json")

_IN_WORDS = frozenset({"anyOf", "const", "dependentRequired", "enum", "not", "pattern"})
"""Keywords whose failure the schema itself puts in words, as `errorMessage`."""
_TYPES = {"object": "a mapping", "array": "a list", "string": "text in quotes", "null": "null"}


@cache
def schema() -> dict[str, Any]:
    """Return the schema, JSON Schema draft 2020-12."""
    return json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))  # type: ignore[no-any-return]


@cache
def _validator() -> Draft202012Validator:
    return Draft202012Validator(schema())


def problems_of_schema(document: Any, file: str) -> Iterator[Problem]:
    """Yield what the schema refuses, in no particular order."""
    for error in _validator().iter_errors(document):
        path = json_path(error.absolute_path)
        for message in _messages(error):
            yield Problem(file=file, path=path, message=message)


def _messages(error: ValidationError) -> Iterator[str]:
    part: dict[str, Any] = error.schema  # type: ignore[assignment] # a failed `false` never comes here
    if error.validator == "additionalProperties":
        known = part["properties"]
        for field in sorted(set(cast("dict[str, Any]", error.instance)) - set(known), key=str):
            near = get_close_matches(str(field), known, n=1)
            hint = f"Did you mean {near[0]!r}?" if near else f"Known are {', '.join(sorted(known))}"
            yield f"unknown field {field!r}. {hint}"
    elif error.validator == "type":
        yield _type_message(part["type"], error.instance)
    elif error.validator in _IN_WORDS and "errorMessage" in part:
        yield part["errorMessage"]
    elif error.validator == "enum":
        allowed = ", ".join("null" if value is None else str(value) for value in part["enum"])
        yield f"{error.instance!r} is not one of {allowed}"
    else:
        yield error.message


def _type_message(wanted: str | list[str], value: Any) -> str:
    names = [wanted] if isinstance(wanted, str) else wanted
    words = " or ".join(_TYPES.get(name, f"a {name}") for name in names)
    return f"must be {words}, but YAML reads {type(value).__name__} {value!r}"


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
    return value
