"""`s3copy plan`: shows what a run would copy and delete; writes nothing."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from s3copy_tasks.cli.deletes import describe_deletions, show_deletions
from s3copy_tasks.cli.jobs import DONE, FAILED
from s3copy_tasks.cli.rendering import render, valid_job
from s3copy_tasks.cli.runs import make_console, open_sides, quiet, with_list, with_server
from s3copy_tasks.engine.sender import make_sender
from s3copy_tasks.plan.delete_planning import plan_deletes
from s3copy_tasks.plan.planning import plan_job
from s3copy_tasks.preflight.apart import explain_two_servers
from s3copy_tasks.report.messages import describe_waiting
from s3copy_tasks.report.tables import plan_as_dict, plan_table, title

if TYPE_CHECKING:
    import argparse

    from s3copy_tasks.config.job import CopyJob
    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.store import Stores


def plan(options: argparse.Namespace) -> int:
    """Show what a run would copy and delete; write nothing."""
    config = valid_job(options)
    with quiet(), make_console(stderr=True).status("listing ...") as status:
        rendered = render(config, options, datetime.now(UTC), dry_run=True)
        sides = open_sides(rendered)
        job = with_server(with_list(rendered, sides), sides)
        relayed = job.transfer.relay == "auto" and explain_two_servers(job, sides) is not None
        plan = plan_job(
            replace(job, relayed=relayed),
            sides.stores,
            on_listed=lambda n: status.update(f"listing ... {n:,} objects"),
            sender=make_sender(job.transfer),
        )
        deletions = _plan_deletions(config, job, sides.stores)
    plain = plan_as_dict(plan, job.name) | {"deletions": deletions}
    is_bad = plain["failing"] or (deletions and deletions["refused"])
    if options.json:
        sys.stdout.write(json.dumps(plain, indent=2) + "\n")
        return FAILED if is_bad else DONE
    console = make_console()
    console.print(title(plain))
    if plain["queue"] is not None:
        console.print(f"{describe_waiting(plain['queue'])}; none was received")
    elif not (deletions and deletions["delete_folder"]):
        console.print(plan_table(plain, console.width))
        if not plain["to_copy"] + plain["to_compare"] + plain["failing"]:
            console.print("nothing to copy")
    if deletions is not None:
        show_deletions(console, deletions)
    return FAILED if is_bad else DONE


def _plan_deletions(config: CopyJob, job: EffectiveJob, stores: Stores) -> dict[str, Any] | None:
    """Return what a run would delete if its copies succeed; None if its job is not a mirror."""
    if job.mirror is None:
        return None
    keys: list[str] = []
    plan = plan_deletes(
        job, stores, sender=make_sender(job.transfer), on_extraneous=lambda found: keys.append(found.key)
    )
    return describe_deletions(config, job, stores, plan, keys)
