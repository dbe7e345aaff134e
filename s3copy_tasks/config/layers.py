"""A job's file over its folder's defaults: one document, and where each of its values comes from.

Three steps, each from values to values: `_read` a file, `_merge` a job over its defaults, `judge` both.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeGuard, TypeVar

from s3copy_tasks.config.check.rules import check_rules
from s3copy_tasks.config.check.schema import findings_of_schema
from s3copy_tasks.config.problem import Code, Finding, Problem, json_path
from s3copy_tasks.config.read.builder import ERRORS_MAX, Source
from s3copy_tasks.config.read.place import Parts, Place, SourceError
from s3copy_tasks.config.read.source import read_source
from s3copy_tasks.config.secret import is_name_of_a_secret, looks_secret, masked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from collections.abc import Set as AbstractSet
    from pathlib import Path

DEFAULTS_STEM = "_defaults"
ENDINGS = (".yaml", ".yml")
_TEXT_MAX = 600

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Layers:
    """The content of a file, alone or merged over the defaults of its folder.

    Attributes:
        file: of the job.
        value: the document, not checked yet; None if it can't be read.
        source: names, places and texts of both layers, without a value.
        problems: of reading, and of the defaults.
        refused: paths of values with a problem found while reading; they are not checked further.
    """

    file: Path
    value: dict[str, Any] | None = None
    source: Source = field(default_factory=Source)
    problems: tuple[Problem, ...] = ()
    refused: frozenset[Parts] = frozenset()

    def place(self, parts: Parts, *, at_name: bool = False) -> Place:
        """Return the place of a value, or of its field's name; for a missing value, that of its parent."""
        if at_name and parts in self.source.names:
            return self.source.names[parts]
        while parts and parts not in self.source.values:
            parts = parts[:-1]
        return self.source.values.get(parts, Place(self.file))

    def problem(self, finding: Finding) -> Problem:
        """Return the problem of a finding: with its place, without any secret.

        A problem in the defaults that only arises with the job names the job.
        """
        problem = _problem(self._place_of(finding), finding)
        if problem.file == str(self.file) or problem in self.problems:
            return problem
        return replace(problem, message=f"{problem.message} (in the job of {self.file.name})")

    def _place_of(self, finding: Finding) -> Place:
        """Return the place to fix a finding: a job may complete a section of the defaults."""
        place = self.place(finding.parts, at_name=finding.at_name)
        is_section = all(isinstance(part, str) for part in finding.parts)
        if finding.code == Code.MISSING_FIELD and is_section and place.file != self.file:
            return self.place(())
        return place


def defaults_files(folder: Path) -> list[Path]:
    """Return the files that may hold a folder's defaults."""
    return [folder / (DEFAULTS_STEM + ending) for ending in ENDINGS]


def find_defaults(folder: Path) -> Layers | None:
    """Return a folder's defaults, checked as part of a job; None if it has none."""
    there = [file for file in defaults_files(folder) if os.path.isfile(file)]  # noqa: PTH113 - Path.is_file may raise
    if not there:
        return None
    layers = _read(there[0])
    problems = [*layers.problems, *judge(layers, partly=True)]
    if len(there) > 1:
        words = f"the folder also has {there[1].name}. Keep one of them"
        problems.append(Problem(file=str(there[0]), code=Code.NAME_TAKEN, message=words))
    return replace(layers, problems=tuple(problems))


def read_layers(file: Path, defaults: Layers | None, content: bytes | None = None) -> Layers:
    """Return a job's document merged over the defaults, with all problems of reading; never raises.

    Args:
        file: of the job.
        defaults: of its folder.
        content: of a file that does not exist yet; None reads the file.
    """
    own = _read(file, content)
    return own if defaults is None else _merge(own, defaults)


def judge(layers: Layers, *, partly: bool = False) -> list[Problem]:
    """Return the schema's problems, and those of the rules for other values; empty without a document.

    Args:
        layers: to check.
        partly: they are defaults, so nothing is required.
    """
    if layers.value is None:
        return []
    found = islice(findings_of_schema(layers.value, layers.source.texts, partly=partly), ERRORS_MAX)
    by_schema = [finding for finding in found if finding.parts not in layers.refused]
    refused = layers.refused.union(finding.parts for finding in by_schema)
    by_rules = (finding for finding in check_rules(layers.value) if finding.parts not in refused)
    return [layers.problem(finding) for finding in (*by_schema, *by_rules)]


def _read(file: Path, content: bytes | None = None) -> Layers:
    """Return the layer of one file; an unreadable file has a problem instead of a value."""
    try:
        source = read_source(file, content)
    except OSError as error:
        words = f"can't be read: {error.strerror}"
        unread = Problem(file=str(file), code=Code.FILE_UNREADABLE, message=words)
        return Layers(file=file, problems=(unread,))
    except SourceError as error:
        return Layers(file=file, problems=(_of_source(error),))
    value, layers = source.value, Layers(file=file, source=replace(source, value=None))
    if value is None and file.stem == DEFAULTS_STEM:
        value = {}  # all defaults may be commented out
    if not isinstance(value, dict):
        return replace(layers, problems=(layers.problem(_not_a_job(file, value)),))
    secrets = list(_secrets(value, ()))
    hidden = frozenset(finding.parts for finding in secrets)
    return replace(
        layers,
        value=_without(hidden, value, ()) if hidden else value,
        problems=(*map(_of_source, source.errors), *map(layers.problem, secrets[:ERRORS_MAX])),
        refused=hidden | source.refused,
    )


def _not_a_job(file: Path, value: Any) -> Finding:
    words = "is empty" if value is None else "is not a mapping"
    if file.stem == DEFAULTS_STEM:
        words += ". Write the defaults as fields of a job"
    else:
        words += ". A job is a mapping that begins with `version: 1`"
    return Finding(parts=(), code=Code.NOT_A_JOB, message=words)


def _merge(own: Layers, defaults: Layers) -> Layers:
    """Return a job merged over its defaults; if either has no document, only merge the problems."""
    both = replace(own, problems=own.problems + defaults.problems, refused=own.refused | defaults.refused)
    if own.value is None or defaults.value is None:
        return both
    replaced = set(_replaced(defaults.value, own.value, ()))
    above, below = own.source, defaults.source
    source = Source(
        names=_kept(below.names, replaced) | above.names,
        values=_kept(below.values, replaced) | above.values,
        texts=_kept(below.texts, replaced) | above.texts,
    )
    return replace(both, value=_merged(defaults.value, own.value), source=source)


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """Return both mappings merged field by field; other values are replaced."""
    merged = dict(base)
    for name, value in over.items():
        below = base.get(name)
        merged[name] = _merged(below, value) if _is_mapping(below) and _is_mapping(value) else value
    return merged


def _replaced(base: dict[str, Any], over: dict[str, Any], parts: Parts) -> Iterator[Parts]:
    """Yield the paths of values that a merge replaces or adds."""
    for name, value in over.items():
        below, way = base.get(name), (*parts, name)
        if _is_mapping(below) and _is_mapping(value):
            yield from _replaced(below, value, way)
        else:
            yield way


def _is_mapping(value: Any) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def _kept(places: Mapping[Parts, T], replaced: AbstractSet[Parts]) -> dict[Parts, T]:
    """Return the places of defaults that the job does not replace."""
    return {
        parts: place
        for parts, place in places.items()
        if not any(parts[:length] in replaced for length in range(1, len(parts) + 1))
    }


def _of_source(error: SourceError) -> Problem:
    finding = Finding(parts=(), code=error.code, message=error.message, suggestion=error.suggestion)
    return _problem(error.place, finding)


def _problem(place: Place, finding: Finding) -> Problem:
    parts = finding.parts[:-1] if finding.code == Code.UNKNOWN_FIELD else finding.parts
    return Problem(
        file=str(place.file),
        line=place.line,
        column=place.column,
        path=_shown(json_path(parts)),
        code=finding.code,
        message=_shown(finding.message),
        suggestion=_whole(finding.suggestion),
    )


def _whole(text: str | None) -> str | None:
    """Return the text if it may be shown unchanged, else None."""
    return text if text is not None and _shown(text) == text else None


def _shown(text: str) -> str:
    """Return the text without secrets, and cut if it is long."""
    short = masked(text)
    return short if len(short) <= _TEXT_MAX else f"{short[:_TEXT_MAX]}..."


def _secrets(value: Any, parts: Parts) -> Iterator[Finding]:
    """Yield each value that looks like a secret; for a field with a secret's name, only the field."""
    if isinstance(value, dict):
        for name, inner in value.items():
            way = (*parts, name)
            if is_name_of_a_secret(name) or looks_secret(name):
                yield _secret(way, at_name=True)
            else:
                yield from _secrets(inner, way)
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _secrets(inner, (*parts, index))
    elif isinstance(value, str) and looks_secret(value):
        yield _secret(parts, at_name=False)


def _secret(parts: Parts, *, at_name: bool) -> Finding:
    words = (
        "looks like a secret, and secrets don't belong in a config. Remove it, rotate the secret wherever "
        "it is used, and keep the role in an Airflow connection"
    )
    return Finding(parts=parts, code=Code.SECRET, message=words, at_name=at_name)


def _without(hidden: AbstractSet[Parts], value: Any, parts: Parts) -> Any:
    """Return a value with secrets replaced by null, so that no other message can repeat them."""
    if parts in hidden:
        return None
    if isinstance(value, dict):
        return {name: _without(hidden, inner, (*parts, name)) for name, inner in value.items()}
    if isinstance(value, list):
        return [_without(hidden, inner, (*parts, index)) for index, inner in enumerate(value)]
    return value
