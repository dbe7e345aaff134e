"""`s3copy audit`: compares both sides of a job and copies nothing."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from s3copy_tasks.audit import Tally, list_extraneous
from s3copy_tasks.audit import audit as differences
from s3copy_tasks.cli.jobs import DONE, FAILED
from s3copy_tasks.cli.rendering import effective_job
from s3copy_tasks.cli.runs import open_sides, quiet, with_list, with_server
from s3copy_tasks.core.text import printable
from s3copy_tasks.engine.sender import make_sender

if TYPE_CHECKING:
    import argparse

    from s3copy_tasks.audit import Audited


def audit(options: argparse.Namespace) -> int:
    """Show each object that differs, or is extraneous, and the counts at the end.

    With --json, one JSON object a line.
    """
    tally, out = Tally(), sys.stdout
    line = _as_json if options.json else _as_text
    extraneous_line = _extraneous_as_json if options.json else _extraneous_as_text

    def show_extraneous(key: str) -> None:
        out.write(extraneous_line(key) + "\n")

    with quiet():
        rendered = effective_job(options, dry_run=True)
        sides = open_sides(rendered)
        job = with_server(with_list(rendered, sides), sides)
        sender = make_sender(job.transfer)
        for one in differences(job, sides.stores, sender, tally):
            out.write(line(one) + "\n")
        list_extraneous(job, sides.stores, sender, tally, show_extraneous)
    counts = {name: count for name, count in asdict(tally).items() if count is not None}
    words = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in counts.items())
    out.write((json.dumps({"job": job.name, **counts}) if options.json else words) + "\n")
    return DONE if tally.is_clean else FAILED


def _as_json(one: Audited) -> str:
    return json.dumps(asdict(one), default=str)


def _as_text(one: Audited) -> str:
    words = one.error or "; ".join(f"{name}: {_shown(pair)}" for name, pair in one.differences.items())
    words = words or "the same size, but neither a checksum nor an ETag proves the content"
    return f"{printable(one.key)}: {printable(words)}"


def _extraneous_as_json(key: str) -> str:
    return json.dumps({"destination_key": key, "extraneous": True})


def _extraneous_as_text(key: str) -> str:
    return f"{printable(key)}: extraneous, only the destination has it"


def _shown(pair: tuple[Any, Any]) -> str:
    return f"{pair[0]!s} at the source, {pair[1]!s} at the destination"
