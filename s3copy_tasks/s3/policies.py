"""The policy statements that a refusal asks for."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from s3copy_tasks.core.job import ObjectOptions

_ASSUMED_ROLE = re.compile(r"arn:(?P<partition>[^:]+):sts::(?P<account>\d+):assumed-role/(?P<role>[^/]+)/.*")
_KMS = re.compile(r"kms:[A-Za-z]+")
_KMS_KEY = re.compile(r"arn:[^:\s]+:kms:[^\s\"']+")


def role_of(principal: str) -> str:
    """Return the ARN that a policy names: the role behind an assumed-role session, else what is given.

    A session does not tell the path of its role: `role_arn` in the config does.
    """
    match = _ASSUMED_ROLE.fullmatch(principal)
    return "arn:{partition}:iam::{account}:role/{role}".format(**match.groupdict()) if match else principal


def bucket_arn(principal: str, bucket: str, keys: str | None = None) -> str:
    """Return the ARN of a bucket, or of keys in it, in the partition of the principal."""
    parts = principal.split(":")
    partition = parts[1] if parts[0] == "arn" else "aws"
    return f"arn:{partition}:s3:::{bucket}" + ("" if keys is None else f"/{keys}")


def read_actions(options: ObjectOptions) -> list[str]:
    """Return what the copying principal needs on source objects."""
    return ["s3:GetObject", *(["s3:GetObjectTagging"] if options.tags == "copy" else [])]


def write_actions(options: ObjectOptions) -> list[str]:
    """Return what the copying principal needs on destination objects."""
    actions = ["s3:PutObject", "s3:AbortMultipartUpload"]
    if options.tags == "copy":
        actions.append("s3:PutObjectTagging")
    if options.acl:
        actions.append("s3:PutObjectAcl")
    return actions


def kms_statement(message: str, key_id: str | None) -> str | None:
    """Return the statement for a KMS key that S3's refusal names; None where it is not about KMS."""
    action = _KMS.search(message)
    if action is None:
        return None
    key = _KMS_KEY.search(message)
    return statement([action.group()], key.group() if key else key_id or "*")


def statement(
    actions: list[str], resource: str, *, principal: str | None = None, prefix: str | None = None
) -> str:
    """Return an Allow statement as JSON.

    Args:
        actions: of S3 or KMS.
        resource: an ARN.
        principal: makes it a statement of a bucket policy.
        prefix: limits a listing to it.
    """
    body: dict[str, Any] = {"Effect": "Allow"}
    if principal is not None:
        body["Principal"] = {"AWS": role_of(principal)}
    body |= {"Action": actions, "Resource": resource}
    if prefix:
        body["Condition"] = {"StringLike": {"s3:prefix": f"{prefix}*"}}
    return json.dumps(body)
