"""The package jsonschema, with some checks of its own; only a document's check imports it."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, cast

from jsonschema import Draft202012Validator, ValidationError
from jsonschema.validators import extend

if TYPE_CHECKING:
    from collections.abc import Iterator


def make_validator(schema: dict[str, Any]) -> Draft202012Validator:
    """Return a validator for documents of a schema, JSON Schema draft 2020-12."""
    kind = extend(  # type: ignore[no-untyped-call] # as published
        Draft202012Validator,
        {"anyOf": _any_of, "pattern": _pattern, "uniqueItems": _unique_items},
        type_checker=Draft202012Validator.TYPE_CHECKER.redefine("number", _is_number),
    )
    return cast("Draft202012Validator", kind(schema))


def _is_number(_: Any, value: object) -> bool:
    """Return whether a value is a number that JSON has: not `.nan`, which no bound refuses."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _any_of(validator: Any, parts: list[Any], value: Any, _: Any) -> Iterator[ValidationError]:
    """Stop at the first error of each part: the message is the schema's, and a list may have 100,000."""
    if not any(next(validator.descend(value, part), None) is None for part in parts):
        yield ValidationError("does not have any of the allowed forms")


def _pattern(_: Any, pattern: str, value: Any, __: Any) -> Iterator[ValidationError]:
    """Match as editors do, by ECMA-262: `$` is the very end, and digits are ASCII."""
    if isinstance(value, str) and not re.search(pattern.replace("$", r"\Z"), value, re.ASCII):
        yield ValidationError(f"{value!r} does not match")


def _unique_items(_: Any, __: bool, values: Any, ___: Any) -> Iterator[ValidationError]:  # noqa: FBT001 - jsonschema's
    """Report each repeated text of a list; the library's own check is slow and does not say which."""
    first: dict[str, int] = {}
    for index, value in enumerate(values if isinstance(values, list) else []):
        if isinstance(value, str) and first.setdefault(value, index) != index:
            words = f"is already in this list, as [{first[value]}]. Keep one of them"
            yield ValidationError(words, path=[index], instance=value)
