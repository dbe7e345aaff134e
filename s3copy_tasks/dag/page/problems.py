"""Reads problems of configs from the text of import errors, of the Dag files and of the importer."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum

from s3copy_tasks.config.problem import BETWEEN_JOBS

HEADLINE = "invalid copy configs"
_FIRST = re.compile(
    r"(?P<file>.+?)(?::(?P<line>[0-9]+):(?P<column>[0-9]+))?: (?P<words>.*) \[(?P<code>[a-z-]+)\]"
)
_EXCERPT = re.compile(r" {3,}[0-9 ]+\| ")
_WARNING = "warning: "


class Effect(StrEnum):
    """What a problem means for the job of its file, in the order in which problems are shown."""

    NO_JOB = "no job"
    JOB_STAYS = "job stays"
    WARNING = "warning"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigProblem:
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

    @property
    def effect(self) -> Effect:
        """What it means for the job of the file."""
        if self.words.startswith(_WARNING):
            return Effect.WARNING
        return Effect.JOB_STAYS if self.code in BETWEEN_JOBS else Effect.NO_JOB

    @property
    def job(self) -> str:
        """The name of the file's job."""
        return re.sub(r"\.ya?ml$", "", self.file)


def parse_problems(stacktrace: str) -> list[ConfigProblem]:
    """Return the problems in an import error's text; none if the error is not about configs."""
    _, found, report = stacktrace.partition(HEADLINE + "\n")
    if not found:
        return []
    problems: list[ConfigProblem] = []
    excerpts: list[list[str]] = []
    for line in report.splitlines():
        first = _FIRST.fullmatch(line)
        if first and not _EXCERPT.match(line):
            problems.append(_read_first_line(first))
            excerpts.append([])
        elif problems and line.strip():
            excerpts[-1].append(line)
    return [replace(problem, excerpt=tuple(lines)) for problem, lines in zip(problems, excerpts, strict=True)]


def group_problems(problems: list[ConfigProblem]) -> dict[Effect, list[ConfigProblem]]:
    """Return problems by their effect, without effects that none has."""
    groups = {effect: [one for one in problems if one.effect is effect] for effect in Effect}
    return {effect: group for effect, group in groups.items() if group}


def _read_first_line(first: re.Match[str]) -> ConfigProblem:
    place = f"{first['line']}:{first['column']}" if first["line"] else ""
    file = re.split(r"[/\\]", first["file"])[-1]
    return ConfigProblem(file=file, place=place, words=first["words"], code=first["code"])
