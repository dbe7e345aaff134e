"""Values to plain JSON types and back: how jobs, batches and metrics travel between tasks."""

from __future__ import annotations

import json
from functools import cache
from typing import Any, TypeVar

from pydantic import TypeAdapter

from s3copy_tasks.errors import INVALID_CONFIG, ConfigError

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
        raise ConfigError(msg, code=INVALID_CONFIG)
    return plain
