"""What tasks of a run pass on: all XCom keys, and the conversion of values to JSON types and back.

What is pushed, returned or pulled goes through `escape` and `unescape`: no database can hold every key.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import TypeAdapter

from s3copy_tasks.core.deletions import DeleteMetrics
from s3copy_tasks.core.metrics import TransferMetrics
from s3copy_tasks.core.text import printable
from s3copy_tasks.dag.storable import escape, unescape
from s3copy_tasks.errors import Code, ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow.sdk import Context

    from s3copy_tasks.core.batch import Batch
    from s3copy_tasks.core.deletions import DeleteBatch
    from s3copy_tasks.core.job import EffectiveJob

CONFIG = "config"
"""Of `preflight`: the config that the run uses, and the file and line of each value."""
OUTSIDE = "outside"
"""Of `plan`: the metrics of all objects that are in no batch."""
EXTRANEOUS = "extraneous"
"""Of `plan`: what the destination of a mirror has and no source; a `DeletePlan`."""
VERDICT = "verdict"
"""Of `deletions`: whether the run may delete that; a `Verdict`."""
DELETE, KEEP = "delete", "keep"
"""The answers that `approve` returns, with the id of the plan."""
METRICS = "metrics"
"""Of `summarize` and of the operator: the run's metrics. Of a batch: see
`dump_batch_metrics`. Of a failed step before the copies: see `dump_failed_step`."""
ENTRIES, BATCHES = "entries", "batches"
"""Of `summarize` and of the operator: the metrics by entry and by batch."""
PROGRESS = "progress"
"""Of a batch that is being copied: its progress."""
REASON = "reason"
"""In what a failed step before the copies pushes: its whole error, which may have several lines."""
_RAN = "ran"
_REASON_CHARACTERS_MAX = 20_000

T = TypeVar("T")

JOB_BYTES_MAX = 1_000_000
"""The limit of a job in bytes. Every task reads it: a longer list of keys should be a manifest."""


def push(context: Context, key: str, value: Any) -> None:
    """Push JSON types as an XCom of a task."""
    context["ti"].xcom_push(key=key, value=escape(value))


def pull(context: Context, task_id: str, key: str = "return_value") -> Any:
    """Return what a task of this run pushed, or returned; of a mapped task what all its instances pushed."""
    return unescape(context["ti"].xcom_pull(task_ids=task_id, key=key))


@cache
def _adapter(cls: Any) -> TypeAdapter[Any]:
    return TypeAdapter(cls)


def dump(value: object, *, sparse: bool = False) -> dict[str, Any]:
    """Return a value as JSON types; `sparse` leaves out defaults, which `load` fills in."""
    cls: Any = type(value)
    plain: dict[str, Any] = _adapter(cls).dump_python(value, mode="json", exclude_defaults=sparse)
    return plain


def load(cls: type[T], plain: object) -> T:
    """Return the value that was dumped; it is validated again.

    Raises:
        pydantic.ValidationError: `plain` is not a dumped value of this class.
    """
    wanted: Any = cls
    value: T = _adapter(wanted).validate_python(plain)
    return value


def dump_job(job: EffectiveJob) -> dict[str, Any]:
    """Return a job as JSON types.

    Raises:
        ConfigError: it is too large for an XCom.
    """
    plain = dump(job)
    size = len(json.dumps(plain))
    if size > JOB_BYTES_MAX:
        msg = f"the rendered job has {size} bytes, and the limit is {JOB_BYTES_MAX}. {_advise_smaller(job)}"
        raise ConfigError(msg, code=Code.INVALID_CONFIG)
    return plain


def _advise_smaller(job: EffectiveJob) -> str:
    """Return what makes a job smaller."""
    of = job.key_list
    if of is None or len(of.files) < len(job.prefixes) + len(job.objects):
        return "Copy a prefix with filters instead of so many entries, or split the file"
    fewer = (
        "Configure several inventories, each with a prefix filter,"
        if of.inventory
        else "Join them to fewer files, or divide them among several prefixes,"
    )
    return f"Most of it is the names of the {len(of.files):,} files of {of}. {fewer} and give each a job"


def dump_batch_metrics(
    batch: Batch | DeleteBatch, metrics: TransferMetrics | DeleteMetrics
) -> dict[str, Any]:
    """Return a batch's metrics as JSON types, with the id of the plan that they belong to."""
    return {"batch": batch.id, "plan_id": batch.plan_id, METRICS: dump(metrics, sparse=True)}


def load_batch_metrics(pulled: Any, batches: Iterable[Batch]) -> dict[int, TransferMetrics]:
    """Return the pushed metrics of a plan's batches, by batch.

    Args:
        pulled: what Airflow returns for all batches: one value, a list or nothing. May be of an older plan.
        batches: of the plan.
    """
    return _load_of_batches(TransferMetrics, pulled, batches)


def load_delete_metrics(pulled: Any, batches: Iterable[DeleteBatch]) -> dict[int, DeleteMetrics]:
    """Return the pushed metrics of a plan's batches of deletes, by batch: as `load_batch_metrics`."""
    return _load_of_batches(DeleteMetrics, pulled, batches)


def _load_of_batches(cls: type[T], pulled: Any, batches: Iterable[Batch | DeleteBatch]) -> dict[int, T]:
    pushed = [pulled] if isinstance(pulled, dict) else pulled or []
    wanted = {(batch.id, batch.plan_id) for batch in batches}
    return {
        entry["batch"]: load(cls, entry[METRICS])
        for entry in pushed
        if (entry["batch"], entry["plan_id"]) in wanted
    }


def dump_failed_step(
    metrics: TransferMetrics, *, reason: str, job: str, config_digest: str, dry_run: bool
) -> dict[str, Any]:
    """Return the error of a step before the copies, as JSON types; its metrics have the start of it."""
    ran = {"job": job, "config_digest": config_digest, "dry_run": dry_run}
    lines = "\n".join(map(printable, reason[:_REASON_CHARACTERS_MAX].split("\n")))
    return {METRICS: dump(metrics, sparse=True), REASON: lines, _RAN: ran}


def load_failed_step(pulled: Any) -> tuple[TransferMetrics | None, dict[str, Any] | None]:
    """Return the metrics of a failed step and the facts of its run; None for what the step did not push."""
    pushed = pulled or {}
    known = pushed.get(METRICS)
    return load(TransferMetrics, known) if known else None, pushed.get(_RAN)
