"""The schema is the contract: complete, strict, and true to its own examples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from s3copy_tasks.config.schema import problems_of_schema, schema, with_defaults
from tests.documents import MINIMAL

Part = dict[str, Any]


def parts(path: str, part: Part) -> Iterator[tuple[str, Part]]:
    """Yield a part of the schema and everything below, by path."""
    yield path, part
    for name, field in part.get("properties", {}).items():
        yield from parts(f"{path}.{name}", field)
    if "items" in part:
        yield from parts(f"{path}[]", part["items"])
    for i, choice in enumerate(part.get("anyOf", [])):
        if "type" in choice:
            yield from parts(f"{path}|{i}", choice)


PARTS = dict(parts("job", schema()))
MAPPINGS = {path: part for path, part in PARTS.items() if "properties" in part}
FIELDS = {
    f"{path}.{name}": (field, name in part.get("required", ()))
    for path, part in MAPPINGS.items()
    for name, field in part["properties"].items()
}
EXAMPLES = {
    f"{path}#{i}": (field, example)
    for path, (field, _) in FIELDS.items()
    for i, example in enumerate(field["examples"])
}


def test_schema_is_draft_2020_12() -> None:
    """Any editor can use the schema: it says its draft and is valid in it."""
    assert schema()["$schema"] == Draft202012Validator.META_SCHEMA["$id"]
    Draft202012Validator.check_schema(schema())


def test_the_walk_sees_every_level() -> None:
    """The tables below hold fields of the top, of mappings in it, of entries of lists, and of choices."""
    assert {"job.version", "job.source.bucket", "job.prefixes[].source", "job.schedule|2.assets"} <= set(
        FIELDS
    )


@pytest.mark.parametrize(("field", "required"), FIELDS.values(), ids=FIELDS)
def test_every_field_is_documented(field: Part, required: bool) -> None:  # noqa: FBT001 - a table's column
    """A field has a description, examples, and a default unless it is required."""
    assert field["description"].endswith(".")
    assert field["examples"]
    assert ("default" in field) is not required


@pytest.mark.parametrize("part", MAPPINGS.values(), ids=MAPPINGS)
def test_no_mapping_takes_unknown_fields(part: Part) -> None:
    """A misspelt field is refused at every level."""
    assert part["type"] == "object"
    assert part["additionalProperties"] is False


@pytest.mark.parametrize(("field", "example"), EXAMPLES.values(), ids=EXAMPLES)
def test_every_example_is_valid(field: Part, example: Any) -> None:
    """What the schema shows as an example can be copied into a config."""
    assert list(Draft202012Validator(field).iter_errors(example)) == []


@pytest.mark.parametrize("path", [path for path, (field, _) in FIELDS.items() if "default" in field])
def test_every_default_is_valid_or_empty(path: str) -> None:
    """A default may stand in the file; only the empty list means that the field is left out."""
    field, _ = FIELDS[path]
    assert field["default"] == [] or Draft202012Validator(field).is_valid(field["default"])


def test_spelled_out_defaults_are_valid() -> None:
    """A config may say every default, null by null; only empty lists of entries are left out."""
    full = with_defaults(MINIMAL)
    del full["objects"]
    assert list(problems_of_schema(full, "job.yaml")) == []


@pytest.mark.parametrize(
    "path", [path for path, (field, _) in FIELDS.items() if {"pattern", "anyOf"} & set(field)]
)
def test_patterns_and_choices_have_their_words(path: str) -> None:
    """The failure of a pattern or a choice is told in words, not as a regular expression."""
    assert FIELDS[path][0]["errorMessage"]


def test_defaults_fill_every_level() -> None:
    """A filled document has every field of every mapping, those of list entries too."""
    full = with_defaults(MINIMAL)
    assert set(full) == set(schema()["properties"])
    for name in ("source", "destination", "filters", "object", "transfer", "failure"):
        assert set(full[name]) == set(schema()["properties"][name]["properties"])
    assert full["prefixes"] == [{"source": "daily/", "destination": "backup/daily/", "recursive": True}]


def test_filling_leaves_the_document_alone() -> None:
    """Defaults go into a copy, and the schema's own lists are not handed out to be changed."""
    before = {**MINIMAL}
    with_defaults(MINIMAL)["transfer"]["pool"] = "changed"
    assert before == MINIMAL
    assert with_defaults(MINIMAL)["transfer"]["pool"] is None
