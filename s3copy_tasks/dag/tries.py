"""What Airflow remembers between the tries of a task: when the first began, and what uploads are open.

Airflow's memory may fail; a try then knows nothing of the others, says so in its log, and goes on.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime
from threading import Lock
from typing import TYPE_CHECKING, Any

from s3copy_tasks.attempt import OpenUpload
from s3copy_tasks.dag.aside import aside

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from s3copy_tasks.core.job import EffectiveJob

EARLIER = "s3copy_earlier_try"
UPLOADS = "s3copy_open_uploads"


def continued(job: EffectiveJob, context: Context) -> tuple[EffectiveJob, bool]:
    """Return the job as the first try began it, and whether there was one: its copies count once."""
    with aside("tries are not remembered"):
        store = context["task_state_store"]
        earlier: Any = store.get(EARLIER)
        if earlier and earlier["digest"] == job.digest:
            return replace(job, run_started=datetime.fromisoformat(earlier["run_started"])), True
        if job.run_started is not None:
            store.set(EARLIER, {"digest": job.digest, "run_started": job.run_started.isoformat()})
    return job, False


def forget_tries(context: Context) -> None:
    """Let the next try of the task begin anew: it was cleared by hand."""
    with aside("tries are not forgotten"):
        context["task_state_store"].delete(EARLIER)


class TaskUploads:
    """The open uploads of one task instance: `s3copy_tasks.attempt.UploadRecord` in Airflow's memory."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._lock = Lock()
        self._open: dict[str, OpenUpload] = {}

    def left(self) -> Sequence[OpenUpload]:
        """Return the uploads that an earlier try left open."""
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
