"""When notifications of a run are sent: docs/design/alerts.md gives the reasons."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import structlog
from airflow.sdk import BaseNotifier

from s3copy_tasks.config.notify import plain, recipients_of
from s3copy_tasks.core.job import EffectiveJob
from s3copy_tasks.dag.airflow_versions import HAS_DEADLINES, conf, queued_deadline
from s3copy_tasks.dag.notify.recipients import send
from s3copy_tasks.dag.xcom import METRICS, load, pull
from s3copy_tasks.report.message import (
    Run,
    describe_failure,
    describe_lateness,
    describe_places,
    describe_success,
    describe_unpublished,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow.sdk import Context

    from s3copy_tasks.config.job import CopyJob
    from s3copy_tasks.config.notify import Recipient
    from s3copy_tasks.report.message import Message

    BuildMessage = Callable[[Run, Mapping[str, Any] | None], Message]

log = structlog.get_logger(__name__)

_ENDED = frozenset({"success", "failed"})


class RunNotifier(BaseNotifier):
    """Notifies recipients how a run of a job ended, with the numbers of its summary.

    Args:
        job: the job of the run.
        recipients: one or more.
        build_message: builds the message from the run and its metrics.
    """

    def __init__(self, job: CopyJob, recipients: Sequence[Recipient], build_message: BuildMessage) -> None:
        super().__init__()
        self._job = job
        self._recipients = recipients
        self._build_message = build_message

    def notify(self, context: Context) -> None:
        """Notify the recipients; never raises because a message can't be sent."""
        rendered = pull(context, "preflight")
        places = describe_places(load(EffectiveJob, rendered) if rendered else self._job)
        run_id = context["run_id"]
        link = _link(context["ti"].dag_id, run_id)
        run = Run(job=self._job.name, run_id=run_id, places=places, link=link)
        send(self._recipients, self._build_message(run, pull(context, "summarize", METRICS)))


def _link(dag_id: str, run_id: str) -> str | None:
    """Return the address of a run's page, if the site sets its own address."""
    base = conf.get("api", "base_url", fallback=None)
    return f"{base.rstrip('/')}/dags/{quote(dag_id)}/runs/{quote(run_id, safe='')}" if base else None


def summary_callbacks(job: CopyJob) -> dict[str, Any]:
    """Return the callbacks of `summarize`: it judges the run, so if it fails, the run has failed."""
    return _failure_callbacks(job, describe_failure)


def publish_callbacks(job: CopyJob) -> dict[str, Any]:
    """Return the callbacks of `publish`: it runs last, and only if `summarize` succeeded."""
    callbacks = _failure_callbacks(job, describe_unpublished)
    if job.notify.on_success:
        notifier = RunNotifier(job, job.notify.on_success, describe_success)
        callbacks |= {"on_success_callback": notifier, "on_skipped_callback": notifier}
    return callbacks


def _failure_callbacks(job: CopyJob, build_message: BuildMessage) -> dict[str, Any]:
    recipients = job.notify.on_failure
    return {"on_failure_callback": RunNotifier(job, recipients, build_message)} if recipients else {}


def build_deadline(job: CopyJob) -> dict[str, Any]:
    """Return a Dag's argument `deadline`: the alert for a run that has not ended in time.

    Empty if the job has no deadline, or Airflow has none: `warn_of_ignored_fields` logs that in each run.
    """
    after = job.notify.deadline
    if after is None or not HAS_DEADLINES:
        return {}
    arguments = {
        "job": job.name,
        "places": list(describe_places(job)),
        "recipients": plain(job.notify.on_failure),
        "after_seconds": int(after.total_seconds()),
    }
    return {"deadline": queued_deadline(after, tell_late, arguments)}


def warn_of_ignored_fields(job: CopyJob) -> None:
    """Log fields of the config that this version of Airflow does not support."""
    if job.notify.deadline is not None and not HAS_DEADLINES:
        log.warning("notify.deadline is ignored: it needs Airflow 3.1 or later", job=job.name)


async def tell_late(
    *,
    job: str,
    places: list[str],
    recipients: list[dict[str, Any]],
    after_seconds: int,
    context: dict[str, Any],
) -> None:
    """Report a late run to recipients; Airflow's triggerer calls this with the arguments of `build_deadline`.

    Args:
        job: its name.
        places: the sources and destinations.
        recipients: as `plain` returns them.
        after_seconds: the deadline, in seconds after the run was queued.
        context: from Airflow: JSON types, with `dag_run`.
    """
    run = context["dag_run"]
    if run["state"] in _ENDED:
        log.info("a run that has ended is not late", run_id=run["dag_run_id"], state=run["state"])
        return
    link = _link(run["dag_id"], run["dag_run_id"])
    late_run = Run(job=job, run_id=run["dag_run_id"], places=tuple(places), link=link)
    message = describe_lateness(late_run, timedelta(seconds=after_seconds), run["queued_at"])
    # Notifiers have async methods, but the one for SNS needs a package that its provider does not install.
    await asyncio.to_thread(send, recipients_of(recipients), message)
