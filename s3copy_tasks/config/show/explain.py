"""A job with every value that it has, and where each comes from: as YAML, and as rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from s3copy_tasks.config.check.schema import referred, schema, with_defaults
from s3copy_tasks.config.layers import Layers, defaults_of, read_layers
from s3copy_tasks.config.load import job_of
from s3copy_tasks.config.problem import json_path
from s3copy_tasks.config.read.hints import written

if TYPE_CHECKING:
    from collections.abc import Iterator

    from s3copy_tasks.config.job import CopyJob
    from s3copy_tasks.config.read.place import Parts, Place

_COMMENT_COLUMN = 52


def explained(layers: Layers) -> str:
    """Return a valid job as YAML that says it all; the comment of a value is its file and line, or `default`.

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
            continue  # left out is how a job says that it has none
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
    """Return the rows of a job: path, value, origin, file and line of each; no path of a folder is in them.

    Reads the files again: parsing a Dag pays nothing for it.

    Returns:
        None where the files say something else by now.
    """
    layers = read_layers(job.file, defaults_of(job.file.parent))
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
    """Yield the values of a document with the way to each; a list of texts is one value."""
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
    """Return where a value was written, None for the schema's default.

    One that an anchor brought stands where the anchor is used.
    """
    while parts not in layers.source.values:
        if _is_default(parts, layers):
            return None
        parts = parts[:-1]
    return layers.source.values[parts]


def _is_default(parts: Parts, layers: Layers) -> bool:
    """Say whether the document itself has no such value."""
    value: Any = layers.value
    for part in parts:
        if isinstance(value, dict) and part not in value:
            return True
        value = value[part]
    return False
