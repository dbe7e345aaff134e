"""What an attempt of a task knows about earlier attempts: when the first began, and which uploads are open.

From version 3.3 on, Airflow has a memory for each task instance, which keeps both. Earlier versions have
none: there the start of the run replaces the start of the first attempt, and uploads are found by a listing.

If Airflow's memory fails, an attempt knows nothing about earlier ones, logs that, and goes on.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Any, Protocol

from s3copy_tasks.copy.uploads import ListedUploads, NoRecord, OpenUpload
from s3copy_tasks.core.collector import utc_now
from s3copy_tasks.core.request_counts import Requests
from s3copy_tasks.dag.airflow_versions import HAS_TASK_STATE
from s3copy_tasks.dag.best_effort import warn_on_failure
from s3copy_tasks.dag.storable import escape, unescape
from s3copy_tasks.dag.xcom import dump, load
from s3copy_tasks.engine.paced_store import pace_stores

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
REQUESTS = "s3copy_requests"


class EarlierAttempts(Protocol):
    """Knows the earlier attempts of one task instance."""

    def continue_job(self, job: EffectiveJob) -> tuple[EffectiveJob, bool]:
        """Return the job as the first attempt began it, and whether there was one: its copies count once."""

    def uploads(self, job: EffectiveJob, sides: Sides, sender: Sender) -> UploadRecord:
        """Return the record of the uploads that earlier attempts left at the destination."""

    def requests(self, plan_id: str) -> Requests | None:
        """Return the requests that earlier attempts of a plan's batch sent; None if they are not known."""

    def keep_requests(self, plan_id: str, sent: Requests) -> None:
        """Keep the requests of a batch, those of earlier attempts included, for the next attempt."""

    def forget(self) -> None:
        """Let the next attempt of the task start from the beginning: it was cleared by hand."""


def recall_attempts(context: Context) -> EarlierAttempts:
    """Return what this Airflow knows about a task's earlier attempts; call it before the first check."""
    return RememberedAttempts(context) if HAS_TASK_STATE else CountedAttempts(context)


class RememberedAttempts:
    """The earlier attempts in Airflow's memory: see `EarlierAttempts`."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def continue_job(self, job: EffectiveJob) -> tuple[EffectiveJob, bool]:
        """Return the job as the first attempt began it, and whether there was one: its copies count once."""
        with warn_on_failure("tries are not remembered"):
            store = self._context["task_state_store"]
            earlier: Any = store.get(EARLIER)
            if earlier and earlier["digest"] == job.digest:
                return replace(job, run_started=datetime.fromisoformat(earlier["run_started"])), True
            if job.run_started is not None:
                store.set(EARLIER, {"digest": job.digest, "run_started": job.run_started.isoformat()})
        return job, False

    def uploads(self, _job: EffectiveJob, _sides: Sides, _sender: Sender) -> UploadRecord:
        """Return the record of uploads in Airflow's memory."""
        return TaskUploads(self._context)

    def requests(self, plan_id: str) -> Requests | None:
        """Return what was kept; it is a lower bound if the last attempt was killed, and so kept nothing."""
        with warn_on_failure("requests of earlier attempts are not known"):
            kept: Any = self._context["task_state_store"].get(REQUESTS)
            if kept and kept["plan_id"] == plan_id:
                sent = load(Requests, kept["requests"])
                was_killed = kept["attempt"] + 1 != self._context["ti"].try_number
                return replace(sent, at_least=sent.at_least or was_killed)
        return None

    def keep_requests(self, plan_id: str, sent: Requests) -> None:
        """Keep the requests of a batch, those of earlier attempts included, for the next attempt."""
        with warn_on_failure("requests are not remembered"):
            attempt: Any = self._context["ti"].try_number
            kept = {"plan_id": plan_id, "attempt": attempt, "requests": dump(sent, sparse=True)}
            self._context["task_state_store"].set(REQUESTS, kept)

    def forget(self) -> None:
        """Let the next attempt of the task start from the beginning: it was cleared by hand."""
        with warn_on_failure("tries are not forgotten"):
            self._context["task_state_store"].delete(EARLIER)


class CountedAttempts:
    """The earlier attempts by their number alone, for an Airflow without a memory: see `EarlierAttempts`.

    Args:
        context: of the task.
        clock: of Airflow; read once, before the checks read S3's clock.
    """

    def __init__(self, context: Context, clock: Callable[[], datetime] = utc_now) -> None:
        self._context = context
        self._began = clock()
        self._is_first = (context["ti"].try_number or 1) == 1

    def continue_job(self, job: EffectiveJob) -> tuple[EffectiveJob, bool]:
        """Return the job as if the first attempt had begun with the Dag run, and whether there was one.

        The run's start is by Airflow's clock. If S3's clock is ahead, the start is moved forward; it is never
        moved back, so at worst something is copied again.
        """
        if self._is_first or job.run_started is None:
            return job, False
        with warn_on_failure("tries are not remembered"):
            started: Any = self._context["dag_run"].start_date  # None if the run never began
            ahead = max(job.run_started - self._began, timedelta(0))
            first = min((started + ahead).replace(microsecond=0), job.run_started)
            return replace(job, run_started=first), True
        return job, False

    def uploads(self, job: EffectiveJob, sides: Sides, sender: Sender) -> UploadRecord:
        """Return a record that lists the open uploads; for a first attempt an empty one."""
        if self._is_first:
            return NoRecord()
        initiator = None
        with warn_on_failure("who signs the copies is not known"):
            initiator = sides.destination.signer()
        return ListedUploads(job, pace_stores(sides.stores, sender), initiator)

    def requests(self, _plan_id: str) -> Requests | None:
        """Return None: Airflow deletes the XComs of an attempt when the next one begins."""
        return None

    def keep_requests(self, _plan_id: str, _sent: Requests) -> None:
        """Do nothing: no place survives the attempt."""

    def forget(self) -> None:
        """Do nothing: if a task of an ended run is cleared, the run starts again."""


class TaskUploads:
    """The open uploads of one task instance, in Airflow's memory: an `UploadRecord` of `copy/uploads.py`."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._lock = Lock()
        self._open: dict[str, OpenUpload] = {}
        self._is_read = False

    def left(self, _: Batch, /) -> Sequence[OpenUpload]:
        """Return the uploads that earlier attempts left open, of any batch; nothing in later calls."""
        with self._lock, warn_on_failure("uploads of earlier tries are not known"):
            if not self._is_read:
                plain: Any = unescape(self._context["task_state_store"].get(UPLOADS)) or []
                left = [OpenUpload(**upload) for upload in plain]
                self._open |= {upload.upload_id: upload for upload in left}
                self._is_read = True
                return left
        return []

    def opened(self, upload: OpenUpload) -> None:
        """Remember an upload before its first part."""
        with self._lock:
            self._open[upload.upload_id] = upload
            self._keep()

    def closed(self, upload: OpenUpload) -> None:
        """Forget an upload that was completed or aborted."""
        with self._lock:
            self._open.pop(upload.upload_id, None)
            self._keep()

    def _keep(self) -> None:
        with warn_on_failure("open uploads are not remembered"):
            store = self._context["task_state_store"]
            if self._open:
                opened: Any = [asdict(upload) for upload in self._open.values()]
                store.set(UPLOADS, escape(opened))
            else:
                store.delete(UPLOADS)
