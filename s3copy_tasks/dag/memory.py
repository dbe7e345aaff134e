"""What a try of a task knows of those before it: when the first began, and what uploads they left open.

From Airflow 3.3 on, Airflow's own memory of a task tells it. Below, there is none: the run's start stands for
that of the first try, and uploads are found by listing them.

Airflow's memory may fail; a try then knows nothing of the others, says so in its log, and goes on.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

from s3copy_tasks.copy.uploads import ListedUploads, NoRecord, OpenUpload
from s3copy_tasks.core.collector import utc_now
from s3copy_tasks.dag.airflow_versions import HAS_TASK_STATE
from s3copy_tasks.dag.best_effort import aside
from s3copy_tasks.engine.paced_store import paced

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from airflow.sdk import Context

    from s3copy_tasks.copy.uploads import UploadRecord
    from s3copy_tasks.core.batch import Batch
    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.engine.sender import Sender
    from s3copy_tasks.s3.connections import Sides

EARLIER = "s3copy_earlier_try"
UPLOADS = "s3copy_open_uploads"


class Tries(Protocol):
    """Knows of the earlier tries of one task instance."""

    def continued(self, job: EffectiveJob) -> tuple[EffectiveJob, bool]:
        """Return the job as the first try began it, and whether there was one: its copies count once."""

    def uploads(self, job: EffectiveJob, sides: Sides, sender: Sender) -> UploadRecord:
        """Return what knows the uploads that earlier tries left at the destination."""

    def forget(self) -> None:
        """Let the next try of the task begin anew: it was cleared by hand."""


def tries_of(context: Context) -> Tries:
    """Return what knows of a task's earlier tries, as far as this Airflow can tell; ask it first."""
    return RememberedTries(context) if HAS_TASK_STATE else CountedTries(context)


class RememberedTries:
    """The earlier tries in Airflow's memory: see `Tries`."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def continued(self, job: EffectiveJob) -> tuple[EffectiveJob, bool]:
        """Return the job as the first try began it, and whether there was one: its copies count once."""
        with aside("tries are not remembered"):
            store = self._context["task_state_store"]
            earlier: Any = store.get(EARLIER)
            if earlier and earlier["digest"] == job.digest:
                return replace(job, run_started=datetime.fromisoformat(earlier["run_started"])), True
            if job.run_started is not None:
                store.set(EARLIER, {"digest": job.digest, "run_started": job.run_started.isoformat()})
        return job, False

    def uploads(self, _job: EffectiveJob, _sides: Sides, _sender: Sender) -> UploadRecord:
        """Return the uploads that Airflow remembers."""
        return TaskUploads(self._context)

    def forget(self) -> None:
        """Let the next try of the task begin anew: it was cleared by hand."""
        with aside("tries are not forgotten"):
            self._context["task_state_store"].delete(EARLIER)


class CountedTries:
    """The earlier tries by their number alone, for an Airflow without a memory of them: see `Tries`.

    Args:
        context: of the task.
        clock: Airflow's; read once, before the checks read S3's.
    """

    def __init__(self, context: Context, clock: Callable[[], datetime] = utc_now) -> None:
        self._context = context
        self._began = clock()
        self._is_first = (context["ti"].try_number or 1) == 1

    def continued(self, job: EffectiveJob) -> tuple[EffectiveJob, bool]:
        """Return the job as if the first try had begun with the Dag run, and whether there was one.

        The run's start is of Airflow's clock: where S3's is ahead, it is moved forward. It is never moved
        back, so at worst something is copied again.
        """
        if self._is_first or job.run_started is None:
            return job, False
        with aside("tries are not remembered"):
            started: Any = self._context["dag_run"].start_date  # None where the run never began
            ahead = max(job.run_started - self._began, timedelta(0))
            first = min((started + ahead).replace(microsecond=0), job.run_started)
            return replace(job, run_started=first), True
        return job, False

    def uploads(self, job: EffectiveJob, sides: Sides, sender: Sender) -> UploadRecord:
        """Return the uploads that a listing finds; a first try has none to look for."""
        if self._is_first:
            return NoRecord()
        initiator = None
        with aside("who signs the copies is not known"):
            initiator = sides.destination.signer()
        return ListedUploads(job, paced(sides.stores, sender), initiator)

    def forget(self) -> None:
        """Do nothing: where a task of a run that has ended is cleared, the run begins anew."""


class TaskUploads:
    """The open uploads of one task instance: `s3copy_tasks.copy.uploads.UploadRecord` in Airflow's memory."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._lock = Lock()
        self._open: dict[str, OpenUpload] = {}

    def left(self, _: Batch, /) -> Sequence[OpenUpload]:
        """Return the uploads that an earlier try left open, whichever batch they are of."""
        with self._lock, aside("uploads of earlier tries are not known"):
            plain: Any = self._context["task_state_store"].get(UPLOADS) or []
            self._open |= {one["upload_id"]: OpenUpload(**one) for one in plain}
        return list(self._open.values())

    def opened(self, upload: OpenUpload) -> None:
        """Remember an upload, before its first part."""
        with self._lock:
            self._open[upload.upload_id] = upload
            self._keep()

    def closed(self, upload: OpenUpload) -> None:
        """Forget an upload that was completed or aborted."""
        with self._lock:
            self._open.pop(upload.upload_id, None)
            self._keep()

    def _keep(self) -> None:
        with aside("open uploads are not remembered"):
            store = self._context["task_state_store"]
            if self._open:
                store.set(UPLOADS, [asdict(upload) for upload in self._open.values()])
            else:
                store.delete(UPLOADS)
