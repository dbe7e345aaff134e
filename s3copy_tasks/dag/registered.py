"""Says whether Airflow imports the copy jobs by itself: then the Dag files must make none."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from s3copy_tasks.dag.airflow_versions import HAS_IMPORTERS, conf

if TYPE_CHECKING:
    from collections.abc import Iterator

IMPORTER = "s3copy_tasks.dag.importer.CopyJobImporter"
"""How Airflow's configuration names the importer."""

_SECTION, _BUNDLES, _EVERYWHERE = "dag_processor", "dag_bundle_config_list", "dag_importer_configs"


def importer_place() -> str | None:
    """Return where Airflow's configuration names the importer, for a message; None where it does not.

    Never raises: Airflow itself says what is wrong with its configuration.
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
    """Look for the importer in Airflow's list: an entry is a dotted name, or a mapping that has it."""
    classpaths = (one.get("classpath") if isinstance(one, dict) else one for one in _items(importers))
    return IMPORTER in classpaths
