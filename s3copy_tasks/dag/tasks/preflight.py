"""The task `preflight`: renders the job, and proves that it can run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog

from s3copy_tasks.config.catalog import refuse_other_writers
from s3copy_tasks.config.check.dates import run_names
from s3copy_tasks.config.load import load_warnings
from s3copy_tasks.config.modes import choose_mode
from s3copy_tasks.config.render import render_job
from s3copy_tasks.config.show.explain import provenance
from s3copy_tasks.core.job import Approval
from s3copy_tasks.dag.airflow_versions import HAS_APPROVALS, airflow_version
from s3copy_tasks.dag.notify import warn_of_ignored_fields
from s3copy_tasks.dag.notify.recipients import check_recipients
from s3copy_tasks.dag.outcome import airflow_errors, push_reason
from s3copy_tasks.dag.parameters import (
    read_copy_only,
    read_delete_folder,
    read_folder,
    read_manifest,
    read_parameters,
)
from s3copy_tasks.dag.xcom import CONFIG, dump_job, push
from s3copy_tasks.errors import Code, ConfigError
from s3copy_tasks.preflight.preflight import preflight as check
from s3copy_tasks.report import events
from s3copy_tasks.s3.connections import Sides

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow.sdk import Context

    from s3copy_tasks.config.job import CopyJob
    from s3copy_tasks.core.job import EffectiveJob

log = structlog.get_logger(__name__)


def preflight(job: CopyJob, context: Context) -> dict[str, Any]:
    """Render the job, prove that it can run, and return it for the later tasks."""
    _push_config(job, context)
    with airflow_errors(), push_reason("preflight", job, context):
        parameters = read_parameters(context)
        warn_of_ignored_fields(job)
        for warning in load_warnings(job.file):
            log.warning("the config has a warning", problem=str(warning))
        check_recipients(job)
        effective = _render(job, context, parameters)
        check_approval(job, effective)
        events.operation_started(effective)
        if job.mirror is not None and effective.mirror is None:
            log.warning("this run deletes nothing: it copies only, or by a list", job=job.name)
        refuse_other_writers(job, effective)
        proven = check(effective, Sides.from_job(effective))
        events.list_found(proven.job, proven.on_list)
        events.queue_found(proven.job, proven.queue, proven.on_list)
        events.preflight_passed(effective, proven.not_proven, proven.relay)
        return dump_job(proven.job)


def _render(job: CopyJob, context: Context, parameters: Mapping[str, Any]) -> EffectiveJob:
    parts: dict[str, Any] = {"manifest": read_manifest(context), "folder": read_folder(context)}
    delete_folder = read_delete_folder(context)
    names = template_names(context, parameters)
    return choose_mode(
        job,
        render_job(job, names, run_id=context["run_id"], **parts, **parameters),
        copy_only=read_copy_only(context),
        delete_folder=delete_folder,
        others={**parts, "prefixes": parameters["prefixes"]},
    )


def check_approval(job: CopyJob, run: EffectiveJob) -> None:
    """Refuse a run that waits for an answer where Airflow can't ask.

    Raises:
        ConfigError: Airflow is older than 3.1.
    """
    if HAS_APPROVALS or job.mirror is None:
        return
    old = f"needs Airflow 3.1 or newer, and this is {airflow_version}"
    if run.mirror is not None and run.mirror.delete_folder is not None:
        msg = f"{job.file}: delete_folder: {old}. Use `s3copy run --delete-folder`, or upgrade"
        raise ConfigError(msg, code=Code.INVALID_PARAMETERS)
    if job.mirror.approval is not Approval.NEVER:
        msg = f"{job.file}: mirror.approval: {old}. Write approval: never, or upgrade"
        raise ConfigError(msg, code=Code.INVALID_CONFIG)


def _push_config(job: CopyJob, context: Context) -> None:
    """Push the config of this run, with the file and line of each value, before any check can fail."""
    values = provenance(job)
    if values is None:
        log.warning("the config has changed since it was read: its values are not explained", job=job.name)
        return
    explained = {"digest": job.digest, "file": job.file.name, "values": values}
    push(context, CONFIG, explained)


def template_names(context: Mapping[str, Any], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return the names that a config's templates may use, with their values."""
    logical_date = context.get("logical_date")
    interval = (
        None if logical_date is None else (context["data_interval_start"], context["data_interval_end"])
    )
    return run_names(
        run_id=context["run_id"],
        run_after=context["dag_run"].run_after,
        params=parameters,
        logical_date=logical_date,
        interval=interval,
    )
