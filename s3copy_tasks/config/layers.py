"""A job's file over its folder's defaults: one document, and where each of its values comes from."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from s3copy_tasks.config import codes
from s3copy_tasks.config.check.rules import findings_of_rules
from s3copy_tasks.config.check.schema import findings_of_schema
from s3copy_tasks.config.problem import Finding, Problem, json_path
from s3copy_tasks.config.read.source import ERRORS_MAX, Parts, Place, Source, SourceError, read_source
from s3copy_tasks.config.secret import is_name_of_a_secret, looks_secret, masked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

DEFAULTS_STEM = "_defaults"
ENDINGS = (".yaml", ".yml")
_TEXT_MAX = 600

T = TypeVar("T")


@dataclass(slots=True)
class Layers:
    """What a file says, over the defaults of its folder.

    Attributes:
        file: of the job.
        value: the document; not checked yet, None where it can't be read.
        source: values and places of both layers, the job's first.
        problems: of reading.
        refused: ways to values that a problem of reading is about; the values are not judged further.
    """

    file: Path
    value: dict[str, Any] | None = None
    source: Source = field(default_factory=Source)
    problems: list[Problem] = field(default_factory=list)
    refused: set[Parts] = field(default_factory=set)

    def place(self, parts: Parts, *, at_name: bool = False) -> Place:
        """Return where a value stands, or the name of its field; else what is next around it."""
        if at_name and parts in self.source.names:
            return self.source.names[parts]
        while parts and parts not in self.source.values:
            parts = parts[:-1]
        return self.source.values.get(parts, Place(self.file))

    def problem(self, finding: Finding) -> Problem:
        """Return a finding with its place, and without any secret.

        One that stands in the defaults, and that they do not have by themselves, names the job.
        """
        problem = _problem(self._place_of(finding), finding)
        if problem.file == str(self.file) or problem in self.problems:
            return problem
        return replace(problem, message=f"{problem.message} (in the job of {self.file.name})")

    def _place_of(self, finding: Finding) -> Place:
        """Return where a finding is mended: a section that lacks something may be completed by the job."""
        place = self.place(finding.parts, at_name=finding.at_name)
        is_section = all(isinstance(part, str) for part in finding.parts)
        if finding.code == codes.MISSING_FIELD and is_section and place.file != self.file:
            return self.place(())
        return place


def defaults_files(folder: Path) -> list[Path]:
    """Return where a folder's defaults may stand."""
    return [folder / (DEFAULTS_STEM + ending) for ending in ENDINGS]


def defaults_of(folder: Path) -> Layers | None:
    """Return a folder's defaults, checked as far as they go; None where it has none."""
    there = [file for file in defaults_files(folder) if os.path.isfile(file)]  # noqa: PTH113 - Path.is_file may raise
    if not there:
        return None
    layers = _read(there[0])
    if layers.value is not None:
        layers.problems += map(layers.problem, findings_of(layers, partly=True))
    if len(there) > 1:
        words = f"the folder has {there[1].name} as well. Keep one"
        layers.problems.append(Problem(file=str(there[0]), code=codes.NAME_TAKEN, message=words))
    return layers


def read_layers(file: Path, defaults: Layers | None, content: bytes | None = None) -> Layers:
    """Return a job's document over the defaults; reading problems are in it, and never raised.

    Args:
        file: of the job.
        defaults: of its folder.
        content: of a file that is not written yet; None reads the file.
    """
    own = _read(file, content)
    if defaults is None:
        return own
    own.problems += defaults.problems
    own.refused |= defaults.refused
    if own.value is None or defaults.value is None:
        return own
    replaced: set[Parts] = set()
    own.value = _merged(defaults.value, own.value, (), replaced)
    below = defaults.source
    own.source = Source(
        names=_kept(below.names, replaced) | own.source.names,
        values=_kept(below.values, replaced) | own.source.values,
        texts=_kept(below.texts, replaced) | own.source.texts,
    )
    return own


def _merged(base: dict[str, Any], over: dict[str, Any], parts: Parts, replaced: set[Parts]) -> dict[str, Any]:
    """Return mappings merged; anything else is replaced, and its way taken down."""
    merged = dict(base)
    for name, value in over.items():
        way = (*parts, name)
        if isinstance(value, dict) and isinstance(base.get(name), dict):
            merged[name] = _merged(base[name], value, way, replaced)
        else:
            merged[name] = value
            replaced.add(way)
    return merged


def findings_of(layers: Layers, *, partly: bool = False) -> Iterator[Finding]:
    """Yield what the schema refuses, and what the rules refuse elsewhere.

    Args:
        layers: whose document was read.
        partly: they are defaults: nothing is required.
    """
    document, refused = layers.value or {}, set(layers.refused)
    for finding in islice(findings_of_schema(document, layers.source.texts, partly=partly), ERRORS_MAX):
        if finding.parts not in layers.refused:
            refused.add(finding.parts)
            yield finding
    for finding in findings_of_rules(document):
        if finding.parts not in refused:
            yield finding


def _kept(places: Mapping[Parts, T], replaced: set[Parts]) -> dict[Parts, T]:
    """Return the places of defaults that no job's value replaces."""
    return {
        parts: place
        for parts, place in places.items()
        if not any(parts[:length] in replaced for length in range(1, len(parts) + 1))
    }


def _read(file: Path, content: bytes | None = None) -> Layers:
    layers = Layers(file)
    try:
        source = read_source(file, content)
    except OSError as error:
        words = f"can't be read: {error.strerror}"
        layers.problems.append(Problem(file=str(file), code=codes.FILE_UNREADABLE, message=words))
        return layers
    except SourceError as error:
        layers.problems.append(_of_source(error))
        return layers
    layers.source = source
    is_job = file.stem != DEFAULTS_STEM
    if source.value is None and not is_job:
        source.value = {}  # defaults may be commented out
    if not isinstance(source.value, dict):
        words = "is empty" if source.value is None else "is no mapping"
        words += (
            ". A job is one that begins with `version: 1`" if is_job else ". Write defaults as a job has them"
        )
        layers.problems.append(layers.problem(Finding(parts=(), code=codes.NOT_A_JOB, message=words)))
        return layers
    layers.value = source.value
    layers.problems += map(_of_source, source.errors)
    secrets = _secrets(source.value, ())
    layers.refused = source.refused | {finding.parts for finding in secrets}
    layers.problems += map(layers.problem, secrets[:ERRORS_MAX])
    for finding in secrets:
        _take_out(source.value, finding.parts)
    return layers


def _take_out(value: Any, parts: Parts) -> None:
    """Put null in a secret's place: no message about anything else can repeat it then."""
    for part in parts[:-1]:
        value = value[part]
    value[parts[-1]] = None


def _of_source(error: SourceError) -> Problem:
    finding = Finding(parts=(), code=error.code, message=error.message, suggestion=error.suggestion)
    return _problem(error.place, finding)


def _problem(place: Place, finding: Finding) -> Problem:
    parts = finding.parts[:-1] if finding.code == codes.UNKNOWN_FIELD else finding.parts
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
    """Return a text where it may be shown as it is, else None."""
    return text if text is not None and _shown(text) == text else None


def _shown(text: str) -> str:
    """Return a text without secrets, cut to what a reader takes in."""
    short = masked(text)
    return short if len(short) <= _TEXT_MAX else f"{short[:_TEXT_MAX]}..."


def _secrets(value: Any, parts: Parts) -> list[Finding]:
    """Return where a document holds what looks like a secret."""
    if isinstance(value, dict):
        found = []
        for name, inner in value.items():
            way = (*parts, name)
            if is_name_of_a_secret(name) or looks_secret(name):
                found.append(_secret(way, at_name=True))
            else:
                found += _secrets(inner, way)
        return found
    if isinstance(value, list):
        return [one for i, inner in enumerate(value) for one in _secrets(inner, (*parts, i))]
    return [_secret(parts, at_name=False)] if isinstance(value, str) and looks_secret(value) else []


def _secret(parts: Parts, *, at_name: bool) -> Finding:
    words = (
        "looks like a secret, and none belongs in a config. Take it out, replace the secret wherever it is "
        "used, and let an Airflow connection hold the role"
    )
    return Finding(parts=parts, code=codes.SECRET, message=words, at_name=at_name)
