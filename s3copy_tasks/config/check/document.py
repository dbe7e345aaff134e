"""Reads values of a document that may be invalid: what has another type is left out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from s3copy_tasks.core.job import ObjectEntry, PrefixEntry

if TYPE_CHECKING:
    from s3copy_tasks.config.read.place import Parts
    from s3copy_tasks.core.job import Entries

_ENTRIES_MAX = 1000  # as in the schema


def find_text(document: dict[str, Any], parts: Parts) -> str | None:
    """Return the text at a path; None if there is none."""
    value: Any = document
    for part in parts:
        value = value.get(part) if isinstance(value, dict) else None
    return value if isinstance(value, str) else None


def find_list(document: dict[str, Any], field: str) -> list[Any]:
    """Return a list, truncated so that comparing its entries with each other stays quick."""
    value = document.get(field)
    return value[:_ENTRIES_MAX] if isinstance(value, list) else []


def find_section(document: dict[str, Any], field: str) -> dict[str, Any] | None:
    """Return a mapping at the top; None if there is none."""
    value = document.get(field)
    return value if isinstance(value, dict) else None


def find_entries(document: dict[str, Any]) -> Entries:
    """Return the entries that have a text on both sides, with their indexes in the file."""
    return [
        (field, index, _make_entry(field, entry))
        for field in ("prefixes", "objects")
        for index, entry in enumerate(find_list(document, field))
        if isinstance(entry, dict)
        and isinstance(entry.get("source"), str)
        and isinstance(entry.get("destination"), str)
    ]


def _make_entry(field: str, entry: dict[str, Any]) -> PrefixEntry | ObjectEntry:
    source, destination = entry["source"], entry["destination"]
    if field == "objects":
        return ObjectEntry(source=source, destination=destination)
    return PrefixEntry(source=source, destination=destination, recursive=entry.get("recursive") is not False)
