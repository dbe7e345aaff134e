"""The Dag bundles in docs/importer.md, and the importers that Airflow builds from them, since 3.4."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[3] / "docs" / "importer.md"


def bundles(folder: Path) -> list[dict[str, Any]]:
    """Return the bundles in docs/importer.md, with another folder of configs."""
    (text,) = re.findall(r"^```json\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
    shown: list[dict[str, Any]] = json.loads(text)
    shown[-1]["kwargs"]["path"] = str(folder)
    return shown


def get_importer(name: str) -> Any:
    """Return Airflow's importer for a file of the bundle of configs; None if there is none."""
    from airflow.sdk.importers import (  # type: ignore[import-not-found] # noqa: PLC0415 - since 3.4
        get_importer_registry,
    )

    return get_importer_registry("copy_configs").get_importer(name)


def forget_importers() -> None:
    """Let Airflow read its configuration again."""
    from airflow.sdk.importers import reset_importer_registry  # noqa: PLC0415 - since 3.4

    reset_importer_registry()
