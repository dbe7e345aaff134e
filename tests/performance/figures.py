"""Figures for people: medians, spreads, and the conditions of a measurement."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from s3copy_tasks import __version__
from tests.performance.child import cores

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.s3.servers import Endpoint

console = Console(width=118, highlight=False)


def airflow_environment(home: Path, endpoint: Endpoint) -> dict[str, str]:
    """Return the environment of a process that uses Airflow: a separate home, and both connections."""
    return {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AWS_EC2_METADATA_DISABLED": "true",
        "PYTHONWARNINGS": "ignore",
        **endpoint.connections(),
    }


def conditions() -> dict[str, Any]:
    """Return the machine's cores and load, and the versions."""
    return {
        "cores": len(cores()) or os.cpu_count(),
        "python": platform.python_version(),
        "s3copy_tasks": __version__,
        "load_average": round(os.getloadavg()[0], 2),
    }


def machine() -> str:
    """Return the conditions as text."""
    found = conditions()
    return (
        f"{found['cores']} cores, Python {found['python']}, "
        f"load average {found['load_average']:.1f} at the start"
    )


def table(title: str, columns: Sequence[str], caption: str = "") -> Table:
    """Return an empty table: text in the first column, figures in the others."""
    made = Table(title=title, title_justify="left", caption=caption or None, caption_justify="left")
    for index, name in enumerate(columns):
        made.add_column(name, justify="right" if index else "left", no_wrap=not index)
    return made


def spread(values: Sequence[float], digits: int = 1) -> str:
    """Return the median, and the least and greatest value behind it."""
    low, middle, high = (f"{value:,.{digits}f}" for value in (min(values), median(values), max(values)))
    return middle if low == high else f"{middle} ({low} to {high})"


def p90(values: Sequence[float]) -> float:
    """Return the 90th percentile."""
    return quantiles(values, n=10, method="inclusive")[8]
