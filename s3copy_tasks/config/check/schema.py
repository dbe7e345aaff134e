"""The schema of a copy job: checks a document, and fills in the defaults, which are defined only there."""

from __future__ import annotations

import json
import re
from functools import cache, reduce
from operator import getitem
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from s3copy_tasks.config.problem import Code, Finding
from s3copy_tasks.config.read.hints import SHOWN_MAX, nearest, written
from s3copy_tasks.config.read.place import Parts
from s3copy_tasks.config.read.scalar import Misread

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jsonschema import Draft202012Validator, ValidationError

SCHEMA_FILE = Path(__file__).parents[1] / "copy_job.schema.json"

_BOUNDS = {
    "exclusiveMinimum": (Code.OUT_OF_RANGE, "must be more than {}"),
    "maxItems": (Code.WRONG_LENGTH, "must have at most {} entries"),
    "maxLength": (Code.WRONG_LENGTH, "must have at most {} characters"),
    "maximum": (Code.OUT_OF_RANGE, "must be at most {}"),
    "minItems": (Code.WRONG_LENGTH, "must have at least {} entry"),
    "minLength": (Code.WRONG_LENGTH, "must have at least {} character(s)"),
    "minimum": (Code.OUT_OF_RANGE, "must be at least {}"),
}
_WITH_MESSAGE = {
    "anyOf": Code.WRONG_FORM,
    "const": Code.NOT_ALLOWED,
    "maxProperties": Code.EXCLUSIVE_FIELDS,
    "minProperties": Code.MISSING_FIELD,
    "not": Code.EXCLUSIVE_FIELDS,
    "pattern": Code.WRONG_FORM,
    "uniqueItems": Code.DUPLICATE_ITEM,
}
"""Keywords whose message comes from the schema, as `errorMessage`, or from the keyword's own check."""
_TYPES = {
    "array": "a list",
    "boolean": "true or false",
    "integer": "a whole number",
    "null": "null",
    "number": "a number",
    "object": "a mapping",
    "string": "text",
}
_KINDS: dict[type, str] = {dict: "a mapping", list: "a list"}
_BOOLEANS = {"yes": "true", "on": "true", "true": "true", "no": "false", "off": "false", "false": "false"}


@cache
def schema() -> dict[str, Any]:
    """Return the schema, JSON Schema draft 2020-12."""
    return json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))  # type: ignore[no-any-return]


@cache
def _validator() -> Draft202012Validator:
    from s3copy_tasks.config.check.validator import make_validator  # noqa: PLC0415 - slow

    return make_validator(schema())


def findings_of_schema(
    document: Any, texts: Mapping[Parts, str], *, partly: bool = False
) -> Iterator[Finding]:
    """Yield what the schema refuses, each once, in no particular order.

    Args:
        document: of a file.
        texts: the original text of unquoted scalars, by path.
        partly: the document has defaults, so nothing is required.
    """
    seen = set()
    for error in _validator().iter_errors(document):
        parts: Parts = tuple(error.absolute_path)
        if partly and _is_about_absence(error):
            continue
        for finding in _findings(error, parts, texts.get(parts)):
            if (finding.parts, finding.message) not in seen:
                seen.add((finding.parts, finding.message))
                yield finding


def _is_about_absence(error: ValidationError) -> bool:
    return error.validator == "required" or _needs_one_of(error)


def _needs_one_of(error: ValidationError) -> bool:
    """Return whether one of several fields is required."""
    choices: Any = error.validator_value
    return error.validator == "anyOf" and all("required" in choice for choice in choices)


def _findings(error: ValidationError, parts: Parts, text: str | None) -> Iterator[Finding]:
    part: dict[str, Any] = error.schema  # type: ignore[assignment] # never a failed `false`
    instance = cast("Any", error.instance)
    keyword = str(error.validator)
    if keyword == "additionalProperties":
        for name in sorted(set(instance) - set(part["properties"])):
            yield _unknown_field((*parts, name), name, part["properties"])
    elif keyword == "required":
        for name in part["required"]:
            if name not in instance:
                yield Finding(parts=parts, code=Code.MISSING_FIELD, message=f"needs `{name}`", at_name=True)
    elif keyword == "type":
        yield _wrong_type(parts, part, instance, text)
    elif keyword == "enum":
        yield _not_allowed(parts, part["enum"], instance)
    elif _needs_one_of(error):
        yield Finding(parts=parts, code=Code.MISSING_FIELD, message=part["errorMessage"], at_name=True)
    elif keyword in _WITH_MESSAGE:
        words = part.get("errorMessage", error.message)
        yield Finding(parts=parts, code=_WITH_MESSAGE[keyword], message=words)
    else:
        code, bound = _BOUNDS[keyword]
        message = bound.format(error.validator_value)
        left_out = ", or be left out" if keyword in {"minItems", "minLength"} and "default" in part else ""
        yield Finding(parts=parts, code=code, message=message + left_out)


def _unknown_field(parts: Parts, name: str, known: Mapping[str, Any]) -> Finding:
    near = nearest(name, known)
    homes = [home for home, part in schema()["properties"].items() if name in part.get("properties", ())]
    if homes:
        hint = f"It belongs to {' and '.join(homes)}"
    elif near:
        hint = f"Did you mean {near!r}?"
    else:
        hint = f"Known fields: {', '.join(sorted(known))}"
    return Finding(
        parts=parts,
        code=Code.UNKNOWN_FIELD,
        message=f"unknown field {name[:SHOWN_MAX]!r}. {hint}",
        suggestion=near if not homes else None,
        at_name=True,
    )


def _not_allowed(parts: Parts, values: list[Any], value: Any) -> Finding:
    names = ["null" if allowed is None else str(allowed) for allowed in values]
    near = nearest(str(value), names)
    hint = f". Did you mean {near!r}?" if near else ""
    message = f"must be one of: {', '.join(names)}; but is {_shown(value)}{hint}"
    return Finding(parts=parts, code=Code.NOT_ALLOWED, message=message, suggestion=near)


def _wrong_type(parts: Parts, part: dict[str, Any], value: Any, text: str | None) -> Finding:
    words = part.get("errorMessage", f"must be {' or '.join(_kind(name, part) for name in _types(part))}")
    suggestion = _as_type(part, value, text)
    message = f"{words}, but YAML reads {_shown(value, text)}"
    if suggestion is not None:
        message += f". Write {suggestion}"
    elif isinstance(value, dict) and "array" in _types(part):
        message += ". Start each entry with `- `"
    elif value is None:
        message += ". Give it a value" + (", or remove the field" if "default" in part else "")
    return Finding(parts=parts, code=Code.WRONG_TYPE, message=message, suggestion=suggestion)


def _kind(name: str, part: dict[str, Any]) -> str:
    """Return a type in words, with the required fields of the mapping or of each mapping in the list."""
    inner = part["items"] if name == "array" else part
    words = f"{_TYPES[name]} of mappings" if inner is not part and "required" in inner else _TYPES[name]
    fields = () if name == "null" else inner.get("required", ())
    required = " and ".join(f"`{field}`" for field in fields)
    return f"{words} with {required}" if required else words


def _types(part: dict[str, Any]) -> list[str]:
    return [part["type"]] if isinstance(part["type"], str) else part["type"]


def _as_type(part: dict[str, Any], value: Any, text: str | None) -> str | None:
    """Return how to write a value so that it has the expected type; None if that would be a guess."""
    names = _types(part)
    is_unquoted_text = "string" in names and text is not None and not isinstance(value, bool | None)
    if is_unquoted_text and _validator().evolve(schema=part).is_valid(text):
        return written(text)
    if "boolean" in names and isinstance(value, str):
        return _BOOLEANS.get(value.lower())
    if "integer" in names:
        digits = str(text if isinstance(value, Misread) else value).replace("_", "").replace(",", "")
        return str(int(digits)) if re.fullmatch(r"[0-9]{1,18}", digits) else None
    if "number" in names and isinstance(value, str):
        return value.rstrip(" %") if re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,3})? ?%?", value) else None
    if "array" in names and isinstance(value, str) and part["items"].get("type") == "string":
        return written([value.lstrip("-").strip(" \"'")])  # perhaps the space after a dash is missing
    return None


def _shown(value: Any, text: str | None = None) -> str:
    """Return in words how YAML reads a value; long text is cut, lists and mappings are only named."""
    match value:
        case None | bool():
            return json.dumps(value)
        case str():
            return f"the text {value[:SHOWN_MAX]!r}"
        case Misread():
            return f"{value.text} as {value.meaning}"
        case int() | float():
            written = "" if text in {None, str(value)} else f"{text[:SHOWN_MAX]} as " if text else ""
            return f"{written}the number {value}"
        case _:
            return _KINDS.get(type(value), f"a value of type {type(value).__name__}")


def referred(part: dict[str, Any]) -> dict[str, Any]:
    """Return a part of the schema, or the part that it refers to."""
    if "$ref" not in part:
        return part
    found: dict[str, Any] = reduce(getitem, part["$ref"].split("/")[1:], schema())
    return found


def with_defaults(document: dict[str, Any]) -> dict[str, Any]:
    """Return a valid document with every field that has a default; deprecated ones only if they are set."""
    filled: dict[str, Any] = _filled(document, schema())
    return filled


def _filled(value: Any, part: dict[str, Any]) -> Any:
    if isinstance(value, dict) and "properties" in part:
        return {
            name: _filled(value.get(name, field.get("default")), field)
            for name, field in part["properties"].items()
            if name in value or ("default" in field and not field.get("deprecated"))
        }
    if isinstance(value, list) and "items" in part:
        return [_filled(item, referred(part["items"])) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)  # JSON has one kind of number, so 64.0 is a valid integer
    return value
