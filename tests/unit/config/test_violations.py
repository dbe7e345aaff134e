"""The keywords of the schema mean what JSON Schema says: the package jsonschema finds the same."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from s3copy_tasks.config.check.schema import schema
from s3copy_tasks.config.check.violations import Validator

NAMES = st.sampled_from(["a", "b", "c"])
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-2, 3)
    | st.sampled_from([0.5, 1.0, float("inf"), float("nan")])
    | st.text("ab1\n", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
TYPES = st.sampled_from(["array", "boolean", "integer", "null", "number", "object", "string"])
BOUNDS = st.integers(0, 3)
LEAVES: dict[str, st.SearchStrategy[Any]] = {
    "const": VALUES.filter(lambda value: not isinstance(value, list | dict)),
    "enum": st.lists(VALUES.filter(lambda value: not isinstance(value, list | dict)), max_size=3),
    "maxItems": BOUNDS,
    "maxLength": BOUNDS,
    "maxProperties": BOUNDS,
    "maximum": BOUNDS,
    "minItems": BOUNDS,
    "minLength": BOUNDS,
    "minProperties": BOUNDS,
    "minimum": BOUNDS,
    "pattern": st.sampled_from(["a", "^a", "[0-9]", "^(a|b)+"]),
    "required": st.lists(NAMES, max_size=2, unique=True),
    "type": TYPES | st.lists(TYPES, min_size=1, max_size=2, unique=True),
}
INNER = ("additionalProperties", "allOf", "anyOf", "items", "not", "properties")


def parts(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    """Return parts of schemas that use every keyword."""
    properties = st.dictionaries(NAMES, inner, max_size=2)
    lists = st.lists(inner, min_size=1, max_size=2)
    strict = properties.map(lambda found: {"properties": found, "additionalProperties": False})
    choices = {"allOf": lists, "anyOf": lists, "items": inner, "not": inner}
    others = st.fixed_dictionaries({}, optional=choices)
    return st.tuples(strict | st.just({}), others).map(lambda pair: pair[0] | pair[1])


SCHEMAS = st.recursive(st.fixed_dictionaries({}, optional=LEAVES), parts, max_leaves=6)


@given(part=SCHEMAS, value=VALUES)
def test_the_same_violations(part: dict[str, Any], value: Any) -> None:
    """Each keyword refuses the same values at the same places."""
    found = {(one.keyword, one.parts) for one in Validator(part).find_violations(value)}
    errors = Draft202012Validator(part).iter_errors(value)
    assert found == {(str(error.validator), tuple(error.absolute_path)) for error in errors}


def keywords(part: Any) -> set[str]:
    """Return the keywords that a part of a schema uses, at any depth."""
    if isinstance(part, list):
        return set().union(*map(keywords, part))
    if not isinstance(part, dict):
        return set()
    inner = [value for name, value in part.items() if name in {"allOf", "anyOf", "items", "not"}]
    inner += [*part.get("properties", {}).values()]
    return set(part).union(*map(keywords, inner))


def test_all_keywords_of_the_schema_are_known() -> None:
    """A new keyword in the schema would be ignored otherwise."""
    documenting = {"$schema", "default", "deprecated", "description", "errorMessage", "examples", "title"}
    assert keywords(schema()) - documenting - {"$ref", "uniqueItems"} <= {*LEAVES, *INNER}


@pytest.mark.parametrize(
    ("value", "path"), [([], None), (["a", "b"], None), (["a", "b", "a"], (2,)), ("aa", None), ([1, 1], None)]
)
def test_repeated_texts(value: Any, path: tuple[int] | None) -> None:
    """Of repeated texts, the later one is reported."""
    found = [one.parts for one in Validator({"uniqueItems": True}).find_violations(value)]
    assert found == ([] if path is None else [path])


def test_a_reference() -> None:
    """A part may refer to another."""
    referring = json.loads('{"properties": {"a": {"type": "null"}, "b": {"$ref": "#/properties/a"}}}')
    (found,) = Validator(referring).find_violations({"a": None, "b": 1})
    assert (found.keyword, found.parts) == ("type", ("b",))
