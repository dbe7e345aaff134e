"""Builds values from the events of a YAML parser, within limits, and records the place of each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import yaml

from s3copy_tasks.config.problem import Code
from s3copy_tasks.config.read.hints import SHOWN_MAX
from s3copy_tasks.config.read.place import Parts, Place, SourceError, SourceText, quotable
from s3copy_tasks.config.read.scalar import plain_value
from s3copy_tasks.config.secret import masked

SIZE_MAX = 2**20
"""Bytes of a file, and of what its anchors expand to."""
DEPTH_MAX = 32
"""Levels of nesting. A job has four; libyaml overflows its stack at about ten thousand."""
ERRORS_MAX = 1000
"""Errors reported of one file: no reader needs more, and a file may have hundreds of thousands."""
_NO_MERGE = "merging with << is not part of YAML 1.2. Repeat the fields, or move them to _defaults.yaml"


@dataclass(slots=True)
class Source:
    """What a file says.

    Attributes:
        value: text, numbers, booleans, None, lists, mappings by text, `Misread`.
        names: the place of a field's name, by its path.
        values: the place of a value, by its path.
        texts: the original text of unquoted scalars that are not text.
        errors: errors after which reading went on.
        refused: paths of values that have an error.
    """

    value: Any = None
    names: dict[Parts, Place] = field(default_factory=dict)
    values: dict[Parts, Place] = field(default_factory=dict)
    texts: dict[Parts, str] = field(default_factory=dict)
    errors: list[SourceError] = field(default_factory=list)
    refused: set[Parts] = field(default_factory=set)


class _Built(NamedTuple):
    """A value, with its size in characters and its levels of nesting."""

    value: Any
    size: int
    levels: int = 0


class Builder:
    """Builds values from events, with limits on depth and on what anchors expand to."""

    def __init__(self, text: SourceText) -> None:
        self.source = Source()
        self._text = text
        self._depth = 0
        # None while an anchor is open: an alias to it would make it contain itself.
        self._anchors: dict[str, _Built | None] = {}

    def read(self, events: Iterator[Any]) -> None:
        """Read a stream of at most one document."""
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
        """Record an error, and go on reading."""
        if len(self.source.errors) < ERRORS_MAX:
            self.source.errors.append(SourceError(code, words, place))

    def _node(self, event: Any, events: Iterator[Any], parts: Parts) -> _Built:
        place = self.source.values[parts] = self._place(event)
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event, place)
        if event.tag is not None:
            words = "tags such as !!str or !Ref are not allowed. Write the value alone, with text in quotes"
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
            words = "no anchor with this name is defined before it"
            raise quotable(Code.YAML_ANCHOR, words, event.start_mark.index, self._text)
        found = self._anchors[event.anchor]
        if found is None:
            raise self._too_large(place)
        if self._depth + found.levels > DEPTH_MAX:
            raise self._too_deep(place)
        return found

    def _too_large(self, place: Place) -> SourceError:
        words = "its anchors contain themselves, or expand to more than 1 MiB. Write the values out"
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
            name, place = self._field_name(event), self._place(event)
            way = (*parts, name)
            first = firsts.setdefault(name, place)
            found = self._node(next(events), events, way)
            total, levels = total + found.size + len(name) + 1, max(levels, found.levels)
            if total > SIZE_MAX:
                raise self._too_large(place)
            if name == "<<" and event.implicit[0]:
                self._note(Code.YAML_MERGE, _NO_MERGE, place)
                continue
            if first is not place:
                self._note_duplicate(name, first, place)
            self.source.names[way] = place
            values[name] = found.value
        return _Built(values, total, levels + 1)

    def _field_name(self, event: Any) -> str:
        if not isinstance(event, yaml.ScalarEvent):
            words = "a list, mapping or alias is used as the name of a field"
            hint = "Write the name as text"
            raise quotable(Code.YAML_SYNTAX, words, event.start_mark.index, self._text, hint)
        self._refuse_nul(event)
        name: str = event.value
        return name

    def _note_duplicate(self, name: str, first: Place, place: Place) -> None:
        shown = masked(name)[:SHOWN_MAX]
        words = f"duplicate field {shown!r}, first on line {first.line}. Keep one of them"
        self._note(Code.YAML_DUPLICATE, words, place)

    def _refuse_nul(self, event: Any) -> None:
        if "\0" in event.value:
            words = "a text contains the NUL character, which Airflow's database does not accept. Remove it"
            raise SourceError(Code.YAML_NUL, words, self._place(event))

    def _scalar(self, event: Any, parts: Parts) -> Any:
        text = event.value
        if not event.implicit[0]:  # quoted, a block, or tagged
            return text
        value = plain_value(text)
        if not isinstance(value, str):
            self.source.texts[parts] = text
        return value
