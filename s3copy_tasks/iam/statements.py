"""The policy statements that a refusal asks for."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from s3copy_tasks.errors import AccessError, CopyError

if TYPE_CHECKING:
    from s3copy_tasks.core.job import ObjectOptions

KEY_AND_ROLE = "the policies of the key and of the role"
"""Where the right to use a KMS key is missing: both must allow it."""
LIST_UPLOADS = "s3:ListBucketMultipartUploads"
_WORKERS = "arn:aws:iam::111111111111:role/the-role-that-your-airflow-workers-run-as"
_ASSUMED_ROLE = re.compile(r"arn:(?P<partition>[^:]+):sts::(?P<account>\d+):assumed-role/(?P<role>[^/]+)/.*")
_PATH_OF_ROLE = re.compile(r"(?<=:role/).*/")
_SPECIAL = re.compile(r"[*?$]")
_KMS = re.compile(r"kms:[A-Za-z]+")
_KMS_KEY = re.compile(r"arn:[^:\s]+:kms:[^\s\"']+")


def role_of(principal: str) -> str:
    """Return the ARN that a policy names: the role behind an assumed-role session, else what is given.

    A session does not tell the path of its role: `role_arn` in the config does.
    """
    match = _ASSUMED_ROLE.fullmatch(principal)
    return "arn:{partition}:iam::{account}:role/{role}".format(**match.groupdict()) if match else principal


def signer_of(principal: str | None) -> str | None:
    """Return an ARN by which two principals can be compared: that of a role without session and path.

    None for what is no ARN, such as the canonical id of an account: it can't be compared.
    """
    arn = role_of(principal or "")
    return _PATH_OF_ROLE.sub("", arn) if arn.startswith("arn:") else None


def literal(text: str) -> str:
    """Escape what IAM would take for a wildcard or a variable."""
    return _SPECIAL.sub(lambda found: "${" + found.group() + "}", text)


def bucket_arn(principal: str, bucket: str, keys: str | None = None) -> str:
    """Return the ARN of a bucket, or of keys in it, in the partition of the principal."""
    parts = principal.split(":")
    partition = parts[1] if parts[0] == "arn" else "aws"
    return f"arn:{partition}:s3:::{bucket}" + ("" if keys is None else f"/{keys}")


def read_actions(options: ObjectOptions, *, version: bool = False) -> list[str]:
    """Return what the reading principal needs on source objects, or on named versions of them."""
    of = "Version" if version else ""
    return [f"s3:GetObject{of}", *([f"s3:GetObject{of}Tagging"] if options.tags == "copy" else [])]


def write_actions(options: ObjectOptions) -> list[str]:
    """Return what the copying principal needs on destination objects."""
    actions = ["s3:PutObject", "s3:AbortMultipartUpload"]
    if options.tags == "copy":
        actions.append("s3:PutObjectTagging")
    if options.acl:
        actions.append("s3:PutObjectAcl")
    return actions


def explained(error: CopyError) -> CopyError:
    """Return a refusal with the statement that is missing, where its words tell: S3 names the actions of KMS.

    Preflight proves one object below each prefix; the next may be encrypted by another key.
    """
    allowed = kms_statement(error.reason, None) if isinstance(error, AccessError) else None
    return error if allowed is None else lacking(error, missing(KEY_AND_ROLE, allowed))


def lacking(error: CopyError, remedy: str) -> AccessError:
    """Return a refusal with its remedy, see `missing`; one that it had already stays in its words."""
    return AccessError(error.message, code=error.code, remedy=remedy)


def missing(where: str, allowed: str) -> str:
    """Return the remedy of a refusal.

    Args:
        where: the policies that lack the statement, in words.
        allowed: the statement, as JSON.
    """
    return f"Missing in {where}: {allowed}"


def kms_statement(message: str, key_id: str | None) -> str | None:
    """Return the statement for a KMS key that S3's refusal names; None where it is not about KMS."""
    action = _KMS.search(message)
    if action is None:
        return None
    key = _KMS_KEY.search(message)
    return statement([action.group()], key.group() if key else key_id or "*")


def trust_statement(external_id: str | None) -> dict[str, Any]:
    """Return what a role's trust policy needs for the workers to assume it."""
    allowed: dict[str, Any] = {"Effect": "Allow", "Principal": {"AWS": _WORKERS}, "Action": "sts:AssumeRole"}
    if external_id:
        allowed["Condition"] = {"StringEquals": {"sts:ExternalId": external_id}}
    return allowed


def statement(
    actions: list[str], resource: str, *, principal: str | None = None, prefix: str | None = None
) -> str:
    """Return an Allow statement as JSON.

    Args:
        actions: of S3 or KMS.
        resource: an ARN.
        principal: makes it a statement of a bucket policy.
        prefix: limits a listing to it; any text.
    """
    body: dict[str, Any] = {"Effect": "Allow"}
    if principal is not None:
        body["Principal"] = {"AWS": role_of(principal)}
    body |= {"Action": actions, "Resource": resource}
    if prefix:
        body["Condition"] = {"StringLike": {"s3:prefix": f"{literal(prefix)}*"}}
    return json.dumps(body)
