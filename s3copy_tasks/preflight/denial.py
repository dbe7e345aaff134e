"""Words for a refusal: the principal, the action, the resource, and what would lift it (rule 17)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from s3copy_tasks.errors import AccessError, Code
from s3copy_tasks.iam.denials import explain_deny, find_limiting_policy
from s3copy_tasks.iam.statements import (
    KEY_AND_ROLE,
    bucket_arn,
    build_kms_statement,
    build_remedy,
    build_statement,
    escape_wildcards,
)
from s3copy_tasks.preflight.hints import add_hint

if TYPE_CHECKING:
    from s3copy_tasks.core.job import EffectiveJob
    from s3copy_tasks.core.location import Location
    from s3copy_tasks.errors import CopyError
    from s3copy_tasks.s3.connections import AwsConnectionManager

_MANAGED_KEY = (
    "object.encryption: {encryption} without object.kms_key_id uses the key aws/s3, which AWS manages: no "
    "policy lets principals of another account use it. Name a key in object.kms_key_id"
)


def describe_denial(
    job: EffectiveJob,
    side: str,
    manager: AwsConnectionManager,
    actions: list[str],
    bucket: str,
    error: CopyError,
    *,
    keys: str | None = None,
    prefix: str | None = None,
) -> CopyError:
    """Return an error that names principal, actions, resource, and the statement that would allow it.

    Args:
        job: the run.
        side: whose credentials were refused.
        manager: of that side.
        actions: that the check needs.
        bucket: that refused.
        error: the refusal.
        keys: what the actions are needed on, as IAM names it; None means the bucket.
        prefix: of a listing.
    """
    if error.code == Code.CREDENTIALS:  # no request was sent: no policy of S3 refuses
        return error
    hinted = add_hint(side, error)
    if hinted is not None:
        return hinted
    principal = manager.principal()
    resource = bucket_arn(manager.partition(principal), bucket, None if keys is None else _pattern(keys))
    if bucket == manager.location.bucket:
        where, allowed = "the policy of the role", build_statement(actions, resource, prefix=prefix)
    else:
        allowed = build_statement(actions, resource, principal=manager.location.role_arn or principal)
        where = f"the policy of bucket {bucket} and (without Principal) from the role's policy"
    remedy = (
        explain_deny(error.reason)
        or _explain_kms(job, manager.location, principal, error.reason)
        or build_remedy(find_limiting_policy(error.reason) or where, allowed)
    )
    reason = f"{error.code}: {error.reason}"
    msg = f"{principal} is not allowed to perform {' or '.join(actions)} on {resource} ({reason})."
    return AccessError(msg, code=error.code, remedy=remedy)


def _explain_kms(job: EffectiveJob, location: Location, principal: str, reason: str) -> str | None:
    """Return the remedy of a refusal by KMS; None if it is not about a key."""
    options = job.options
    allowed = build_kms_statement(reason, options.kms_key_id)
    if allowed is None:
        return None
    is_managed = options.encryption in {"aws:kms", "aws:kms:dsse"} and options.kms_key_id is None
    if location is job.destination and is_managed and f":{location.account}:" not in principal:
        return _MANAGED_KEY.format(encryption=options.encryption)
    return build_remedy(KEY_AND_ROLE, allowed)


def _pattern(keys: str) -> str:
    """Return how IAM names a key, or all keys below a prefix, which end with `*`."""
    return f"{escape_wildcards(keys[:-1])}*" if keys.endswith("/*") or keys == "*" else escape_wildcards(keys)
