"""Hints on how to fix invalid YAML: most often a value needs quotes."""

from __future__ import annotations

import json
import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from s3copy_tasks.config.secret import masked_lines
from s3copy_tasks.core.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

LINE_BREAK = re.compile(r"\r\n|\r|\n")
"""Line breaks of YAML 1.2 and of editors; YAML 1.1, and so libyaml, has three more."""
SHOWN_MAX = 80
"""Characters of a value that a message repeats."""

_WORD, _BRACES = r"""[^\s\[\]{},"':#]""", r"\{\{[^{}]{0,200}\}\}"
_TEMPLATE = re.compile(
    rf"(?:^|[\s\[{{,])({_WORD}{{0,200}}{_BRACES}(?:{_WORD}|{_BRACES}){{0,200}})(?=[\s\],}}#]|$)"
)
_MARKED = re.compile(r"[@`%][^\s,\]}#]{0,200}|[*&!][^\s,\]}#]{1,200}")
_ESCAPES = "Use single quotes, or write each backslash twice"
_FIELDS = "Put a space after a name's colon; start the fields of a mapping in the same column"
_QUOTE = "Close the quote that starts here"
_TAG = "Write the value without a tag, and text in quotes"
_WORDS = {
    "block sequence entries are not allowed in this context": "Start the list on its own line",
    "control characters are not allowed": "Remove it, or write it as an escape in double quotes",
    "could not find expected ':'": "Write `name: value`, with a space after the colon",
    "did not find expected '-' indicator": "Start each entry of the list with `- `, in the same column",
    "did not find expected ',' or ']'": "Put `,` between the entries and `]` after the last",
    "did not find expected ',' or '}'": "Put `,` between the fields and `}` after the last",
    "did not find expected <document start>": _FIELDS,
    "did not find expected hexdecimal number": _ESCAPES,
    "did not find expected key": f"{_FIELDS}; put nothing after a closing quote",
    "did not find expected node content": "Add a value, or put the special characters in quotes",
    "found a tab character that violates indentation": "Indent with spaces",
    "found a tab character where an indentation space is expected": "Indent with spaces",
    "found character that cannot start any token": "Put the value in quotes",
    "found duplicate %TAG directive": "Remove the line",
    "found duplicate %YAML directive": "Remove the line",
    "found incompatible YAML document": "Write `%YAML 1.2`, or remove the line",
    "found invalid Unicode character escape code": _ESCAPES,
    "found undefined tag handle": _TAG,
    "found unexpected ':'": "Put the text in quotes",
    "found unexpected document indicator": _QUOTE,
    "found unexpected end of stream": _QUOTE,
    "found unknown escape character": _ESCAPES,
    "mapping keys are not allowed in this context": "Put text that starts with `? ` in quotes",
    "mapping values are not allowed in this context": f"{_FIELDS}; put text that contains `: ` in quotes",
    "while scanning a block scalar": "Start the text after `|` or `>` on the next line",
    "while scanning a directive": "Remove the line, or put the text in quotes",
    "while parsing a tag directive": "Remove the line",
    "while scanning a %TAG directive": "Remove the line",
    "while scanning a tag directive": "Remove the line",
    "while scanning a %YAML directive": "Write `%YAML 1.2`, or remove the line",
    "while scanning an alias": "Put text that starts with `*` in quotes",
    "while scanning an anchor": "Put text that starts with `&` in quotes",
    "while scanning a tag": _TAG,
    "while parsing a tag": _TAG,
}


def written(value: Any) -> str:
    """Return a value as YAML in one line, texts in double quotes."""
    return printable(json.dumps(value, ensure_ascii=False))


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that is most like another, whatever their cases; None if none is."""
    by_lower = {name.lower(): name for name in known}
    near = get_close_matches(word.lower(), by_lower, n=1)
    return by_lower[near[0]] if near else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return the question for the nearest known word, with a space before it; empty if none is near."""
    near = nearest(word, known)
    return "" if near is None else f" Did you mean {near!r}?"


def syntax_hint(problem: str, context: str | None = None) -> str | None:
    """Return how to fix a problem of libyaml, by its text or else its context; None if unknown."""
    return _WORDS.get(problem) or _WORDS.get(context or "")


def quoting_hint(text: str, line: int, column: int) -> str | None:
    """Return the value at a place in quotes, if quotes would fix it and it is not a secret."""
    lines = LINE_BREAK.split(text)
    shown = lines[line - 1]
    if masked_lines(lines)[line - 1] != shown:
        return None
    for template in _TEMPLATE.finditer(shown):
        if template.start(1) < column <= template.end(1):
            return written(template.group(1))
    # libyaml's position may be one character after the mark that causes the error.
    value = _MARKED.match(shown, max(column - 2, 0)) or _MARKED.match(shown, column - 1)
    is_directive = shown.startswith("%")
    return None if value is None or is_directive else written(value.group())
