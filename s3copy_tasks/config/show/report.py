"""Reports problems to people and machines: as text with the line, as JSON, as GitHub annotations."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias
from unicodedata import combining, east_asian_width

from s3copy_tasks.config.problem import Code
from s3copy_tasks.config.read.hints import LINE_BREAK
from s3copy_tasks.config.read.source import content_of
from s3copy_tasks.config.secret import HIDDEN, masked_lines
from s3copy_tasks.core.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from s3copy_tasks.config.problem import Problem

Line: TypeAlias = list[tuple[str, str]]
"""Pieces of a line with their styles."""

_SHOWN_BEFORE, _SHOWN_AFTER = 60, 60


def text_lines(problems: Iterable[Problem]) -> Iterator[Line]:
    """Yield each problem, and below it the line in question with a caret.

    No line of a file with a secret is shown: escapes and folded lines can hide it from a check of the text.
    """
    problems = list(problems)
    secret = {problem.file for problem in problems if problem.code == Code.SECRET}
    lines_of = cache(_lines_of)  # for this report only: files change
    for problem in problems:
        path = f"{printable(problem.path)}: " if problem.path else ""
        kind, style = ("warning: ", "yellow") if problem.is_warning else ("", "red")
        words = [(printable(problem.where), "bold"), (f": {kind}{path}", "")]
        words.append((printable(problem.message), style))
        yield [*words, (f" [{problem.code}]", "dim")]
        if problem.file not in secret:
            yield from _excerpt(problem, lines_of)


def as_text(problems: Iterable[Problem]) -> str:
    """Return the report without styles."""
    return "".join("".join(text for text, _ in line) + "\n" for line in text_lines(problems))


def as_json(problems: Iterable[Problem]) -> str:
    """Return a list of objects with file, line, column, path, code, severity, message and suggestion."""
    names = ("file", "line", "column", "path", "code", "severity", "message", "suggestion")
    return json.dumps([{name: getattr(one, name) for name in names} for one in problems], indent=2) + "\n"


def as_github(problems: Iterable[Problem]) -> str:
    """Return a workflow command for each problem: GitHub shows it beside the line.

    https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
    """
    commands = []
    for problem in problems:
        where = {"file": problem.file, "line": problem.line, "col": problem.column, "title": problem.code}
        properties = ",".join(f"{name}={_property(str(v))}" for name, v in where.items() if v is not None)
        words = ": ".join(printable(text) for text in (problem.path, problem.message) if text)
        commands.append(f"::{problem.severity} {properties}::{_data(words)}\n")
    return "".join(commands)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(printable(text)).replace(":", "%3A").replace(",", "%2C")


def _excerpt(problem: Problem, lines_of: Callable[[str], list[str]]) -> Iterator[Line]:
    if problem.line is None or problem.column is None:
        return
    lines = lines_of(problem.file)
    if problem.line > len(lines):
        return
    text, at = lines[problem.line - 1], problem.column - 1
    if text == HIDDEN:
        return
    start = max(0, at - _SHOWN_BEFORE)
    pieces = (text[start:at].ljust(at - start), text[at : at + _SHOWN_AFTER])
    before, after = (printable(piece.replace("\t", " ")) for piece in pieces)
    number = f"{problem.line:>6} | "
    yield [(number, "dim"), ((before + after).rstrip(), "")]
    yield [(" " * (len(number) - 2) + "| ", "dim"), (" " * _cells(before) + "^", "bold red")]


def _cells(text: str) -> int:
    """Return the width of a text on a terminal: East Asian letters take two columns, accents none."""
    return sum(0 if combining(c) else 2 if east_asian_width(c) in "FW" else 1 for c in text)


def _lines_of(file: str) -> list[str]:
    """Return a file's lines with secrets masked, also those on the line of another problem."""
    try:
        text = content_of(Path(file)).decode("utf-8-sig", "replace")
    except OSError:  # gone since it was read
        return []
    return masked_lines(LINE_BREAK.split(text))
