"""The words of the glossary in CONTRIBUTING: the same word for the same thing, in plain English."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TOP = (
    "CONTRIBUTING.md",
    "Makefile",
    "README.md",
    "copy_configs",
    "dags",
    "docs",
    "pyproject.toml",
    "s3copy_tasks",
    "tests",
    "tools",
)
KINDS = {".css", ".html", ".json", ".md", ".py", ".toml", ".yaml", ""}
EXAMPLES = Path(__file__).parents[1] / "config" / "examples"
"""Configs of users, whose words are theirs."""

_BEFORE_A_NOUN = (
    "a|an|the|each|every|first|second|third|last|earlier|next|another|one|no|later|this|that|killed|its|which|"
    "other|two|three|of"
)
ODD: dict[str, tuple[str, str]] = {
    "tell": (r"\b(tell|tells|told|telling|teller)\b", "report, notify, emit, log, say"),
    "mend": (r"\bmend(s|ed|ing)?\b", "fix"),
    "anew": (r"\banew\b", "again"),
    "in vain": (r"\bin vain\b", "wasted"),
    "nobody": (r"\b(some|no)(body|one)\b", "no client, another client, no one needs to be named"),
    "strangers": (r"\bstrangers?\b", "untrusted input"),
    "ours": (r"\b(ours|theirs)\b", "source, destination, or the noun"),
    "come to": (r"\b(came|comes|come) to\b", "result, total"),
    "a try": (
        rf"\b({_BEFORE_A_NOUN}) (try|tries)\b|\btries of\b",
        "attempt",
    ),
    "wrong use": (r"\bwrong use\b", "usage error"),
    "is no": (r"\b(is|are|was) no (?!longer\b|more\b|other\b|such\b)", "is not a valid ..., is not a ..."),
    "as many": (r"\bas many as (may|they)\b|\bmost 0 may\b", "limit"),
    "stands": (r"\bstands?\b(?! for\b)", "is"),
    "dear": (r"\bdear(er)?\b", "expensive"),
    "bear": (r"\bbears?\b", "tolerate"),
    "account": (r"\b(gave|give|gives|giving) (no |an )?account\b|\baccounted\b", "metrics, reported nothing"),
    "look at": (r"\blook(s|ed|ing)? (at|again)\b|\ba look\b", "check, read, head"),
}
"""What is not said, as a pattern over lower-case words, and what is said instead."""

PROMISED: dict[str, str] = {
    "tell_late": "Airflow keeps the path of this function",
    "s3copy_earlier_try": "a key in Airflow's state of a task: a run may be upgraded before its retry",
    "uploads of earlier tries are not known": "a log event",
    "upload of an earlier try aborted": "a log event",
    "lineage is not told": "a log event",
    "pycurl.NOBODY": "libcurl's name",
}
"""Words that are promised, and why they stay."""

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def texts(top: str) -> list[Path]:
    """Return the files of a folder, or the file itself."""
    path = ROOT / top
    files = [path] if path.is_file() else [file for file in sorted(path.rglob("*")) if file.is_file()]
    return [
        file
        for file in files
        if file.suffix in KINDS and not file.is_relative_to(EXAMPLES) and file != Path(__file__)
    ]


def words_of(line: str) -> str:
    """Return a line's words in lower case, identifiers split into theirs, without what is promised."""
    for promised in PROMISED:
        line = line.replace(promised, "")
    return _CAMEL.sub(" ", line).replace("_", " ").lower()


@pytest.mark.parametrize("top", TOP)
def test_words(top: str) -> None:
    """Code, messages, logs, pages and docs use the words of the glossary."""
    found = [
        f"{file.relative_to(ROOT)}:{number}: {word!r}: write {instead}"
        for file in texts(top)
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if not (top == "CONTRIBUTING.md" and line.startswith("| "))  # the glossary itself
        for word, (pattern, instead) in ODD.items()
        if re.search(pattern, words_of(line))
    ]
    assert found == []
