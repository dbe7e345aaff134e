"""`s3copy undelete`: brings back what a run of a mirror has deleted."""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import asdict, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich import box
from rich.table import Table
from rich.text import Text

from s3copy_tasks.cli.jobs import DONE, FAILED, UsageError
from s3copy_tasks.cli.rendering import render, valid_job
from s3copy_tasks.cli.runs import make_console, open_sides, quiet
from s3copy_tasks.core.job import Filters
from s3copy_tasks.core.text import printable
from s3copy_tasks.core.undelete import Restoration
from s3copy_tasks.delete.undelete import find_markers, list_markers, read_deleted, remove_markers
from s3copy_tasks.engine.paced_store import pace_stores
from s3copy_tasks.engine.sender import make_sender

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from s3copy_tasks.config.job import CopyJob
    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.undelete import Marker
    from s3copy_tasks.engine.paced_store import PacedStores

_YES = frozenset({"y", "yes"})
_NOT_RESTORED = frozenset({Restoration.FAILED, Restoration.UNCLEAR})
_SHOWN = 10
_LABELS = {
    Restoration.RESTORED: "restored",
    Restoration.RESTORABLE: "can be restored",
    Restoration.WRITTEN_SINCE: "written or deleted again since",
    Restoration.MARKER_GONE: "marker already gone",
    Restoration.UNCLEAR: "unclear, not restored",
    Restoration.FAILED: "failed",
}


def undelete(options: argparse.Namespace) -> int:
    """Show what a run has deleted and what can be restored, and restore it if that is confirmed."""
    config = valid_job(options)
    with quiet():
        job = render(config, options, datetime.now(UTC), dry_run=True)
        _check_options(options, job)
        stores = pace_stores(open_sides(job).stores, make_sender(job.transfer))
        with make_console(stderr=True).status("looking for delete markers ..."):
            markers = _find(options, config, job, stores)
        count = sum(marker.outcome is Restoration.RESTORABLE for marker in markers)
        refused = None if _only_shows(options) or not count else _refuse(options, count)
        if not _only_shows(options) and refused is None:
            with make_console(stderr=True).status("restoring ..."):
                markers = remove_markers(stores.destination, markers)
    _show(options, job, markers)
    if options.since is not None and _only_shows(options) and count:
        sys.stderr.write(f"nothing is restored yet. To restore them, run again with --confirm {count}\n")
    if refused is not None:
        sys.stderr.write(f"s3copy: nothing is restored: {refused}\n")
    is_bad = any(marker.outcome in _NOT_RESTORED for marker in markers) and not _only_shows(options)
    return FAILED if is_bad or refused is not None else DONE


def _check_options(options: argparse.Namespace, job: EffectiveJob) -> None:
    if options.run is not None and job.results is None:
        msg = "--run: the job writes no results, so nothing says what its runs have deleted. Use --since"
        raise UsageError(msg)
    if options.since is not None and job.mirror is None:
        raise UsageError("--since: the job is not a mirror, and deletes nothing")


def _only_shows(options: argparse.Namespace) -> bool:
    """Say whether nothing is to be restored: without results, only a person knows which markers to remove."""
    return bool(options.dry_run or (options.since is not None and options.confirm is None))


def _find(
    options: argparse.Namespace, config: CopyJob, job: EffectiveJob, stores: PacedStores
) -> list[Marker]:
    if options.since is not None:  # a folder is deleted whatever the filters leave out
        scope = replace(job, filters=Filters()) if config.deletes_folders else job
        return list_markers(stores.destination, scope, options.since)
    if job.results is None or stores.results is None:
        return []
    deleted = read_deleted(stores.results, job.results, job.name, options.run)
    return find_markers(stores.destination, deleted)


def _refuse(options: argparse.Namespace, count: int) -> str | None:
    """Return why objects are not restored; None if that is confirmed. Asks on a terminal."""
    if options.confirm is not None:
        words = f"--confirm is {options.confirm:,}, but {count:,} can be restored"
        return None if options.confirm == count else words
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return f"it is not confirmed. To restore them, run again with --confirm {count}"
    sys.stderr.write(f"Restore {count:,} object{'' if count == 1 else 's'}? [y/N] ")
    sys.stderr.flush()
    return None if sys.stdin.readline().strip().lower() in _YES else "the answer was No"


def _show(options: argparse.Namespace, job: EffectiveJob, markers: Sequence[Marker]) -> None:
    counts = Counter(marker.outcome for marker in markers)
    if options.json:
        sys.stdout.write(json.dumps(_as_dict(options, job, markers, counts), indent=2) + "\n")
        return
    console = make_console()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("deleted objects")
    table.add_column("", justify="right")
    for outcome, label in _LABELS.items():
        if counts[outcome]:
            table.add_row(label, f"{counts[outcome]:,}")
    console.print(table if markers else "no delete markers")
    bad = [marker for marker in markers if marker.outcome in _NOT_RESTORED]
    for marker in bad[:_SHOWN]:
        console.print(Text(f"  {printable(f'{marker.key}: {marker.error}')}", style="red"), soft_wrap=True)
    if len(bad) > _SHOWN:
        console.print(f"  ... {len(bad) - _SHOWN:,} more")


def _as_dict(
    options: argparse.Namespace, job: EffectiveJob, markers: Sequence[Marker], counts: Counter[Restoration]
) -> dict[str, Any]:
    return {
        "job": job.name,
        "run": options.run,
        "since": None if options.since is None else options.since.isoformat(),
        "counts": {str(outcome): counts[outcome] for outcome in Restoration},
        "objects": [asdict(marker) for marker in markers],
    }
