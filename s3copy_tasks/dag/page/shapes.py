"""JSON in the shape that is expected of it; in any other shape it counts as empty."""

from __future__ import annotations

import json
from typing import Any


def mapping(value: Any) -> dict[str, Any]:
    """Return a mapping, else an empty one."""
    return value if isinstance(value, dict) else {}


def items(value: Any) -> list[Any]:
    """Return a list, else an empty one."""
    return value if isinstance(value, list) else []


def mappings(value: Any) -> list[dict[str, Any]]:
    """Return the mappings of a list."""
    return [one for one in items(value) if isinstance(one, dict)]


def plain(value: Any) -> Any:
    """Return an XCom's value, also where Airflow has stored it as text; no class is ever made of it."""
    if isinstance(value, str):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value
