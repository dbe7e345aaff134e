"""What travels between the tasks of a run: every key of XCom, and values as plain JSON types and back."""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import TypeAdapter

from s3copy_tasks.core.metrics import TransferMetrics
from s3copy_tasks.errors import Code, ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from s3copy_tasks.core.batch import Batch

CONFIG = "config"
"""Of `preflight`: the config that the run goes by, and where each value was written."""
OUTSIDE = "outside"
"""Of `plan`: the metrics of all objects that are in no batch."""
METRICS = "metrics"
"""Of `summarize` and of the operator: the run's metrics. Of a batch: `batch_metrics`. Of a step before the
copies that failed: `failed_step`."""
ENTRIES, BATCHES = "entries", "batches"
"""Of `summarize` and of the operator: the metrics by entry and by batch."""
PROGRESS = "progress"
"""Of a batch that is copied now: how far it is."""
_RAN = "ran"

T = TypeVar("T")

JOB_BYTES_MAX = 1_000_000
"""Every task of a run reads its job: more than this belongs below a prefix, not in a list of keys."""


@cache
def _adapter(cls: Any) -> TypeAdapter[Any]:
    return TypeAdapter(cls)


def dump(value: object, *, sparse: bool = False) -> dict[str, Any]:
    """Return a value as JSON types; `sparse` leaves out whatever `load` puts there by itself."""
    cls: Any = type(value)
    plain: dict[str, Any] = _adapter(cls).dump_python(value, mode="json", exclude_defaults=sparse)
    return plain


def load(cls: type[T], plain: object) -> T:
    """Return the value that `dump` was given; it checks itself again.

    Raises:
        pydantic.ValidationError: `plain` is something else.
    """
    wanted: Any = cls
    value: T = _adapter(wanted).validate_python(plain)
    return value


def dump_job(job: object) -> dict[str, Any]:
    """Return a job as JSON types.

    Raises:
        ConfigError: it is too large to travel.
    """
    plain = dump(job)
    size = len(json.dumps(plain))
    if size > JOB_BYTES_MAX:
        msg = (
            f"the rendered job has {size} bytes, at most {JOB_BYTES_MAX} can travel between tasks. "
            "Copy a prefix with filters in place of that many entries, or split the file"
        )
        raise ConfigError(msg, code=Code.INVALID_CONFIG)
    return plain


def batch_metrics(batch: Batch, metrics: TransferMetrics) -> dict[str, Any]:
    """Return a batch's metrics as JSON types, with the plan that they belong to."""
    return {"batch": batch.id, "plan_id": batch.plan_id, METRICS: dump(metrics, sparse=True)}


def load_batch_metrics(pulled: Any, batches: Iterable[Batch]) -> dict[int, TransferMetrics]:
    """Return the metrics by batch that were pushed for a plan's batches.

    Args:
        pulled: what Airflow gives for all batches: one value, a list or nothing. It may be an older plan's.
        batches: of the plan.
    """
    pushed = [pulled] if isinstance(pulled, dict) else pulled or []
    wanted = {(batch.id, batch.plan_id) for batch in batches}
    return {
        one["batch"]: load(TransferMetrics, one[METRICS])
        for one in pushed
        if (one["batch"], one["plan_id"]) in wanted
    }


def failed_step(metrics: TransferMetrics, *, job: str, config_digest: str, dry_run: bool) -> dict[str, Any]:
    """Return why a step before the copies failed, as JSON types."""
    ran = {"job": job, "config_digest": config_digest, "dry_run": dry_run}
    return {METRICS: dump(metrics, sparse=True), _RAN: ran}


def load_failed_step(pulled: Any) -> tuple[TransferMetrics | None, dict[str, Any] | None]:
    """Return the metrics of a failed step and the run's particulars, as far as the step pushed any."""
    pushed = pulled or {}
    known = pushed.get(METRICS)
    return load(TransferMetrics, known) if known else None, pushed.get(_RAN)
