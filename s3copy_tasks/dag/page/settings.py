"""A job's effective config, as rows, and in short for the table of all jobs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from s3copy_tasks.dag.page.reading import read_address
from s3copy_tasks.dag.page.shapes import items, mapping, mappings, plain

SCHEMA_DEFAULT = "schema default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """Where a job reads and writes.

    Attributes:
        source: URI of the first entry's source.
        destination: URI of the first entry's destination.
        more: how many further entries there are.
        queue: URL of the queue that names the keys; empty if there is none.
    """

    source: str
    destination: str
    more: int
    queue: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One value of a config.

    Attributes:
        path: such as `transfer.concurrency`.
        value: as JSON, strings without quotes.
        origin: file and line, or `default`; empty if unknown.
        is_default: whether it is the schema's default.
    """

    path: str
    value: str
    origin: str
    is_default: bool


def read_config(serialized: Any) -> dict[str, Any]:
    """Return the effective config in a serialized Dag, at its task `preflight`; empty if it has none."""
    for task in mappings(mapping(mapping(serialized).get("dag")).get("tasks")):
        inner = mapping(task.get("__var", task))
        if inner.get("task_id") == "preflight":
            return mapping(plain(inner.get("doc_json")))
    return {}


def find_route(config: dict[str, Any]) -> Route | None:
    """Return where a job reads and writes; None if the config is empty."""
    if not config:
        return None
    entries = [entry for name in ("prefixes", "objects") for entry in mappings(config.get(name))]
    first = entries[0] if entries else {}
    source, destination = (
        f"s3://{mapping(config.get(side)).get('bucket', '')}/{first.get(side, '')}"
        for side in ("source", "destination")
    )
    queue = mapping(config.get("from")).get("queue")
    return Route(
        source=source, destination=destination, more=max(0, len(entries) - 1), queue=read_address(queue)
    )


def find_pool(config: dict[str, Any]) -> str | None:
    """Return the pool of a job's batches, also from a config of an earlier version; None if it names none."""
    pools = (mapping(config.get(section)).get("pool") for section in ("airflow", "transfer"))
    return next((str(pool) for pool in pools if pool), None)


def describe_schedule(config: dict[str, Any]) -> str:
    """Return a short description of when a job runs."""
    schedule, zone = config.get("schedule"), config.get("timezone") or "UTC"
    if isinstance(schedule, dict):
        if schedule.get("queue"):
            return "when messages wait in its queue"
        assets = items(schedule.get("assets"))
        return f"after {', '.join(map(str, assets[:2]))}" + (" ..." if len(assets) > 2 else "")  # noqa: PLR2004
    if not schedule:
        return "by hand"
    return str(schedule) if zone == "UTC" else f"{schedule} {zone}"


def list_settings(config: dict[str, Any]) -> list[Setting]:
    """Return the rows of a config whose files are not available."""
    return [
        Setting(path=path, value=_written(value), origin="", is_default=False)
        for path, value in _leaves(config, "")
    ]


def list_explained_settings(pushed: Any) -> list[Setting]:
    """Return the rows that `preflight` pushed, with file and line; none if it pushed none."""
    return [_explained(value) for value in mappings(mapping(pushed).get("values")) if "path" in value]


def _explained(value: dict[str, Any]) -> Setting:
    is_default = value.get("origin") == SCHEMA_DEFAULT
    place = f"{value.get('file')}:{value.get('line')}"
    return Setting(
        path=str(value["path"]),
        value=_written(value.get("value")),
        origin="default" if is_default else place,
        is_default=is_default,
    )


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for index, inner in enumerate(value):
            yield from _leaves(inner, f"{path}[{index}]")
    else:
        yield path, value


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
