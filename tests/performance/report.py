"""What a benchmark found: every figure is given once, is printed in a table, and is written as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

from rich.table import Table

from tests.performance.child import ROOT
from tests.performance.figures import conditions, console, spread, table

FOLDER = ROOT / "build" / "bench"

Cell = float | Sequence[float] | str | None
"""A figure, the samples behind one (median, least and greatest are shown), words, or nothing."""


class Rows:
    """One table. Make it by `Report.table`."""

    def __init__(self, title: str, first: str, digits: Mapping[str, int], caption: str) -> None:
        self._first = first
        self._digits = digits
        self._section: str | None = None
        self._told: dict[str, Any] = {"title": title, "caption": caption, "rows": []}
        self._shown = table(title, [first, *digits], caption)

    def section(self, name: str) -> None:
        """Put the rows that follow below a heading."""
        self._section = name
        self._shown.add_section()
        self._shown.add_row(f"[bold]{name}[/bold]")

    def add(self, label: str, *cells: Cell) -> None:
        """Add a row: a label, and a cell for each column after the first."""
        named = dict(zip(self._digits, cells, strict=True))
        self._shown.add_row(label, *(_text(cell, self._digits[name]) for name, cell in named.items()))
        heading = {} if self._section is None else {"section": self._section}
        figures = {name: _plain(cell) for name, cell in named.items() if cell is not None}
        self._told["rows"].append({**heading, self._first or "what": label.strip(), **figures})

    @property
    def shown(self) -> Table:
        """The table as it is printed."""
        return self._shown

    @property
    def told(self) -> dict[str, Any]:
        """The table as JSON has it: figures by the names of their columns, in these columns' units."""
        return self._told


class Report:
    """Tables and remarks of one benchmark.

    Args:
        name: of the benchmark; JSON goes to `<name>.json`.
        folder: where that is.
        measured_with: what a reader must know of how it was measured, beside the machine.
    """

    def __init__(self, name: str, *, folder: Path = FOLDER, **measured_with: Any) -> None:
        self._file = folder / f"{name}.json"
        self._told: dict[str, Any] = {
            "benchmark": name,
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "conditions": {**conditions(), **measured_with},
        }
        self._tables: list[Rows] = []
        self._remarks: list[str] = []

    def table(self, title: str, first: str, digits: Mapping[str, int], caption: str = "") -> Rows:
        """Add a table.

        Args:
            title: what is measured.
            first: heading of the first column, whose cells are words.
            digits: the other columns' headings, with units, and their digits after the point.
            caption: how it was measured.
        """
        self._tables.append(Rows(title, first, digits, caption))
        return self._tables[-1]

    def remark(self, text: str) -> None:
        """Add a sentence that stands below the tables."""
        self._remarks.append(text)

    def finish(self) -> None:
        """Print everything and write the file."""
        for one in self._tables:
            console.print(one.shown, "")
        for text in self._remarks:
            console.print(text, markup=False)
        told = {**self._told, "tables": [one.told for one in self._tables], "remarks": self._remarks}
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(json.dumps(told, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _text(cell: Cell, digits: int) -> str:
    if cell is None or isinstance(cell, str):
        return cell or ""
    return f"{cell:,.{digits}f}" if isinstance(cell, int | float) else spread(cell, digits)


def _plain(cell: Cell) -> Any:
    if cell is None or isinstance(cell, str | int | float):
        return cell
    return {"median": median(cell), "least": min(cell), "greatest": max(cell), "samples": list(cell)}
