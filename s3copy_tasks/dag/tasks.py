"""What the tasks of a job's Dag do.

Thin: each reads its context, calls the same code as the command line, and turns its errors into Airflow's.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import structlog

from s3copy_tasks.config.check.template import NAMES, RunDates
from s3copy_tasks.config.render import render_job
from s3copy_tasks.config.show.explain import provenance
from s3copy_tasks.copy.runner import copy_batch as run_batch
from s3copy_tasks.copy.runner import counted_batch
from s3copy_tasks.copy.uploads import Attempt
from s3copy_tasks.core.batch import Batch
from s3copy_tasks.core.collector import MetricsCollector, utc_now
from s3copy_tasks.core.job import EffectiveJob
from s3copy_tasks.core.metrics import TransferMetrics
from s3copy_tasks.dag.airflow_versions import AirflowFailException, AirflowSkipException, event_extra
from s3copy_tasks.dag.memory import tries_of
from s3copy_tasks.dag.notify import warn_of_ignored
from s3copy_tasks.dag.notify.recipients import check_recipients
from s3copy_tasks.dag.outcome import airflow_errors, judge, report_run, stopped_by_sigterm, without_job
from s3copy_tasks.dag.telemetry.lineage import entries_of, tell_lineage
from s3copy_tasks.dag.telemetry.progress import progress_told
from s3copy_tasks.dag.xcom import (
    CONFIG,
    METRICS,
    OUTSIDE,
    batch_metrics,
    dump,
    dump_job,
    failed_step,
    load,
    load_batch_metrics,
    load_failed_step,
)
from s3copy_tasks.engine.sender import sender_of
from s3copy_tasks.errors import CopyError
from s3copy_tasks.plan.planning import plan_job
from s3copy_tasks.report import events
from s3copy_tasks.report.summary import details, outside_metrics, report, run_metrics, verdict, without_plan

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow.sdk import AssetAlias, Context

    from s3copy_tasks.config.job import CopyJob
    from s3copy_tasks.interfaces import RunDetails
    from s3copy_tasks.s3.connections import Sides

log = structlog.get_logger(__name__)


def preflight(job: CopyJob, context: Context) -> dict[str, Any]:
    """Render the job, prove that it can run, and return it as every later task takes it."""
    from s3copy_tasks.preflight.preflight import preflight as check  # noqa: PLC0415

    params = context["params"]
    _push_config(job, context)
    with airflow_errors(), _reason_pushed("preflight", job, context):
        warn_of_ignored(job)
        check_recipients(job)
        effective = render_job(
            job,
            template_names(context),
            run_id=context["run_id"],
            prefixes=params.get("prefixes") or (),
            force=params["force"],
            dry_run=params["dry_run"],
        )
        events.operation_started(effective)
        proven = check(effective, _sides(effective))
        events.preflight_passed(effective, proven.not_proven, proven.relay)
        return dump_job(proven.job)


def _push_config(job: CopyJob, context: Context) -> None:
    """Push what this run goes by, and where each value was written, before anything can refuse it."""
    values = provenance(job)
    if values is None:
        log.warning("the config has changed since it was read: its values are not explained", job=job.name)
        return
    explained = {"digest": job.digest, "file": job.file.name, "values": values}
    context["ti"].xcom_push(key=CONFIG, value=explained)


@contextmanager
def _reason_pushed(step: str, job: CopyJob | EffectiveJob, context: Context) -> Iterator[None]:
    """Push why a step before the copies failed, so that the summary says it, and not only the step's log."""
    try:
        yield
    except CopyError as error:
        reason = failed_step(
            without_plan(context["run_id"], step, error),
            job=job.name,
            config_digest=job.digest,
            dry_run=context["params"]["dry_run"],
        )
        context["ti"].xcom_push(key=METRICS, value=reason)
        raise


def template_names(context: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of the names that a config's templates may use."""
    names = {name: context[name] for name in NAMES if context.get(name) is not None}
    return names | {"dag_run": RunDates(context["dag_run"].run_after), "params": dict(context["params"])}


def plan(job: dict[str, Any], context: Context) -> list[dict[str, Any]]:
    """Return the batches, and push the metrics of everything outside of them."""
    effective, start = load(EffectiveJob, job), utc_now()
    sender = sender_of(effective, batches_at_once=1)
    with airflow_errors(), _reason_pushed("plan", effective, context):
        planned = plan_job(effective, _sides(effective).stores, sender=sender)
    outside = outside_metrics(effective, planned, start, utc_now(), sender.counted())
    events.objects_discovered(effective, planned)
    context["ti"].xcom_push(key=OUTSIDE, value=dump(outside, sparse=True))
    return [] if effective.dry_run else [dump(batch) for batch in planned.batches]


def copy_batch(job: dict[str, Any], batch: dict[str, Any], context: Context) -> None:
    """Copy one batch; push its metrics whatever happens, then judge it.

    Raises:
        AirflowFailException: more objects failed than may, and trying again would not help.
        AirflowException: the same, and it may help.
    """
    effective, mine = load(EffectiveJob, job), load(Batch, batch)
    context["label"] = mine.label  # type: ignore[typeddict-unknown-key] # map_index_template
    collector = MetricsCollector()
    sender = sender_of(effective, batches_at_once=min(mine.of, effective.transfer.max_active_batches))

    def push(metrics: TransferMetrics) -> None:
        context["ti"].xcom_push(key=METRICS, value=batch_metrics(mine, metrics))

    with (
        airflow_errors(),
        counted_batch(effective, mine, collector, push),
        stopped_by_sigterm(sender),
        progress_told(effective, mine, collector, context),
    ):
        tell_lineage(effective, entries_of(effective, mine.ranges))
        sides = _sides(effective)
        uploads = tries_of(context).uploads(effective, sides, sender)
        attempt = Attempt(retried=(context["ti"].try_number or 1) > 1, uploads=uploads)
        run_batch(effective, mine, sides.stores, metrics=collector, attempt=attempt, sender=sender)
    judge(collector.metrics(), effective.max_failed_objects)


def summarize(context: Context) -> RunDetails:
    """Add up the run, push its metrics, then judge it. Runs in every ending of the tasks before.

    Raises:
        AirflowFailException: the run has failed, with exact counts.
    """
    metrics, ended, max_failed_objects = _added_up(context)
    reason = verdict(metrics, max_failed_objects)
    report_run(ended, context, failed=reason is not None)
    if reason is not None:
        raise AirflowFailException(reason)
    if not metrics.files_copied_successfully:
        log.info("nothing to copy")
    return ended


def _added_up(context: Context) -> tuple[TransferMetrics, RunDetails, int]:
    """Return the run's metrics in both shapes, and how many objects may fail."""
    ti = context["ti"]
    plain = ti.xcom_pull(task_ids="preflight")
    batches = ti.xcom_pull(task_ids="plan") if plain is not None else None
    outside = ti.xcom_pull(task_ids="plan", key=OUTSIDE)
    if batches is None or outside is None:
        metrics, ended = _without_plan(context, "preflight" if plain is None else "plan")
        return metrics, ended, 0
    job = load(EffectiveJob, plain)
    planned = [load(Batch, batch) for batch in batches]
    by_batch = load_batch_metrics(ti.xcom_pull(task_ids="copy_batch", key=METRICS), planned)
    metrics = run_metrics(job, load(TransferMetrics, outside), planned, by_batch)
    return metrics, details(job, metrics, planned, by_batch), job.max_failed_objects


def _without_plan(context: Context, step: str) -> tuple[TransferMetrics, RunDetails]:
    known, ran = load_failed_step(context["ti"].xcom_pull(task_ids=step, key=METRICS))
    metrics = known or without_plan(context["run_id"], step)
    ran = ran or {"job": None, "config_digest": None, "dry_run": context["params"]["dry_run"]}
    return metrics, without_job(report(metrics, **ran))


def publish(context: Context, copied: AssetAlias) -> None:
    """Tell whoever waits for the destination's assets what was copied.

    Raises:
        AirflowSkipException: nothing was copied, so nothing changed there.
    """
    from airflow.sdk import Asset  # noqa: PLC0415 - an Asset of s3:// imports boto3

    ti = context["ti"]
    summary = ti.xcom_pull(task_ids="summarize", key=METRICS)
    if not summary["files_copied_successfully"]:
        msg = "nothing was copied: no asset event"
        raise AirflowSkipException(msg)
    extra = event_extra({name: value for name, value in summary.items() if name != "errors"})
    for uri in load(EffectiveJob, ti.xcom_pull(task_ids="preflight")).assets:
        context["outlet_events"][copied].add(Asset(name=uri, uri=uri), extra=extra)


def _sides(job: EffectiveJob) -> Sides:
    from s3copy_tasks.s3.connections import Sides  # noqa: PLC0415 - boto3 stays out of parsing

    return Sides.from_job(job)
