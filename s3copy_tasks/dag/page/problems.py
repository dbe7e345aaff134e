"""Reads problems of configs from the text of import errors, of the Dag files and of the importer."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

HEADLINE = "invalid copy configs"
_FIRST = re.compile(
    r"(?P<file>.+?)(?::(?P<line>[0-9]+):(?P<column>[0-9]+))?: (?P<words>.*) \[(?P<code>[a-z-]+)\]"
)
_EXCERPT = re.compile(r" {3,}[0-9 ]+\| ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Invalid:
    """One problem of a config.

    Attributes:
        file: name without folders.
        place: line and column as `5:12`; empty if the problem is the whole file.
        words: what is wrong and what to write instead.
        code: of the problem.
        excerpt: the line with the problem, and a caret below.
    """

    file: str
    place: str
    words: str
    code: str
    excerpt: tuple[str, ...] = ()


def parse_problems(stacktrace: str) -> list[Invalid]:
    """Return the problems in an import error's text; none if the error is not about configs."""
    _, found, report = stacktrace.partition(HEADLINE + "\n")
    if not found:
        return []
    problems: list[Invalid] = []
    excerpts: list[list[str]] = []
    for line in report.splitlines():
        first = _FIRST.fullmatch(line)
        if first and not _EXCERPT.match(line):
            problems.append(_invalid(first))
            excerpts.append([])
        elif problems and line.strip():
            excerpts[-1].append(line)
    return [replace(problem, excerpt=tuple(lines)) for problem, lines in zip(problems, excerpts, strict=True)]


def _invalid(first: re.Match[str]) -> Invalid:
    place = f"{first['line']}:{first['column']}" if first["line"] else ""
    file = re.split(r"[/\\]", first["file"])[-1]
    return Invalid(file=file, place=place, words=first["words"], code=first["code"])
