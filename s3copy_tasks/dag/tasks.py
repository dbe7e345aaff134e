"""The tasks of a job's Dag.

Each reads its context, calls the same code as the command line, and converts errors to Airflow's.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import structlog

from s3copy_tasks.config.check.dates import run_names
from s3copy_tasks.config.load import load_warnings
from s3copy_tasks.config.render import render_job
from s3copy_tasks.config.show.explain import provenance
from s3copy_tasks.copy.runner import copy_batch as run_batch
from s3copy_tasks.copy.runner import count_batch
from s3copy_tasks.copy.uploads import Attempt
from s3copy_tasks.core.batch import Batch
from s3copy_tasks.core.collector import MetricsCollector, utc_now
from s3copy_tasks.core.job import EffectiveJob
from s3copy_tasks.core.metrics import TransferMetrics
from s3copy_tasks.core.planner import BATCHES_MAX
from s3copy_tasks.dag.airflow_versions import (
    AirflowFailException,
    AirflowSkipException,
    conf,
    event_extra,
)
from s3copy_tasks.dag.memory import recall_attempts
from s3copy_tasks.dag.notify import warn_of_ignored_fields
from s3copy_tasks.dag.notify.recipients import check_recipients
from s3copy_tasks.dag.outcome import airflow_errors, judge, report_run, stop_on_sigterm
from s3copy_tasks.dag.parameters import read_parameters
from s3copy_tasks.dag.rate import share_rate
from s3copy_tasks.dag.storable import escape, make_label
from s3copy_tasks.dag.telemetry.lineage import find_entries, report_lineage
from s3copy_tasks.dag.telemetry.progress import report_progress
from s3copy_tasks.dag.xcom import (
    CONFIG,
    METRICS,
    OUTSIDE,
    dump,
    dump_batch_metrics,
    dump_failed_step,
    dump_job,
    load,
    load_batch_metrics,
    load_failed_step,
    pull,
    push,
)
from s3copy_tasks.engine.sender import make_sender
from s3copy_tasks.plan.planning import plan_job
from s3copy_tasks.report import events
from s3copy_tasks.report.summary import (
    details,
    outside_metrics,
    report,
    run_metrics,
    verdict,
    without_job,
    without_plan,
)
from s3copy_tasks.run import as_copy_error

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow.sdk import AssetAlias, Context

    from s3copy_tasks.config.job import CopyJob
    from s3copy_tasks.interfaces import RunDetails
    from s3copy_tasks.s3.connections import Sides

log = structlog.get_logger(__name__)


def preflight(job: CopyJob, context: Context) -> dict[str, Any]:
    """Render the job, prove that it can run, and return it for the later tasks."""
    from s3copy_tasks.preflight.preflight import preflight as check  # noqa: PLC0415

    _push_config(job, context)
    with airflow_errors(), _push_reason("preflight", job, context):
        parameters = read_parameters(context)
        warn_of_ignored_fields(job)
        for warning in load_warnings(job.file):
            log.warning("the config has a warning", problem=str(warning))
        check_recipients(job)
        effective = render_job(
            job,
            template_names(context, parameters),
            run_id=context["run_id"],
            **parameters,
        )
        events.operation_started(effective)
        proven = check(effective, _sides(effective))
        events.preflight_passed(effective, proven.not_proven, proven.relay)
        return dump_job(proven.job)


def _push_config(job: CopyJob, context: Context) -> None:
    """Push the config of this run, with the file and line of each value, before any check can fail."""
    values = provenance(job)
    if values is None:
        log.warning("the config has changed since it was read: its values are not explained", job=job.name)
        return
    explained = {"digest": job.digest, "file": job.file.name, "values": values}
    push(context, CONFIG, explained)


@contextmanager
def _push_reason(step: str, job: CopyJob | EffectiveJob, context: Context) -> Iterator[None]:
    """Push the error of a step before the copies, also a timeout, so that not only the step's log has it."""
    try:
        yield
    except BaseException as error:
        known = as_copy_error(error)
        reason = dump_failed_step(
            without_plan(context["run_id"], step, known),
            reason=known.message,
            job=job.name,
            config_digest=job.digest,
            dry_run=context["params"]["dry_run"],
        )
        push(context, METRICS, reason)
        raise


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


def plan(job: dict[str, Any], context: Context) -> list[dict[str, Any]]:
    """Return the batches, and push the metrics of all objects that are in none."""
    effective, start = load(EffectiveJob, job), utc_now()
    sender = make_sender(effective.transfer)
    with airflow_errors(), _push_reason("plan", effective, context):
        planned = plan_job(effective, _sides(effective).stores, sender=sender, batches_max=_batches_max())
    outside = outside_metrics(effective, planned, start, utc_now(), sender.counted())
    if _is_retried(context):
        outside = replace(outside, requests=replace(outside.requests, at_least=True))
    events.objects_discovered(effective, planned)
    push(context, OUTSIDE, dump(outside, sparse=True))
    return [] if effective.dry_run else [dump(batch) for batch in planned.batches]


def _batches_max() -> int:
    """Return how many batches a run may have: Airflow fails a plan with more than the site allows."""
    return max(1, conf.getint("core", "max_map_length", fallback=BATCHES_MAX))


def copy_batch(job: dict[str, Any], batch: dict[str, Any], context: Context) -> None:
    """Copy one batch; always push its metrics, then judge it.

    Raises:
        AirflowFailException: more objects failed than the limit, and a retry would not help.
        AirflowException: more objects failed than the limit, and a retry may help.
    """
    effective, loaded = load(EffectiveJob, job), load(Batch, batch)
    context["label"] = make_label(loaded.label)  # type: ignore[typeddict-unknown-key] # map_index_template
    collector, earlier = MetricsCollector(), recall_attempts(context)
    sender = make_sender(
        effective.transfer, batches_at_once=min(loaded.of, effective.transfer.max_active_batches)
    )

    def push_metrics(metrics: TransferMetrics) -> None:
        push(context, METRICS, dump_batch_metrics(loaded, metrics))
        earlier.keep_requests(loaded.plan_id, metrics.requests)

    with (
        airflow_errors(),
        count_batch(effective, loaded, collector, push_metrics),
        stop_on_sigterm(sender),
        report_progress(effective, loaded, collector, context),
        share_rate(effective, loaded, sender, context),
    ):
        report_lineage(effective, find_entries(effective, loaded.ranges))
        sides = _sides(effective)
        uploads = earlier.uploads(effective, sides, sender)
        sent = earlier.requests(loaded.plan_id)
        attempt = Attempt(retried=_is_retried(context), uploads=uploads, requests=sent)
        run_batch(effective, loaded, sides.stores, metrics=collector, attempt=attempt, sender=sender)
    judge(collector.metrics(), effective.max_failed_objects)


def _is_retried(context: Context) -> bool:
    return (context["ti"].try_number or 1) > 1


def summarize(context: Context) -> RunDetails:
    """Add up the run, push its metrics, then judge it. Runs however the earlier tasks ended.

    Raises:
        AirflowFailException: the run has failed, with exact counts.
    """
    metrics, ended, max_failed_objects = _add_up(context)
    reason = verdict(metrics, max_failed_objects)
    report_run(ended, context, failed=reason is not None)
    if reason is not None:
        raise AirflowFailException(reason)
    if not metrics.files_copied_successfully:
        log.info("nothing to copy")
    return ended


def _add_up(context: Context) -> tuple[TransferMetrics, RunDetails, int]:
    """Return the run's metrics, their report, and the limit of failed objects."""
    plain = pull(context, "preflight")
    batches = pull(context, "plan") if plain is not None else None
    outside = pull(context, "plan", OUTSIDE)
    if batches is None or outside is None:
        metrics, ended = _without_plan(context, "preflight" if plain is None else "plan")
        return metrics, ended, 0
    job = load(EffectiveJob, plain)
    planned = [load(Batch, batch) for batch in batches]
    by_batch = load_batch_metrics(pull(context, "copy_batch", METRICS), planned)
    metrics = run_metrics(job, load(TransferMetrics, outside), planned, by_batch)
    return metrics, details(job, metrics, planned, by_batch), job.max_failed_objects


def _without_plan(context: Context, step: str) -> tuple[TransferMetrics, RunDetails]:
    known, ran = load_failed_step(pull(context, step, METRICS))
    metrics = known or without_plan(context["run_id"], step)
    ran = ran or {"job": None, "config_digest": None, "dry_run": context["params"]["dry_run"]}
    return metrics, without_job(report(metrics, **ran))


def publish(context: Context, copied: AssetAlias) -> None:
    """Emit events of the destination's assets, with what was copied.

    Raises:
        AirflowSkipException: nothing was copied, so the destination has not changed.
    """
    from airflow.sdk import Asset  # noqa: PLC0415 - an Asset with an s3:// URI imports boto3

    summary = pull(context, "summarize", METRICS)
    if not summary["files_copied_successfully"]:
        msg = "nothing was copied: no asset event"
        raise AirflowSkipException(msg)
    extra = escape(event_extra({name: value for name, value in summary.items() if name != "errors"}))
    for uri in load(EffectiveJob, pull(context, "preflight")).assets:
        context["outlet_events"][copied].add(Asset(name=uri, uri=uri), extra=extra)


def _sides(job: EffectiveJob) -> Sides:
    from s3copy_tasks.s3.connections import Sides  # noqa: PLC0415 - boto3 stays out of parsing

    return Sides.from_job(job)
