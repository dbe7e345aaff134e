"""Finds out whether Airflow imports the copy jobs itself: then the Dag files must build none."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from s3copy_tasks.dag.airflow_versions import HAS_IMPORTERS, conf

if TYPE_CHECKING:
    from collections.abc import Iterator

IMPORTER = "s3copy_tasks.dag.importer.CopyJobImporter"
"""The importer's name in Airflow's configuration."""

_SECTION, _BUNDLES, _EVERYWHERE = "dag_processor", "dag_bundle_config_list", "dag_importer_configs"


def find_importer() -> str | None:
    """Return where Airflow's configuration names the importer, for a message; None if it does not.

    Never raises: Airflow itself reports errors in its configuration.
    """
    if not HAS_IMPORTERS:
        return None
    bundles = [
        repr(bundle.get("name"))
        for bundle in _items(_option(_BUNDLES))
        if isinstance(bundle, dict) and _names_importer(bundle.get("importers"))
    ]
    if bundles:
        return f"the importer of the Dag bundle {', '.join(bundles)} ([{_SECTION}] {_BUNDLES})"
    if _names_importer(_option(_EVERYWHERE)):
        return f"the importer of all Dag bundles ([{_SECTION}] {_EVERYWHERE})"
    return None


def _option(name: str) -> Any:
    try:
        return json.loads(conf.get(_SECTION, name, fallback=None) or "null")
    except ValueError:
        return None


def _items(value: Any) -> Iterator[Any]:
    return iter(value if isinstance(value, list) else [])


def _names_importer(importers: Any) -> bool:
    """Return whether Airflow's list has the importer: an entry is a dotted name, or a mapping with one."""
    classpaths = (item.get("classpath") if isinstance(item, dict) else item for item in _items(importers))
    return IMPORTER in classpaths
