"""The results of a benchmark: every figure is given once, printed in a table, and written as JSON."""

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
"""A figure, its samples (the table shows median, least and greatest), text, or nothing."""


class Rows:
    """One table. `Report.table` makes it."""

    def __init__(self, title: str, first: str, digits: Mapping[str, int], caption: str) -> None:
        self._first = first
        self._digits = digits
        self._section: str | None = None
        self._document: dict[str, Any] = {"title": title, "caption": caption, "rows": []}
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
        self._document["rows"].append({**heading, self._first or "what": label.strip(), **figures})

    @property
    def shown(self) -> Table:
        """The printed table."""
        return self._shown

    @property
    def document(self) -> dict[str, Any]:
        """The table for JSON: figures by the names of their columns, in the units of the columns."""
        return self._document


class Report:
    """Tables and remarks of one benchmark.

    Args:
        name: the benchmark; JSON goes to `<name>.json`.
        folder: the folder of that file.
        measured_with: the conditions of the measurement, besides the machine.
    """

    def __init__(self, name: str, *, folder: Path = FOLDER, **measured_with: Any) -> None:
        self._file = folder / f"{name}.json"
        self._head: dict[str, Any] = {
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
            first: heading of the first column, whose cells are text.
            digits: headings of the other columns, with units, and their decimal places.
            caption: how it was measured.
        """
        self._tables.append(Rows(title, first, digits, caption))
        return self._tables[-1]

    def remark(self, text: str) -> None:
        """Add a sentence below the tables."""
        self._remarks.append(text)

    def finish(self) -> None:
        """Print everything and write the file."""
        for rows in self._tables:
            console.print(rows.shown, "")
        for text in self._remarks:
            console.print(text, markup=False)
        tables = [rows.document for rows in self._tables]
        document = {**self._head, "tables": tables, "remarks": self._remarks}
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _text(cell: Cell, digits: int) -> str:
    if cell is None or isinstance(cell, str):
        return cell or ""
    return f"{cell:,.{digits}f}" if isinstance(cell, int | float) else spread(cell, digits)


def _plain(cell: Cell) -> Any:
    if cell is None or isinstance(cell, str | int | float):
        return cell
    return {"median": median(cell), "least": min(cell), "greatest": max(cell), "samples": list(cell)}
