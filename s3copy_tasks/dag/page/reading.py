"""Reads numbers and texts from XCom: each may be missing, or be something else than it was."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from s3copy_tasks.core.metrics import Failure
from s3copy_tasks.dag.page.shapes import items, mapping, mappings

ERRORS_SHOWN = 100
_ERROR_CHARACTERS_MAX = 20_000
_ADDRESS_CHARACTERS_MAX = 2_000
_GREATEST = 2**63


def read_whole(value: Any) -> int | None:
    """Return the value if it is a whole number of a sane size."""
    return value if isinstance(value, int) and _is_sane(value) else None


def read_count(value: Mapping[str, Any], name: str) -> int:
    """Return a count, 0 if it is missing: metrics of a batch leave zeros out."""
    return read_whole(value.get(name)) or 0


def read_number(value: Mapping[str, Any], name: str) -> float | None:
    """Return a number; None if it is missing."""
    found = value.get(name)
    return float(found) if isinstance(found, int | float) and _is_sane(found) else None


def _is_sane(value: float) -> bool:
    """Return whether a number can be added and shown: an XCom may hold any, even what JSON does not allow."""
    return not isinstance(value, bool) and abs(value) <= _GREATEST


def read_counts(value: Mapping[str, Any], name: str) -> dict[str, int]:
    """Return counts by name, the largest first, without zeros."""
    counts = {str(key): count for key, count in mapping(value.get(name)).items() if read_whole(count)}
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def read_address(value: Any) -> str:
    """Return an address; empty if there is none."""
    return value[:_ADDRESS_CHARACTERS_MAX] if isinstance(value, str) else ""


def read_texts(value: Any) -> tuple[str, ...]:
    """Return the first errors of a summary."""
    return tuple(str(text)[:_ERROR_CHARACTERS_MAX] for text in items(value)[:ERRORS_SHOWN])


def read_failures(errors: Any) -> tuple[str, ...]:
    """Return the failures in the metrics of a batch or a step as text, like those of the summary."""
    return tuple(_describe(failure) for failure in mappings(mapping(errors).get("first"))[:ERRORS_SHOWN])


def _describe(failure: Mapping[str, Any]) -> str:
    """Return a failure as text; only its message may have several lines."""
    message = str(failure.get("message", ""))[:_ERROR_CHARACTERS_MAX]
    key, code = (str(failure.get(name, "")) for name in ("key", "code"))
    known = Failure(entry=-1, key=key, code=code, message="", attempts=read_count(failure, "attempts"))
    return f"{known}{message}"


def add_up(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Return the sums by name, the largest first."""
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return dict(sorted(total.items(), key=lambda item: (-item[1], item[0])))
