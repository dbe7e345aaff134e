"""Writes a new config: known fields as values, all others as comments that can be uncommented."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from s3copy_tasks.config.check.schema import schema
from s3copy_tasks.config.read.hints import written

if TYPE_CHECKING:
    from collections.abc import Iterator

_WIDTH = 100


def commented(document: dict[str, Any]) -> str:
    """Return a document as YAML, with each field's description above it and all other fields as comments.

    Args:
        document: a valid job, with the known fields only.
    """
    blocks = [
        "\n".join(_field(name, part, document.get(name), "", given=name in document))
        for name, part in schema()["properties"].items()
    ]
    return "\n\n".join(blocks) + "\n"


def _field(name: str, part: dict[str, Any], value: Any, indent: str, *, given: bool) -> Iterator[str]:
    for line in textwrap.wrap(part["description"], _WIDTH - len(indent) - 2):
        yield f"{indent}# {line}"
    if not given:
        yield f"{indent}# {name}: {written(part['examples'][0])}"
    elif isinstance(value, dict) and "properties" in part:
        yield f"{indent}{name}:"
        for inner, field in part["properties"].items():
            yield from _field(inner, field, value.get(inner), indent + "  ", given=inner in value)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        yield f"{indent}{name}:"
        for entry in value:
            pairs = [f"{key}: {written(inner)}" for key, inner in entry.items()]
            yield f"{indent}  - " + f"\n{indent}    ".join(pairs)
    else:
        yield f"{indent}{name}: {written(value)}"
