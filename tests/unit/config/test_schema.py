"""The schema is the contract: complete, strict, and true to its own examples."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from s3copy_tasks.config.check.schema import findings_of_schema, schema, with_defaults
from s3copy_tasks.config.problem import Code, Finding
from s3copy_tasks.config.read.scalar import Misread
from s3copy_tasks.core.key_list import FAILED_COLUMNS, MANIFEST_COLUMNS
from tests.support.builders.documents import MINIMAL

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
    f"{path}.{name}": (field, name in part.get("required", ()) or part.get("maxProperties") == 1)
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
    """A field has a description, examples, and a default unless it is required, or one of a choice."""
    assert field["description"].endswith(".")
    assert field["examples"]
    assert ("default" in field) is not required


@pytest.mark.parametrize("part", MAPPINGS.values(), ids=MAPPINGS)
def test_no_mapping_takes_unknown_fields(part: Part) -> None:
    """A misspelt field is refused at every level."""
    assert part["type"] in ("object", ["object", "null"])
    assert part["additionalProperties"] is False


@pytest.mark.parametrize(("field", "example"), EXAMPLES.values(), ids=EXAMPLES)
def test_every_example_is_valid(field: Part, example: Any) -> None:
    """What the schema shows as an example can be copied into a config."""
    assert list(Draft202012Validator(schema()).evolve(schema=field).iter_errors(example)) == []


@pytest.mark.parametrize("path", [path for path, (field, _) in FIELDS.items() if "default" in field])
def test_every_default_is_valid_or_empty(path: str) -> None:
    """A default may be written in the file; only the empty list means that the field is left out."""
    field, _ = FIELDS[path]
    validator = Draft202012Validator(schema()).evolve(schema=field)
    assert field["default"] == [] or validator.is_valid(field["default"])


def test_spelled_out_defaults_are_valid() -> None:
    """A config may say every default, null by null; only empty lists of entries are left out."""
    full = with_defaults(MINIMAL)
    del full["objects"]
    assert list(findings_of_schema(full, {})) == []


@pytest.mark.parametrize(
    "path", [path for path, (field, _) in FIELDS.items() if {"pattern", "anyOf"} & set(field)]
)
def test_patterns_and_choices_have_their_words(path: str) -> None:
    """The failure of a pattern or a choice is reported in words, not as a regular expression."""
    assert FIELDS[path][0]["errorMessage"]


def test_defaults_fill_every_level() -> None:
    """A filled document has every field of every mapping, those of list entries too."""
    full = with_defaults(MINIMAL)
    assert set(full) == set(schema()["properties"])
    for name in ("source", "destination", "filters", "object", "transfer", "airflow", "failure"):
        fields = schema()["properties"][name]["properties"]
        assert set(full[name]) == {field for field, part in fields.items() if not part.get("deprecated")}
    assert full["prefixes"] == [{"source": "daily/", "destination": "backup/daily/", "recursive": True}]


def test_the_columns_of_a_list_are_those_that_rows_are_read_by() -> None:
    """A column that the schema offers is one that the code knows, and both have the same default."""
    columns = schema()["properties"]["from"]["properties"]["columns"]
    assert set(columns["items"]["enum"]) == set(MANIFEST_COLUMNS)
    assert columns["default"] == [*FAILED_COLUMNS]


def test_filling_leaves_the_document_alone() -> None:
    """Defaults go into a copy, and the schema's own lists are not handed out to be changed."""
    before = {**MINIMAL}
    with_defaults(MINIMAL)["airflow"]["pool"] = "changed"
    assert before == MINIMAL
    assert with_defaults(MINIMAL)["airflow"]["pool"] is None


# --- findings: what is wrong, and what may take its place


def findings(texts: dict[Any, str] | None = None, **changes: Any) -> list[Finding]:
    return [*findings_of_schema({**MINIMAL, **changes}, texts or {})]


SUGGESTIONS: dict[str, tuple[dict[str, Any], dict[Any, str], str | None]] = {
    "the nearest field": ({"ownr": "x"}, {}, "owner"),
    "no field is near": ({"zzz": "x"}, {}, None),
    "a field of another section": ({"retries": 3}, {}, None),
    "the nearest choice": ({"overwrite": "change"}, {}, "changed"),
    "a choice in capitals": ({"overwrite": "NEVER"}, {}, "never"),
    "no choice is near": ({"overwrite": "5"}, {}, None),
    "a number as text": ({"owner": 5}, {("owner",): "5"}, '"5"'),
    "a number as it was written": ({"owner": 1.1}, {("owner",): "1.10"}, '"1.10"'),
    "a number in the form of the field": (
        {"source": {"bucket": "abc", "account": 111122223333}},
        {("source", "account"): "111122223333"},
        '"111122223333"',
    ),
    "a number in no form of the field": (
        {"source": {"bucket": "abc", "account": 1e11}},
        {("source", "account"): "1e11"},
        None,
    ),
    "true is not text": ({"owner": True}, {("owner",): "true"}, None),
    "text as a number": ({"failure": {"retries": "3"}}, {}, "3"),
    "text with a comma as a number": ({"failure": {"retries": "1,0"}}, {}, "10"),
    "words are not a number": ({"failure": {"retries": "three"}}, {}, None),
    "a number without its zeros": (
        {"failure": {"retries": Misread("010", "the number 10")}},
        {("failure", "retries"): "010"},
        "10",
    ),
    "hexadecimal may be anything": (
        {"failure": {"retries": Misread("0x10", "the number 16")}},
        {("failure", "retries"): "0x10"},
        None,
    ),
    "text as a list": ({"tags": "daily"}, {}, '["daily"]'),
    "text is not a list of mappings": ({"prefixes": "daily/"}, {}, None),
    "yes": ({"prefixes": [{"source": "", "destination": "", "recursive": "yes"}]}, {}, "true"),
    "Off": ({"prefixes": [{"source": "", "destination": "", "recursive": "Off"}]}, {}, "false"),
    "false in quotes": ({"prefixes": [{"source": "", "destination": "", "recursive": "false"}]}, {}, "false"),
    "maybe": ({"prefixes": [{"source": "", "destination": "", "recursive": "maybe"}]}, {}, None),
}


@pytest.mark.parametrize(("changes", "texts", "suggestion"), SUGGESTIONS.values(), ids=SUGGESTIONS)
def test_what_may_take_the_place_is_offered(
    changes: dict[str, Any], texts: dict[Any, str], suggestion: str | None
) -> None:
    """A text is offered where it would be right, as it would be written; never where it is a guess."""
    (finding,) = findings(texts, **changes)
    assert finding.suggestion == suggestion
    assert suggestion is None or suggestion in finding.message


WORDS: dict[str, tuple[dict[str, Any], str]] = {
    "a section without what it needs": (
        {"source": "x"},
        "must be a mapping with `bucket`, but YAML reads the text",
    ),
    "entries": (
        {"objects": "x"},
        "must be a list of mappings with `source` and `destination`, but YAML reads",
    ),
    "an entry": (
        {"objects": ["x"]},
        "must be a mapping with `source` and `destination`, but YAML reads the text",
    ),
    "entries without dashes": ({"objects": {}}, "but YAML reads a mapping. Start each entry with `- `"),
    "nothing": ({"transfer": None}, "but YAML reads null. Give it a value, or remove the field"),
    "nothing where something is needed": ({"source": None}, "but YAML reads null. Give it a value"),
    "a field of one section": ({"retries": 3}, "unknown field 'retries'. It belongs to failure"),
    "a field of two": ({"bucket": "x"}, "unknown field 'bucket'. It belongs to source and destination"),
    "an entry again": ({"tags": ["a", "b", "a"]}, "is already in this list, as [0]. Keep one of them"),
    "text or null": (
        {"source": {"bucket": "abc", "region": 5}},
        'such as "us-west-2", but YAML reads the number 5',
    ),
    "too short, and there is a default": ({"owner": ""}, "must have at least 1 character(s), or be left out"),
    "too short, and it is needed": (
        {"objects": [{"source": "", "destination": "x"}]},
        "must have at least 1 character(s)",
    ),
}


@pytest.mark.parametrize(("changes", "words"), WORDS.values(), ids=WORDS)
def test_a_finding_says_how_to_fix_it(changes: dict[str, Any], words: str) -> None:
    """What is wanted, what YAML reads, and what to do are in each message."""
    (finding,) = findings(**changes)
    assert finding.message.endswith(words) or words in finding.message


def test_the_message_does_not_suggest_to_leave_out_a_required_field() -> None:
    """A field that has no default can't be left out."""
    (null,), (empty,) = findings(source=None), findings(objects=[{"source": "", "destination": "x"}])
    assert null.message.endswith("Give it a value")
    assert "left out" not in empty.message


def test_defaults_need_nothing() -> None:
    """A part of a job is checked as far as it goes."""
    assert [*findings_of_schema({"source": {}, "prefixes": [{}]}, {}, partly=True)] == []
    assert [one.code for one in findings_of_schema({"source": {"x": 1}}, {}, partly=True)] == [
        Code.UNKNOWN_FIELD
    ]


def test_numbers_with_a_point_fill_as_whole_ones() -> None:
    """JSON knows one kind of number."""
    filled = with_defaults({**MINIMAL, "transfer": {"concurrency": 64.0}})["transfer"]["concurrency"]
    assert (type(filled), filled) == (int, 64)


def test_a_list_of_wrong_assets_is_read_once() -> None:
    """A schedule is refused at the first wrong asset: only the check for repeated ones reads all."""
    read = []

    class Counted(list[Any]):
        """Notes each item that is read."""

        def __iter__(self) -> Iterator[Any]:
            for item in super().__iter__():
                read.append(item)
                yield item

    found = list(findings_of_schema(MINIMAL | {"schedule": {"assets": Counted(range(1_000))}}, {}))
    assert [finding.parts for finding in found] == [("schedule",)]
    assert len(read) <= 1_001
