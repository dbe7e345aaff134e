"""Sizes of policies: what AWS takes, and how a policy that is too long becomes several that grant the same.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MANAGED_MAX = 6_144
"""Characters of a managed policy, without white space."""
INLINE_MAX = 10_240
"""Characters of all inline policies of a role together, without white space."""
BUCKET_MAX = 20_480
"""Bytes of the policy of a bucket."""
ATTACHED_MAX = 10
"""Managed policies of a role; AWS raises this quota to 20 on request."""
_OF_ROLE, _OF_BUCKET = "role_policy", "bucket_policy"


def measure_policy(policy: Mapping[str, Any]) -> int:
    """Return the size of a policy as IAM counts it: characters, without white space between values."""
    return len(json.dumps(policy, separators=(",", ":")))


def drop_covered(patterns: Iterable[str]) -> list[str]:
    """Return the sorted patterns without those that another one covers: `a/b/*` is part of `a/*`.

    Only a `*` at the end covers; the patterns grant the same as before.
    """
    kept: list[str] = []
    for pattern in sorted(set(patterns), key=_by_start):
        if not (kept and kept[-1].endswith("*") and _covers(kept[-1], pattern)):
            kept.append(pattern)
    return kept


def _by_start(pattern: str) -> tuple[str, bool]:
    """Return what sorts a pattern before all that it covers."""
    return pattern.removesuffix("*"), not pattern.endswith("*")


def fit_policies(policies: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Split the policies of roles that are too long, and return remarks on all that are long.

    Args:
        policies: by name, as `least_privileges` returns them.

    Returns:
        The policies, those that were split as `<name>_1`, `<name>_2` and so on; and for each that needs it,
        what to do.
    """
    fitted: dict[str, Any] = {}
    remarks: list[str] = []
    for name, policy in policies.items():
        size = measure_policy(policy)
        parts = [policy]
        if name.endswith(_OF_ROLE) and size > INLINE_MAX:
            parts = split_policy(policy)
        names = [name] if len(parts) == 1 else [f"{name}_{number}" for number in range(1, len(parts) + 1)]
        fitted |= zip(names, parts, strict=True)
        remarks += _remark(name, size, names)
    return fitted, remarks


def _remark(name: str, size: int, parts: list[str]) -> Iterator[str]:
    """Yield what to do with a policy that is long."""
    if name.endswith(_OF_BUCKET) and size > BUCKET_MAX:
        yield (
            f"{name} has {size:,} bytes, and S3 takes {BUCKET_MAX:,}. Replace its resources by fewer, "
            "such as the folder that contains them, if the role may have all of that folder; or divide the "
            "job, and give each part an access point with a policy of its own"
        )
    if not name.endswith(_OF_ROLE) or size <= MANAGED_MAX:
        return
    long = f"{name} has {size:,} characters, more than the {MANAGED_MAX:,} of a managed policy"
    if len(parts) == 1:
        yield f"{long}. Attach it as the only inline policy of the role (at most {INLINE_MAX:,})"
    else:
        yield (
            f"{long} and the {INLINE_MAX:,} of inline policies. It is printed in parts: attach "
            f"{parts[0]} to {parts[-1]} to the role, as managed policies"
        )
    if len(parts) > ATTACHED_MAX:
        yield (
            f"{name} has {len(parts)} parts, and a role has at most {ATTACHED_MAX} managed policies, 20 on "
            "request. Divide the job, each part with a role of its own"
        )


def split_policy(policy: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return managed policies that together grant what a policy grants; each has whole statements."""
    head = {"Version": policy["Version"]}
    parts: list[dict[str, Any]] = [head | {"Statement": []}]
    for statement in policy["Statement"]:
        for piece in _split_statement(statement, head):
            if measure_policy(head | {"Statement": [*parts[-1]["Statement"], piece]}) > MANAGED_MAX:
                parts.append(head | {"Statement": []})
            parts[-1]["Statement"].append(piece)
    return parts


def _split_statement(statement: Mapping[str, Any], head: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield statements that fit a policy each, and share the resources, or the prefixes of a condition."""
    if measure_policy({**head, "Statement": [statement]}) <= MANAGED_MAX:
        yield dict(statement)
        return
    for half in _halve(statement):
        yield from _split_statement(half, head)


def _halve(statement: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield both halves of a statement; each has its own id."""
    prefixes = statement.get("Condition", {}).get("StringLike", {}).get("s3:prefix", [])
    values = prefixes if len(prefixes) > 1 else statement["Resource"]
    middle = len(values) // 2
    for letter, half in (("A", values[:middle]), ("B", values[middle:])):
        changed = (
            {"Condition": {"StringLike": {"s3:prefix": half}}} if values is prefixes else {"Resource": half}
        )
        yield {**statement, "Sid": f"{statement['Sid']}{letter}"} | changed


def _covers(wide: str, narrow: str) -> bool:
    return narrow.startswith(wide.removesuffix("*"))
