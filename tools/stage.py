"""What `make demo` and `make ui` have in common: their output, and a clean end on Ctrl-C."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.airflow.stack import AirflowStack

_COLOURS = {"success": "green", "running": "yellow", "failed": "red", "skipped": "bright_black"}
_INTERRUPTED = 130

console = Console(highlight=False)


def play(main: Callable[[], int]) -> int:
    """Run a demo until it ends or is interrupted, and return its exit code."""
    for number in (signal.SIGINT, signal.SIGTERM):  # even if the shell started this with them ignored
        signal.signal(number, _interrupted)
    try:
        return main()
    except KeyboardInterrupt:
        console.print("\nstopped; nothing is left running")
        return _INTERRUPTED


def _interrupted(number: int, frame: object) -> None:
    for ignored in (signal.SIGINT, signal.SIGTERM):  # a second Ctrl-C would leave processes running
        signal.signal(ignored, signal.SIG_IGN)
    raise KeyboardInterrupt


def step(text: str) -> None:
    """Print a heading."""
    console.print(Text(f"\n==> {text}", style="bold"))


def say(text: str) -> None:
    """Print a line."""
    console.print(Text(f"    {text}"), soft_wrap=True)


def watch(airflow: AirflowStack, dag_id: str, run_id: str) -> str:
    """Show a run's tasks while they run, and return its state."""
    with Live(console=console, refresh_per_second=4, transient=not console.is_terminal) as live:
        state = airflow.finish(dag_id, run_id, watch=lambda rows: live.update(tasks_table(rows)))
        table = tasks_table(airflow.tasks(dag_id, run_id))
        live.update(table)
    if not console.is_terminal:
        console.print(table)
    say(f"run {run_id}: {state}")
    return state


def tasks_table(rows: list[dict[str, Any]]) -> Table:
    """Return a run's tasks with their states."""
    table = Table.grid(padding=(0, 3))
    for row in rows:
        label = row["rendered_map_index"] or ""
        state = row["state"] or "waiting"
        seconds = f"{row['duration']:.1f} s" if row["duration"] else ""
        table.add_row(
            f"  {row['task_id']}", Text(label), Text(state, style=_COLOURS.get(state, "")), Text(seconds)
        )
    return table
