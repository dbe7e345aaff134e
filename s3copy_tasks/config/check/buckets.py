"""What the buckets of a job are called."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from s3copy_tasks.config.problem import Code, Finding
from s3copy_tasks.core.bucket_names import find_bucket_problem, is_legacy_name

if TYPE_CHECKING:
    from collections.abc import Iterator

_LEGACY = (
    "only buckets of us-east-1 from before March 2018, and of other servers, have such names. If this is "
    "one, write `region: us-east-1`; else use 3 to 63 lower-case letters, digits, dots and hyphens"
)


def check_buckets(document: dict[str, Any]) -> Iterator[Finding]:
    """Yield buckets that can't be copied from or to, and names that are perhaps misspelt."""
    for side in ("source", "destination"):
        section = document.get(side)
        if not isinstance(section, dict) or not isinstance(bucket := section.get("bucket"), str):
            continue
        words = find_bucket_problem(bucket)
        if words is not None:
            yield Finding(parts=(side, "bucket"), code=Code.WRONG_FORM, message=words)
        elif is_legacy_name(bucket) and not _takes_any_name(section):
            yield Finding(parts=(side, "bucket"), code=Code.LEGACY_BUCKET, message=_LEGACY)


def _takes_any_name(section: dict[str, Any]) -> bool:
    return section.get("region") == "us-east-1" or section.get("endpoint_url") is not None
