"""Plans and metrics as tables for a terminal. Keys and messages are untrusted input: never markup."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.filesize import decimal
from rich.table import Table
from rich.text import Text

from s3copy_tasks.core.text import printable
from s3copy_tasks.report.advice import COMES_AGAIN, make_rerun_command
from s3copy_tasks.report.messages import describe_state, show_age

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from s3copy_tasks.core.planner import Plan

_ERRORS_SHOWN = 10
_FROM_TO = "source > destination"
_COLUMNS = ("found", "to copy", "bytes", "skipped", "batches", "requests", "USD")
_ENOUGH = 10_000


def plan_as_dict(plan: Plan, job: str) -> dict[str, Any]:
    """Return a plan as JSON types: entries, batches and totals; `queue` is None if none names the keys."""
    entries = [
        {
            "entry": entry.path,
            "source": entry.source,
            "destination": entry.destination,
            "found": entry.found,
            "to_copy": entry.objects,
            "to_compare": entry.compare,
            "failing": entry.failing,
            "skipped": {str(reason): count for reason, count in sorted(entry.skipped.items())},
            "bytes": entry.bytes,
            "batches": entry.batches,
            "requests": {
                "copy": entry.copy_requests,
                "list": entry.list_requests,
                "head": entry.head_requests,
                "get": entry.get_requests,
            },
            "cost_usd": round(entry.cost_usd, 6),
        }
        for entry in plan.entries
    ]
    return {
        "job": job,
        "found": sum(entry.found for entry in plan.entries),
        "to_copy": sum(entry.objects for entry in plan.entries),
        "to_compare": sum(entry.compare for entry in plan.entries),
        "failing": sum(entry.failing for entry in plan.entries),
        "bytes": sum(entry.bytes for entry in plan.entries),
        "batches": len(plan.batches),
        "cost_usd": round(sum(entry.cost_usd for entry in plan.entries), 6),
        "entries": entries,
        "queue": None if plan.queue is None else describe_state(plan.queue),
    }


def plan_table(plan: Mapping[str, Any], width: int) -> Table:
    """Return the table of a plan, from `plan_as_dict`; on a narrow terminal, each row's cells are stacked.

    Args:
        plan: what a run would copy.
        width: columns of the terminal.
    """
    rows = [_plan_row(entry) for entry in plan["entries"]]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column(_FROM_TO, overflow="fold", min_width=20)
    for name in _COLUMNS:
        longest = max((len(line) for row in rows for line in row[name].plain.split("\n")), default=0)
        table.add_column(name, justify="left" if name == "skipped" else "right", min_width=longest)
    for row in rows:
        table.add_row(*row.values())
    return table if Console(width=_ENOUGH).measure(table).minimum <= width else _stacked(rows)


def _stacked(rows: Iterable[Mapping[str, Text]]) -> Table:
    table = Table(box=box.SIMPLE, show_header=False, pad_edge=False)
    table.add_column("what")
    table.add_column("how much", overflow="fold")
    for row in rows:
        for name, cell in row.items():
            table.add_row(name, cell, end_section=name == _COLUMNS[-1])
    return table


def _plan_row(entry: Mapping[str, Any]) -> dict[str, Text]:
    """Return the cells of an entry by column."""
    cells = [
        f"{_place(entry['source'])} > {_place(entry['destination'])}",
        f"{entry['found']:,}",
        f"{entry['to_copy']:,}"
        + (f"\n+{entry['to_compare']:,} to compare" if entry["to_compare"] else "")
        + (f"\n+{entry['failing']:,} can't be copied" if entry["failing"] else ""),
        decimal(entry["bytes"]),
        "\n".join(f"{count:,} {reason}" for reason, count in entry["skipped"].items()) or "-",
        f"{entry['batches']:,}",
        f"{sum(entry['requests'].values()):,}",
        f"{entry['cost_usd']:.4f}",
    ]
    return dict(zip((_FROM_TO, *_COLUMNS), map(Text, cells), strict=True))


def _place(prefix: str) -> str:
    return printable(prefix) or "(whole bucket)"


def metrics_table(report: Mapping[str, Any]) -> Table:
    """Return the table of a run's metrics, from `summary.report`."""
    table = Table(box=box.SIMPLE, show_header=False, pad_edge=False)
    table.add_column("what")
    table.add_column("how many", justify="right", no_wrap=True)
    seconds = report["duration_seconds"]
    table.add_row("found", f"{report['total_files_found']:,}")
    table.add_row("copied", Text(f"{report['files_copied_successfully']:,}", style="green"))
    for name in ("verified", "unverified", "mismatched"):
        if report[f"files_{name}"] or name == "verified":
            table.add_row(name, f"{report[f'files_{name}']:,}")
    for reason, count in report["files_skipped"].items():
        table.add_row(f"skipped: {reason}", f"{count:,}")
    for name in ("failed", "vanished", "unknown"):
        count = report[f"files_{name}"]
        table.add_row(name, Text(f"{count:,}", style="red" if count and name != "vanished" else ""))
    _add_deletions(table, report["deletions"])
    _add_messages(table, report["queue"])
    table.add_row("bytes", decimal(report["total_bytes_transferred"]))
    table.add_row("seconds", f"{seconds:,.1f}")
    if seconds:
        table.add_row("objects/s", f"{report['files_copied_successfully'] / seconds:,.0f}")
    limited_by = {name: waited for name, waited in report["limited_by"].items() if waited >= 1.0}
    if limited_by:
        table.add_row("peak in flight", f"{report['peak_in_flight']:,}")
    for bottleneck, waited in limited_by.items():
        table.add_row(f"limited by: {bottleneck}", f"{waited:,.1f} s")
    for code, count in report["errors_by_code"].items():
        table.add_row(Text(f"error: {printable(code)}"), f"{count:,}")
    return table


def _add_deletions(table: Table, deletions: Mapping[str, Any] | None) -> None:
    """Add the rows of what a mirror deleted, and kept; none for a job that is not a mirror."""
    if deletions is None:
        return
    table.add_row("extraneous", f"{deletions['extraneous']:,}")
    least = "at least " if deletions["at_least"] else ""
    table.add_row("deleted", f"{least}{deletions['deleted']:,}")
    if deletions["gone"]:
        table.add_row("deleted by others", f"{deletions['gone']:,}")
    for reason, count in deletions["kept"].items():
        table.add_row(f"kept: {reason}", f"{count:,}")
    for name in ("failed", "unknown"):
        if deletions[name]:
            table.add_row(f"deletes {name}", Text(f"{deletions[name]:,}", style="red"))
    for code, count in deletions["errors_by_code"].items():
        table.add_row(Text(f"error of deletes: {printable(code)}"), f"{count:,}")


def _add_messages(table: Table, queue: Mapping[str, Any] | None) -> None:
    """Add the rows of what became of a queue's messages; none for a job without a queue."""
    if queue is None:
        return
    for name in ("waiting", "received", "deleted", "left"):
        least = "at least " if queue["at_least"] and name != "waiting" else ""
        table.add_row(f"messages {name}", f"{least}{queue[name]:,}")
    if queue["oldest_seconds"] is not None:
        table.add_row("oldest message", show_age(queue["oldest_seconds"]))


def title(report: Mapping[str, Any]) -> Text:
    """Return the line above a plan's or a run's table."""
    return Text(printable(" ".join(filter(None, (report["job"], report.get("operation_id"))))), style="bold")


def results_lines(report: Mapping[str, Any], job: str, options: Sequence[str] = ()) -> list[Text]:
    """Return where the results of a run are, and how its failed objects are copied again.

    Args:
        report: of the run, from `summary.report`.
        job: the job's name or file, as the command needs it.
        options: of the run that render the same prefixes.
    """
    results, failed = report["results"], report["files_failed"]
    lines = [] if results is None else [Text(f"results: {printable(results)}")]
    if failed and report["queue"] is not None:
        lines.append(Text(f"{failed:,} failed. {COMES_AGAIN}"))
    elif failed and results is not None:
        lines.append(Text(f"{failed:,} failed; to run only these again:"))
        lines.append(Text(f"  {printable(make_rerun_command(results, job, options))}"))
    return lines


def error_lines(report: Mapping[str, Any]) -> list[Text]:
    """Return the first errors of a run, or of its deletes, and how many more there are."""
    errors = report["errors"]
    lines = [Text(f"  {error}", style="red") for error in errors[:_ERRORS_SHOWN]]
    total = sum(report["errors_by_code"].values())
    if total > len(lines):
        lines.append(Text(f"  ... {total - len(lines):,} more"))
    return lines
