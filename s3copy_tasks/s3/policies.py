"""The policy statements that a refusal asks for."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from s3copy_tasks.core.job import ObjectOptions

_ASSUMED_ROLE = re.compile(r"arn:(?P<partition>[^:]+):sts::(?P<account>\d+):assumed-role/(?P<role>[^/]+)/.*")


def role_of(principal: str) -> str:
    """Return the ARN that a policy names: the role behind an assumed-role session, else what is given."""
    match = _ASSUMED_ROLE.fullmatch(principal)
    return "arn:{partition}:iam::{account}:role/{role}".format(**match.groupdict()) if match else principal


def bucket_arn(bucket: str, key: str | None = None) -> str:
    """Return the ARN of a bucket, or of a key pattern in it."""
    return f"arn:aws:s3:::{bucket}" if key is None else f"arn:aws:s3:::{bucket}/{key}"


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


def statement(actions: list[str], resource: str, principal: str | None = None) -> str:
    """Return an Allow statement as JSON; with a principal it is one of a bucket policy."""
    body: dict[str, object] = {"Effect": "Allow"}
    if principal is not None:
        body["Principal"] = {"AWS": role_of(principal)}
    return json.dumps({**body, "Action": actions, "Resource": resource})
