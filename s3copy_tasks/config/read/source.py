"""Reads one YAML file: values, and where each of them stands. Nothing in a file can crash or hang its reader.

One pass over libyaml's events. Scalars are read by the core schema of YAML 1.2, as editors do:
https://yaml.org/spec/1.2.2/#103-core-schema
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import yaml

from s3copy_tasks.config.problem import Code
from s3copy_tasks.config.read.hints import LINE_BREAK, SHOWN_MAX, mend, quoting_hint
from s3copy_tasks.config.read.scalar import plain_value
from s3copy_tasks.config.secret import masked

SIZE_MAX = 2**20
"""Bytes of a file, and of what its anchors expand to."""
DEPTH_MAX = 32
"""Levels of nesting. A job has four; libyaml overflows its stack at some ten thousand."""
ERRORS_MAX = 1000
"""Errors of one file that are told: nobody reads more, and a file may hold hundreds of thousands."""
_BEGINS_EARLIER = {
    "could not find expected ':'",
    "found unexpected document indicator",
    "found unexpected end of stream",
}
_FLOWS = {"while parsing a flow mapping", "while parsing a flow sequence"}

Parts: TypeAlias = tuple[str | int, ...]
"""The way to a value: names of fields and indexes of lists."""

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml: ten times as fast


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands; line and column count from 1, and are None where the file can't tell."""

    file: Path
    line: int | None = None
    column: int | None = None


class SourceError(ValueError):
    """Something that the YAML itself has wrong."""

    def __init__(self, code: Code, message: str, place: Place, suggestion: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.place = place
        self.suggestion = suggestion


@dataclass(slots=True)
class Source:
    """What a file says.

    Attributes:
        value: text, numbers, booleans, None, lists, mappings by text, `Misread`.
        names: where the name of a field stands, by the way to it.
        values: where a value stands.
        texts: how scalars without quotes that are no text were written.
        errors: what is wrong but did not keep it from being read on.
        refused: ways to values that an error is about.
    """

    value: Any = None
    names: dict[Parts, Place] = field(default_factory=dict)
    values: dict[Parts, Place] = field(default_factory=dict)
    texts: dict[Parts, str] = field(default_factory=dict)
    errors: list[SourceError] = field(default_factory=list)
    refused: set[Parts] = field(default_factory=set)


def content_of(file: Path) -> bytes:
    """Return what is in a file, as far as one more byte than a file may have.

    Raises:
        OSError: the file can't be read.
    """
    with file.open("rb") as stream:
        return stream.read(SIZE_MAX + 1)


def read_source(file: Path, content: bytes | None = None) -> Source:
    """Return what a YAML file says.

    Args:
        file: names the places.
        content: of a file that is not written yet; None reads the file.

    Raises:
        OSError: the file can't be read.
        SourceError: it is no YAML, or beyond the bounds.
    """
    raw = content_of(file) if content is None else content
    if len(raw) > SIZE_MAX:
        words = f"is larger than {SIZE_MAX:,} bytes. A job has a few hundred"
        raise SourceError(Code.YAML_SIZE, words, Place(file))
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = error.object[: error.start].decode()  # not of `raw`: a byte order mark is cut off
        place = _Text(file, before).place(len(before))
        words = f"is not UTF-8: byte {error.object[error.start]:#x}. Save the file as UTF-8"
        raise SourceError(Code.YAML_ENCODING, words, place) from None
    return _read(_Text(file, text))


class _Text:
    """The text of a file, and where its lines begin."""

    def __init__(self, file: Path, text: str) -> None:
        self.text = text
        self._file = file
        self._starts = [0, *(found.end() for found in LINE_BREAK.finditer(text))]

    def position(self, index: int) -> tuple[int, int]:
        """Return the line and column of a character, in lines as editors count them."""
        line = bisect_right(self._starts, index)
        return line, index - self._starts[line - 1] + 1

    def place(self, index: int) -> Place:
        """Return where a character stands."""
        return Place(self._file, *self.position(index))


def _read(text: _Text) -> Source:
    reader = _Reader(text)
    try:
        reader.read(yaml.parse(text.text, _LOADER))
    except yaml.MarkedYAMLError as error:
        raise _not_yaml(error, text) from None
    except yaml.reader.ReaderError as error:  # of libyaml, so its position counts bytes
        before = text.text.encode()[: error.position].decode("utf-8", "ignore")
        words = f"not YAML: {error.reason}"
        raise _quotable(Code.YAML_SYNTAX, words, len(before), text, mend(error.reason)) from None
    return reader.source


def _not_yaml(error: yaml.MarkedYAMLError, text: _Text) -> SourceError:
    """Put in words what libyaml says, and how to mend it."""
    problem, mark = str(error.problem), error.problem_mark
    if problem in _BEGINS_EARLIER and error.context_mark is not None:
        mark = error.context_mark
    index = len(text.text) if mark is None else mark.index
    if problem == "found character that cannot start any token" and text.text[index : index + 1] == "\t":
        problem = "found a tab character that violates indentation"
    context = error.context
    if context in _FLOWS and error.context_mark is not None:
        context += f" that begins in line {text.position(error.context_mark.index)[0]}"
    words = "not YAML: " + ", ".join(filter(None, (context, problem)))
    return _quotable(Code.YAML_SYNTAX, words, index, text, mend(problem, error.context))


def _quotable(code: Code, words: str, index: int, text: _Text, hint: str | None = None) -> SourceError:
    """Return an error that quotes may mend."""
    suggestion = quoting_hint(text.text, *text.position(index))
    if suggestion is not None:
        hint = f"Put the value in quotes: {suggestion}"
    return SourceError(code, f"{words}. {hint}" if hint else words, text.place(index), suggestion)


class _Built(NamedTuple):
    """A value, and how much of one it is: its characters, and its levels of nesting."""

    value: Any
    size: int
    levels: int = 0


class _Reader:
    """Builds values from events, with bounds on depth and on what anchors expand to."""

    def __init__(self, text: _Text) -> None:
        self.source = Source()
        self._text = text
        self._depth = 0
        # None while an anchor is open, for then it would hold itself.
        self._anchors: dict[str, _Built | None] = {}

    def read(self, events: Iterator[Any]) -> None:
        """Take in a stream of one document at most."""
        next(events)
        event = next(events)
        if isinstance(event, yaml.StreamEndEvent):
            return
        self.source.value = self._node(next(events), events, ()).value
        next(events)
        event = next(events)
        if not isinstance(event, yaml.StreamEndEvent):
            words = "a file holds one job. Split it where the second document begins"
            raise SourceError(Code.YAML_DOCUMENTS, words, self._place(event))

    def _place(self, event: Any) -> Place:
        return self._text.place(event.start_mark.index)

    def _note(self, code: Code, words: str, place: Place) -> None:
        """Keep an error, and read on."""
        if len(self.source.errors) < ERRORS_MAX:
            self.source.errors.append(SourceError(code, words, place))

    def _node(self, event: Any, events: Iterator[Any], parts: Parts) -> _Built:
        place = self.source.values[parts] = self._place(event)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, place)
        if event.tag is not None:
            words = "a value has no tag, such as !!str or !Ref. Write the value alone, text in quotes"
            self._note(Code.YAML_TAG, words, place)
            self.source.refused.add(parts)
        if event.anchor is not None:
            self._anchors[event.anchor] = None
        if isinstance(event, yaml.ScalarEvent):
            self._refuse_nul(event)
            found = _Built(self._scalar(event, parts), len(event.value) + 1)
        elif isinstance(event, yaml.SequenceStartEvent):
            found = self._deeper(self._list, event, events, parts)
        else:
            found = self._deeper(self._mapping, event, events, parts)
        if event.anchor is not None:
            self._anchors[event.anchor] = found
        return found

    def _alias(self, event: Any, place: Place) -> _Built:
        if event.anchor not in self._anchors:
            words = "there is no anchor of this name before it"
            raise _quotable(Code.YAML_ANCHOR, words, event.start_mark.index, self._text)
        found = self._anchors[event.anchor]
        if found is None:
            raise self._too_large(place)
        if self._depth + found.levels > DEPTH_MAX:
            raise self._too_deep(place)
        return found

    def _too_large(self, place: Place) -> SourceError:
        words = "its anchors hold themselves, or expand to more than 1 MiB. Write the values out"
        return SourceError(Code.YAML_ANCHOR, words, place)

    def _too_deep(self, place: Place) -> SourceError:
        words = f"is nested more than {DEPTH_MAX} levels deep. A job has four"
        return SourceError(Code.YAML_DEPTH, words, place)

    def _deeper(self, build: Any, event: Any, events: Iterator[Any], parts: Parts) -> _Built:
        if self._depth >= DEPTH_MAX:
            raise self._too_deep(self._place(event))
        self._depth += 1
        found: _Built = build(events, parts)
        self._depth -= 1
        return found

    def _list(self, events: Iterator[Any], parts: Parts) -> _Built:
        values: list[Any] = []
        total, levels = 1, 0
        for event in events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            found = self._node(event, events, (*parts, len(values)))
            values.append(found.value)
            total, levels = total + found.size, max(levels, found.levels)
            if total > SIZE_MAX:
                raise self._too_large(self._place(event))
        return _Built(values, total, levels + 1)

    def _mapping(self, events: Iterator[Any], parts: Parts) -> _Built:
        values: dict[str, Any] = {}
        firsts: dict[str, Place] = {}
        total, levels = 1, 0
        for event in events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            place = self._place(event)
            if not isinstance(event, yaml.ScalarEvent):
                words = "a list, mapping or alias stands where the name of a field must be"
                hint = "Write the name as text"
                raise _quotable(Code.YAML_SYNTAX, words, event.start_mark.index, self._text, hint)
            self._refuse_nul(event)
            name = event.value
            way = (*parts, name)
            first = firsts.setdefault(name, place)
            found = self._node(next(events), events, way)
            total, levels = total + found.size + len(name) + 1, max(levels, found.levels)
            if total > SIZE_MAX:
                raise self._too_large(place)
            if name == "<<" and event.implicit[0]:
                words = (
                    "merging by << is not part of YAML 1.2. Repeat the fields, or move them to _defaults.yaml"
                )
                self._note(Code.YAML_MERGE, words, place)
                continue
            if first is not place:
                shown = masked(name)[:SHOWN_MAX]
                words = f"the field {shown!r} stands here twice, first in line {first.line}. Keep one"
                self._note(Code.YAML_DUPLICATE, words, place)
            self.source.names[way] = place
            values[name] = found.value
        return _Built(values, total, levels + 1)

    def _refuse_nul(self, event: Any) -> None:
        if "\0" in event.value:
            words = "a text holds the character NUL, which Airflow's database does not take. Take it out"
            raise SourceError(Code.YAML_NUL, words, self._place(event))

    def _scalar(self, event: Any, parts: Parts) -> Any:
        text = event.value
        if not event.implicit[0]:  # quoted, a block, or tagged
            return text
        value = plain_value(text)
        if not isinstance(value, str):
            self.source.texts[parts] = text
        return value
