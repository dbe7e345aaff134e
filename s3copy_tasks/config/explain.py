"""A job with every value that it has, and where each comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from s3copy_tasks.config.hints import written
from s3copy_tasks.config.schema import schema, with_defaults

if TYPE_CHECKING:
    from collections.abc import Iterator

    from s3copy_tasks.config.layers import Layers
    from s3copy_tasks.config.source import Parts

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
            yield from _entries(value, way, field["items"], layers, indent)
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


def _origin(parts: Parts, layers: Layers) -> str:
    """Return where a value was written; one that an anchor brought stands where the anchor is used."""
    while parts not in layers.source.values:
        if _is_default(parts, layers):
            return "default"
        parts = parts[:-1]
    place = layers.source.values[parts]
    return f"{place.file}:{place.line}"


def _is_default(parts: Parts, layers: Layers) -> bool:
    """Say whether the document itself has no such value."""
    value: Any = layers.value
    for part in parts:
        if isinstance(value, dict) and part not in value:
            return True
        value = value[part]
    return False
