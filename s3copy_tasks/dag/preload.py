"""Everything that tasks import: a Celery worker that imports this once spares each of its tasks the time.

Tasks are forks of a worker. docs/deploy.md says how to configure it.
"""

from s3copy_tasks.config.check import trial, validator
from s3copy_tasks.dag import factory, provider
from s3copy_tasks.dag.tasks import (
    copy_batch,
    delete_batch,
    deletions,
    plan,
    preflight,
    publish,
    summarize,
)

__all__ = [
    "copy_batch",
    "delete_batch",
    "deletions",
    "factory",
    "plan",
    "preflight",
    "provider",
    "publish",
    "summarize",
    "trial",
    "validator",
]
