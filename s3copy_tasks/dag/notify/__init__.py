"""When somebody is told of a run, and of which: docs/design/alerts.md says why just there."""

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
from s3copy_tasks.dag.xcom import METRICS, load
from s3copy_tasks.report.message import Run, failed, late, not_published, places_of, succeeded

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow.sdk import Context

    from s3copy_tasks.config.job import CopyJob
    from s3copy_tasks.config.notify import Recipient
    from s3copy_tasks.report.message import Message

    Words = Callable[[Run, Mapping[str, Any] | None], Message]

log = structlog.get_logger(__name__)

_ENDED = frozenset({"success", "failed"})


class RunNotifier(BaseNotifier):
    """Tells recipients how a run of a job ended, with the numbers of its summary.

    Args:
        job: whose run it is.
        recipients: who is told, one or more.
        words: what is said.
    """

    def __init__(self, job: CopyJob, recipients: Sequence[Recipient], words: Words) -> None:
        super().__init__()
        self._job = job
        self._recipients = recipients
        self._words = words

    def notify(self, context: Context) -> None:
        """Tell them; nothing is raised where that fails."""
        ti = context["ti"]
        rendered = ti.xcom_pull(task_ids="preflight")
        job = load(EffectiveJob, rendered) if rendered else self._job
        run_id = context["run_id"]
        run = Run(job=self._job.name, run_id=run_id, places=places_of(job), link=_link(ti.dag_id, run_id))
        send(self._recipients, self._words(run, ti.xcom_pull(task_ids="summarize", key=METRICS)))


def _link(dag_id: str, run_id: str) -> str | None:
    """Return the address of a run's page, where the site says what its own is."""
    base = conf.get("api", "base_url", fallback=None)
    return f"{base.rstrip('/')}/dags/{quote(dag_id)}/runs/{quote(run_id, safe='')}" if base else None


def on_summary(job: CopyJob) -> dict[str, Any]:
    """Return the callbacks of `summarize`: it judges the run, so its failure is the run's."""
    return _failure(job, failed)


def on_publish(job: CopyJob) -> dict[str, Any]:
    """Return the callbacks of `publish`: it is the last to run, and only where the summary is good."""
    callbacks = _failure(job, not_published)
    if job.notify.on_success:
        told = RunNotifier(job, job.notify.on_success, succeeded)
        callbacks |= {"on_success_callback": told, "on_skipped_callback": told}
    return callbacks


def _failure(job: CopyJob, words: Words) -> dict[str, Any]:
    recipients = job.notify.on_failure
    return {"on_failure_callback": RunNotifier(job, recipients, words)} if recipients else {}


def deadline_of(job: CopyJob) -> dict[str, Any]:
    """Return a Dag's argument `deadline`: the alert of a run that has not ended in time.

    Empty where the job has no deadline, or Airflow has none: `warn_of_ignored` says so in each run.
    """
    after = job.notify.deadline
    if after is None or not HAS_DEADLINES:
        return {}
    arguments = {
        "job": job.name,
        "places": list(places_of(job)),
        "recipients": plain(job.notify.on_failure),
        "after_seconds": int(after.total_seconds()),
    }
    return {"deadline": queued_deadline(after, tell_late, arguments)}


def warn_of_ignored(job: CopyJob) -> None:
    """Log what the config asks for and this version of Airflow can't do."""
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
    """Tell that a run is late; called by Airflow's triggerer, with what `deadline_of` gave it.

    Args:
        job: its name.
        places: what goes where.
        recipients: as `plain` returns them.
        after_seconds: of the deadline, since the run was queued.
        context: of Airflow: JSON types, with `dag_run`.
    """
    run = context["dag_run"]
    if run["state"] in _ENDED:
        log.info("a run that has ended is not late", run_id=run["dag_run_id"], state=run["state"])
        return
    link = _link(run["dag_id"], run["dag_run_id"])
    told = Run(job=job, run_id=run["dag_run_id"], places=tuple(places), link=link)
    message = late(told, timedelta(seconds=after_seconds), run["queued_at"])
    # Notifiers have async forms, but that of SNS needs a package that the provider does not bring.
    await asyncio.to_thread(send, recipients_of(recipients), message)
