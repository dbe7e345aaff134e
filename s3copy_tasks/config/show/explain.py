"""Every value of a job, and where it comes from: as YAML, and as rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from s3copy_tasks.config.check.schema import referred, schema, with_defaults
from s3copy_tasks.config.layers import Layers, find_defaults, read_layers
from s3copy_tasks.config.load import job_of
from s3copy_tasks.config.problem import json_path
from s3copy_tasks.config.read.hints import written

if TYPE_CHECKING:
    from collections.abc import Iterator

    from s3copy_tasks.config.job import CopyJob
    from s3copy_tasks.config.read.place import Parts, Place

_COMMENT_COLUMN = 52


def explained(layers: Layers) -> str:
    """Return a valid job as complete YAML; the comment of a value is its file and line, or `default`.

    Args:
        layers: of a valid job.
    """
    full = with_defaults(layers.value or {})
    return "".join(f"{line}\n" for line in _mapping(full, (), schema(), layers))


def _mapping(
    values: dict[str, Any], parts: Parts, part: dict[str, Any], layers: Layers, indent: str = ""
) -> Iterator[str]:
    for name, value in values.items():
        way, field = (*parts, name), part["properties"].get(name, {})
        if value == [] and field.get("minItems"):
            continue  # an empty list is not valid there: it is left out
        if isinstance(value, dict) and "properties" in field:
            yield f"{indent}{name}:"
            yield from _mapping(value, way, field, layers, indent + "  ")
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            yield f"{indent}{name}:"
            yield from _entries(value, way, referred(field["items"]), layers, indent)
        else:
            shown = f"{indent}{name}: {written(value)}"
            yield f"{shown:<{_COMMENT_COLUMN}}  # {_origin(way, layers)}"


def _entries(
    values: list[Any], parts: Parts, part: dict[str, Any], layers: Layers, indent: str
) -> Iterator[str]:
    inner = indent + "    "
    for index, value in enumerate(values):
        for number, line in enumerate(_mapping(value, (*parts, index), part, layers, inner)):
            yield line if number else f"{indent}  - {line.removeprefix(inner)}"


def provenance(job: CopyJob) -> list[dict[str, Any]] | None:
    """Return a row per value of a job: path, value, origin, file and line; files without their folder.

    Reads the files again, so that parsing a Dag does no work for it.

    Returns:
        None if the files have changed since.
    """
    layers = read_layers(job.file, find_defaults(job.file.parent))
    again = job_of(layers)
    if isinstance(again, list) or again.digest != job.digest:
        return None
    return [_row(parts, value, layers) for parts, value in _leaves(with_defaults(layers.value or {}), ())]


def _row(parts: Parts, value: Any, layers: Layers) -> dict[str, Any]:
    place = _place(parts, layers)
    origin = "schema default"
    if place is not None:
        origin = "job file" if place.file == layers.file else "defaults"
    return {
        "path": json_path(parts),
        "value": value,
        "origin": origin,
        "file": place.file.name if place else None,
        "line": place.line if place else None,
    }


def _leaves(value: Any, parts: Parts) -> Iterator[tuple[Parts, Any]]:
    """Yield the values of a document with their paths; a list of strings is one value."""
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _leaves(inner, (*parts, name))
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for index, inner in enumerate(value):
            yield from _leaves(inner, (*parts, index))
    else:
        yield parts, value


def _origin(parts: Parts, layers: Layers) -> str:
    place = _place(parts, layers)
    return f"{place.file}:{place.line}" if place else "default"


def _place(parts: Parts, layers: Layers) -> Place | None:
    """Return where a value is written; None for the schema's default.

    A value of an alias has the place of the alias.
    """
    while parts not in layers.source.values:
        if _is_default(parts, layers):
            return None
        parts = parts[:-1]
    return layers.source.values[parts]


def _is_default(parts: Parts, layers: Layers) -> bool:
    """Return whether the document itself lacks the value."""
    value: Any = layers.value
    for part in parts:
        if isinstance(value, dict) and part not in value:
            return True
        value = value[part]
    return False
