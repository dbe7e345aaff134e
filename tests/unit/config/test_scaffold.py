"""A new config: known fields as values, the rest as comments that can be uncommented one by one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3copy_tasks.config.check.schema import schema
from s3copy_tasks.config.layers import read_layers
from s3copy_tasks.config.load import job_of
from s3copy_tasks.config.problem import Code, Problem
from s3copy_tasks.config.read.source import read_source
from s3copy_tasks.config.show.scaffold import commented
from tests.support.builders.documents import MINIMAL, document

FILE = Path("job.yaml")
Part = dict[str, Any]


def field_names(part: Part) -> Iterator[str]:
    for name, field in part.get("properties", {}).items():
        yield name
        yield from field_names(field)


NAMES = set(field_names(schema()))
COMMENTED = re.compile(rf"( *)# (({'|'.join(sorted(NAMES))}): .*)")
EXCLUSIVE = {"connection", "role_arn", "external_id", "from"}


def problems_of(text: str) -> list[Problem]:
    loaded = job_of(read_layers(FILE, None, text.encode()))
    return loaded if isinstance(loaded, list) else []


def taken_in(text: str, choose: Any) -> str:
    """Return a text without the comment sign before the fields that are chosen."""
    lines = []
    for number, line in enumerate(text.splitlines()):
        found = COMMENTED.fullmatch(line)
        lines.append(found[1] + found[2] if found and choose(number, found[3]) else line)
    return "\n".join(lines) + "\n"


def commented_fields(text: str) -> list[tuple[int, str]]:
    found = [(number, COMMENTED.fullmatch(line)) for number, line in enumerate(text.splitlines())]
    return [(number, one[3]) for number, one in found if one]


ROLE = "arn:aws:iam::111122223333:role/a: b"
LOCATIONS = st.builds(
    lambda known, reached: {"bucket": "ops-granules"} | known | reached,
    st.fixed_dictionaries(
        {},
        optional={
            "account": st.from_regex("[0-9]{12}", fullmatch=True),
            "region": st.sampled_from(["us-west-2", "eu-central-1"]),
        },
    ),
    st.sampled_from([{}, {"connection": "aws_source"}, {"role_arn": ROLE}]),
)
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=200).filter(bool)
KEYS = st.from_regex(r"[a-zé{ds}' :#\[\]&*]{1,20}", fullmatch=True).filter(lambda key: "{" not in key)
ENTRIES = st.lists(st.tuples(KEYS, KEYS), max_size=3, unique_by=lambda pair: pair[1])
TOP = {"description": TEXT, "owner": TEXT, "schedule": st.sampled_from(["@daily", "0 2 * * *"])}


@st.composite
def answers_given(draw: st.DrawFn) -> dict[str, Any]:
    """Return what the asker of a new config may know."""
    prefixes, objects = [("daily", "out"), *draw(ENTRIES)], draw(ENTRIES)
    entries = {"prefixes": [{"source": f"{a}/", "destination": f"{b}/"} for a, b in prefixes]}
    if objects:
        entries["objects"] = [{"source": a, "destination": b} for a, b in objects]
    sides = {"source": draw(LOCATIONS), "destination": draw(LOCATIONS) | {"bucket": "partner-granules"}}
    return {"version": 1} | draw(st.fixed_dictionaries({}, optional=TOP)) | sides | entries


ANSWERS = answers_given()


@given(answers=ANSWERS)
def test_a_new_config_says_what_is_known(answers: dict[str, Any]) -> None:
    """Whatever the answers are, the file is valid and holds them, and nothing else."""
    text = commented(answers)
    assert problems_of(text) == []
    assert read_source(FILE, text.encode()).value == answers


@settings(max_examples=20)
@given(answers=ANSWERS)
def test_each_comment_can_be_taken_in(answers: dict[str, Any]) -> None:
    """Without its comment sign each field is valid by itself, unless it excludes another that is there."""
    text = commented(answers)
    for number, name in commented_fields(text):
        problems = problems_of(taken_in(text, lambda line, _, number=number: line == number))
        expected = {Code.EXCLUSIVE_FIELDS} if name in EXCLUSIVE else set()
        assert {problem.code for problem in problems} <= expected, name


@given(answers=ANSWERS)
def test_all_comments_can_be_taken_in(answers: dict[str, Any]) -> None:
    """Without any comment sign the file has every section, and only what excludes each other is wrong."""
    text = commented(answers)
    assert problems_of(taken_in(text, lambda _, name: name not in EXCLUSIVE)) == []
    whole = read_source(FILE, taken_in(text, lambda _, __: True).encode()).value
    assert set(whole) == set(schema()["properties"])
    assert {problem.code for problem in problems_of(taken_in(text, lambda _, __: True))} <= {
        Code.EXCLUSIVE_FIELDS
    }


def test_every_field_of_a_new_config_is_described() -> None:
    """Above each field is its description from the schema."""
    text = re.sub(r"\n *# ", " ", commented(MINIMAL))
    top = schema()["properties"]
    for name, part in [*top.items(), *top["source"]["properties"].items()]:
        assert part["description"] in text, name


def test_fields_have_the_order_of_the_schema() -> None:
    """A new config reads as the reference does, whatever the order of the answers."""
    text = commented(dict(reversed(document(owner="x", description="y").items())))
    top = [line for line in text.splitlines() if re.match(r"(# )?[a-z_]+:( |$)", line)]
    names = [line.removeprefix("# ").split(":")[0] for line in top]
    assert names == [*schema()["properties"]]


def test_lines_are_short_enough_to_read() -> None:
    """Descriptions are wrapped."""
    assert max(len(line) for line in commented(MINIMAL).splitlines() if "{" not in line) <= 100


def test_a_job_of_assets_is_written_as_it_is() -> None:
    """A field that may be text or a mapping has the mapping in its line."""
    answers = document(schedule={"assets": ["s3://ops-granules/daily"]})
    assert read_source(FILE, commented(answers).encode()).value == answers


@pytest.mark.parametrize("text", ["a\nb: c", "\x07", "\u2028", "# x", "- x", '"', "'", "\\", "no", "012"])
def test_an_answer_is_text_whatever_it_looks_like(text: str) -> None:
    """Line breaks, marks of YAML and what looks like a number stay text."""
    written = commented(document(description=text))
    assert read_source(FILE, written.encode()).value["description"] == text
