"""Files as ops engineers write them; each wrong one states in its first lines what is reported.

A line such as `# 7:12 wrong-type source.account: must be twelve digits` is one problem: its place, its code,
its path (nothing for the whole file) and words of its message; `-` is the place of a whole file. A folder
is loaded as one.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from s3copy_tasks.config.catalog import Catalog, load_files, load_folder
from s3copy_tasks.config.problem import Code, Problem

EXAMPLES = Path(__file__).parent / "examples"
EXPECTED = re.compile(r"# (?P<place>-|\d+:\d+) (?P<code>[a-z-]+)(?: (?P<path>\S+))?: (?P<words>.+)")
NOT_SHOWN = {
    Code.FILE_UNREADABLE: "a file that can't be read can't be read by the test either",
    Code.YAML_ENCODING: "an editor would save it as UTF-8",
    Code.YAML_SIZE: "a megabyte",
}


def named(kind: str) -> dict[str, Path]:
    """Return the examples of a kind: files, and folders that are loaded as a whole."""
    return {path.stem: path for path in sorted((EXAMPLES / kind).iterdir())}


INVALID, VALID, WARNINGS = named("invalid"), named("valid"), named("warnings")
FILES = sorted(file for kind in ("invalid", "warnings") for file in (EXAMPLES / kind).rglob("*.y*ml"))


def loaded(path: Path) -> Catalog:
    return load_folder(path) if path.is_dir() else load_files([path])


def expected_of(file: Path) -> list[re.Match[str]]:
    """Return what the first comments of a file state."""
    lines = file.read_text(encoding="utf-8").splitlines()
    found = [EXPECTED.fullmatch(line) for line in lines]
    return [one for one in found[: found.index(None)] if one is not None]


def place_of(problem: Problem) -> str:
    return "-" if problem.line is None else f"{problem.line}:{problem.column}"


def describe(problem: Problem) -> str:
    """Return a problem in the form in which the examples state it."""
    path = f" {problem.path}" if problem.path else ""
    return f"# {place_of(problem)} {problem.code}{path}: {problem.message}"


@pytest.mark.parametrize("path", INVALID.values(), ids=INVALID)
def test_an_invalid_example_has_the_problems_that_it_states(path: Path) -> None:
    """Exactly its problems are reported, each at its place with its code, path and a message with the fix."""
    check_stated(path, loaded(path).problems)


@pytest.mark.parametrize("path", WARNINGS.values(), ids=WARNINGS)
def test_an_example_of_a_warning_is_a_job_with_the_warnings_that_it_states(path: Path) -> None:
    """What should be changed is reported at its place, and the job runs."""
    catalog = loaded(path)
    check_stated(path, catalog.warnings)
    assert list(map(str, catalog.problems)) == []
    assert catalog.jobs


def check_stated(path: Path, found: Sequence[Problem]) -> None:
    """Check that the files of an example state exactly what was found."""
    files = sorted(path.glob("*.y*ml")) if path.is_dir() else [path]
    stated = [(file, one) for file in files for one in expected_of(file)]
    assert [(problem.file, describe(problem).partition(": ")[0]) for problem in found] == [
        (str(file), one.group().partition(": ")[0]) for file, one in stated
    ]
    for problem, (_, one) in zip(found, stated, strict=True):
        assert one["words"] in problem.message


@pytest.mark.parametrize("path", VALID.values(), ids=VALID)
def test_a_valid_example_is_a_job(path: Path) -> None:
    """What the format promises is taken, without a warning."""
    catalog = loaded(path)
    assert list(map(str, (*catalog.problems, *catalog.warnings))) == []
    assert catalog.jobs


def test_every_code_is_shown() -> None:
    """An example shows each problem that a file, or a folder of files, can have."""
    every = set(Code)
    shown = {one["code"] for file in FILES for one in expected_of(file)}
    assert shown == every - set(NOT_SHOWN)


@pytest.mark.parametrize("path", INVALID.values(), ids=INVALID)
def test_a_problem_is_listed_once_and_in_order(path: Path) -> None:
    """Problems are sorted by file, line and column, and none is reported twice."""
    problems = loaded(path).problems
    assert len(problems) == len(set(map(str, problems)))
    assert [one.place for one in problems] == sorted(one.place for one in problems)


@pytest.mark.parametrize("path", INVALID.values(), ids=INVALID)
def test_a_suggestion_is_in_the_message(path: Path) -> None:
    """A machine offers the fix that the message says, and nothing else."""
    for problem in loaded(path).problems:
        assert problem.suggestion is None or problem.suggestion in problem.message
