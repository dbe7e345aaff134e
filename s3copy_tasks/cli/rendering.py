"""Finds the job that a command names, and renders a run of it with the command's parameters."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from s3copy_tasks.cli.jobs import job_file
from s3copy_tasks.config.check.dates import run_names
from s3copy_tasks.config.check.schedule import first_run, interval_from
from s3copy_tasks.config.layers import find_defaults, read_layers
from s3copy_tasks.config.load import judge_job
from s3copy_tasks.config.modes import choose_mode
from s3copy_tasks.config.render import render_job
from s3copy_tasks.config.show.report import as_text
from s3copy_tasks.engine.local_files import find_list_file
from s3copy_tasks.errors import Code, ConfigError

if TYPE_CHECKING:
    import argparse

    from s3copy_tasks.config.job import CopyJob
    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.key_list import ListFile


def valid_job(options: argparse.Namespace) -> CopyJob:
    """Return the job that a command names; its warnings go to stderr.

    Raises:
        ConfigError: it is invalid; the message has all problems.
    """
    file = job_file(options.job, options.config_dir)
    job, warnings = judge_job(read_layers(file, find_defaults(file.parent)))
    sys.stderr.write(as_text(warnings))
    if isinstance(job, list):
        raise ConfigError("invalid config\n" + as_text(job).rstrip(), code=Code.INVALID_CONFIG)
    return job


def effective_job(options: argparse.Namespace, *, dry_run: bool) -> EffectiveJob:
    """Find, load and render the job that the command names."""
    return render(valid_job(options), options, datetime.now(UTC), dry_run=dry_run)


def make_run_id(now: datetime) -> str:
    """Return the id of a run that starts now."""
    return f"manual__{now.isoformat()}"


def render(job: CopyJob, options: argparse.Namespace, now: datetime, *, dry_run: bool) -> EffectiveJob:
    """Return a run of a job with the parameters of a command."""
    parameters = {
        "force": getattr(options, "force", False),
        "dry_run": dry_run,
        "prefixes": options.prefix,
    }
    moment = interval = None
    if options.logical_date is not None:
        moment = first_run(options.logical_date, job.schedule, job.timezone)
        interval = interval_from(moment, job.schedule, job.timezone)
        sys.stderr.write(f"logical date {moment.isoformat()}: ds is {moment.astimezone(UTC):%Y-%m-%d}\n")
    names = run_names(
        run_id=make_run_id(now), run_after=now, params=parameters, logical_date=moment, interval=interval
    )
    parts: dict[str, Any] = {"manifest": _find_manifest(options.manifest), "folder": options.folder}
    return choose_mode(
        job,
        render_job(job, names, run_id=make_run_id(now), **parts, **parameters),
        copy_only=getattr(options, "copy_only", False),
        delete_folder=getattr(options, "delete_folder", None),
        others={**parts, "prefix": options.prefix},
    )


def _find_manifest(named: str | None) -> str | ListFile | None:
    """Return the address of a list, or the file of this machine.

    Raises:
        ConfigError: there is no such file.
    """
    return named if named is None or named.startswith("s3://") else find_list_file(named)
