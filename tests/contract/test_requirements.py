"""Every requirement and every rule of S3 has a row, and every test in a row exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ASKED_FOR = [
    *(f"FR-{number:03}" for number in range(1, 16)),
    "missing source bucket, key or prefix",
    "destination not writable",
    "very large objects",
    "very large prefixes",
    "intermittent network",
    "duplicates at the destination",
    "under 1 second per small file",
    "thousands of objects per run",
    "a metrics collector",
    "an AWS connection manager",
    "a retry handler",
    "a plugin registration that Airflow loads by itself",
    "interfaces that the classes are checked against",
    "entities that check themselves",
    "one log line for each step",
]


def rows() -> list[tuple[str, str, list[str]]]:
    """Return requirement, how, and the tests of each row, headings left out."""
    found = []
    for line in (ROOT / "docs" / "requirements.md").read_text().splitlines():
        if line.startswith("| ") and not line.startswith(("| requirement |", "| --- |")):
            requirement, how, proven_by = (cell.strip() for cell in line.strip("|").split(" | "))
            found.append((requirement.partition(":")[0], how, re.findall(r"`([^`]+)`", proven_by)))
    return found


def names_in(file: Path) -> set[str]:
    """Return the test functions of a file, methods as `Class::method`."""
    names = set()
    for node in ast.parse(file.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.ClassDef):
            names |= {f"{node.name}::{part.name}" for part in node.body if isinstance(part, ast.FunctionDef)}
    return names


def test_every_requirement_has_its_row() -> None:
    """All requirements are there, in order, each once."""
    assert [requirement for requirement, _, _ in rows()] == ASKED_FOR


@pytest.mark.parametrize(("requirement", "how", "tests"), rows(), ids=[row[0] for row in rows()])
def test_every_requirement_is_proven(requirement: str, how: str, tests: list[str]) -> None:
    """A row says how the requirement is met, and names a test or a benchmark that exists."""
    assert how
    assert_exist(requirement, tests)


def rules() -> list[tuple[str, str, list[str]]]:
    """Return number, text and tests of each rule in docs/design/rules.md."""
    found = []
    for line in (ROOT / "docs" / "design" / "rules.md").read_text().splitlines():
        if re.match(r"\| [0-9]", line):
            number, text, _, proven_by, _ = (cell.strip() for cell in line[1:-1].split("|"))
            found.append((number, text, re.findall(r"`([^`]+)`", proven_by)))
    return found


def test_every_rule_has_its_row() -> None:
    """The rules 1 to 26 are there, in order, each once."""
    assert [number for number, _, _ in rules()] == [str(number) for number in range(1, 27)]


@pytest.mark.parametrize(("number", "text", "tests"), rules(), ids=[row[0] for row in rules()])
def test_every_rule_is_proven(number: str, text: str, tests: list[str]) -> None:
    """A rule names tests that exist, or says that it is planned."""
    if "Later:" in text:
        assert tests == []
    else:
        assert_exist(number, tests)


def assert_exist(requirement: str, tests: list[str]) -> None:
    """Check that there is at least one test, and that all exist."""
    assert tests
    for test in tests:
        name, _, function = test.partition("::")
        file = ROOT / name
        assert file.is_file(), f"{requirement}: {name} does not exist"
        if function:
            assert function.rpartition("::")[2].startswith("test_")
            assert function in names_in(file), f"{requirement}: {name} has no {function}"
        else:
            assert file.name.startswith("bench_"), f"{requirement}: {name} is not a benchmark"
