"""The policy statements that are missing after a refusal."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from s3copy_tasks.core.bucket_names import is_access_point
from s3copy_tasks.errors import AccessError, Code, CopyError
from s3copy_tasks.iam.denials import explain_deny

if TYPE_CHECKING:
    from s3copy_tasks.core.options import ObjectOptions

KEY_AND_ROLE = "the policies of the key and of the role"
"""Where a permission to use a KMS key is missing: both must allow it."""
LIST_UPLOADS = "s3:ListBucketMultipartUploads"
_ASSUMED_ROLE = re.compile(r"arn:(?P<partition>[^:]+):sts::(?P<account>\d+):assumed-role/(?P<role>[^/]+)/.*")
_PATH_OF_ROLE = re.compile(r"(?<=:role/).*/")
_SPECIAL = re.compile(r"[*?$]")
_KMS = re.compile(r"\bkms:[A-Z][A-Za-z]+")
"""An action. In a key's ARN, the region follows `kms:`."""
_KMS_KEY = re.compile(r"arn:[^:\s]+:kms:[^\s\"']+")


def find_role(principal: str) -> str:
    """Return the ARN for a policy: the role of an assumed-role session, else the principal itself.

    A session does not contain the path of its role; `role_arn` in the config does.
    """
    match = _ASSUMED_ROLE.fullmatch(principal)
    return "arn:{partition}:iam::{account}:role/{role}".format(**match.groupdict()) if match else principal


def normalize_principal(principal: str | None) -> str | None:
    """Return a principal's ARN so that two can be compared: a role's has no session and no path.

    None for what is not an ARN, such as the canonical id of an account: it can't be compared.
    """
    arn = find_role(principal or "")
    return _PATH_OF_ROLE.sub("", arn) if arn.startswith("arn:") else None


def find_partition(arn: str) -> str | None:
    """Return the partition of an ARN, such as aws-cn; None for what is not an ARN."""
    parts = arn.split(":")
    return parts[1] if parts[0] == "arn" and parts[1:2] != [""] else None


def escape_wildcards(text: str) -> str:
    """Escape what IAM would read as a wildcard or a variable."""
    return _SPECIAL.sub(lambda found: "${" + found.group() + "}", text)


def bucket_arn(partition: str, bucket: str, keys: str | None = None) -> str:
    """Return the ARN of a bucket, or of keys in it; an access point is its own ARN."""
    if is_access_point(bucket):
        return bucket.replace(":accesspoint:", ":accesspoint/") + ("" if keys is None else f"/object/{keys}")
    return f"arn:{partition}:s3:::{bucket}" + ("" if keys is None else f"/{keys}")


def own_bucket_arn(partition: str, bucket: str) -> str:
    """Return the ARN of a bucket, with a placeholder for the unknown name of an access point's bucket."""
    if is_access_point(bucket):
        name = bucket_arn(partition, bucket).rpartition("/")[2]
        return f"arn:{partition}:s3:::THE-BUCKET-OF-{name}"
    return bucket_arn(partition, bucket)


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


def explain_refusal(error: CopyError) -> CopyError:
    """Return a refusal with what S3's message says about its cause: a Deny, or an action of KMS.

    Preflight checks one object below each prefix; the next may be encrypted with another key.
    """
    if not isinstance(error, AccessError) or error.code == Code.CREDENTIALS:
        return error
    deny, allowed = explain_deny(error.reason), build_kms_statement(error.reason, None)
    if deny is not None:
        return _refuse_again(error, deny)
    return error if allowed is None else add_remedy(error, build_remedy(KEY_AND_ROLE, allowed))


def add_remedy(error: CopyError, remedy: str) -> CopyError:
    """Return a refusal with a remedy, see `build_remedy`; an earlier remedy stays in its message.

    If the role was not assumed, no request was sent: no policy of S3 refuses, and none is named. A refusal by
    a Deny is returned unchanged, too: no Allow would help.
    """
    if error.code == Code.CREDENTIALS or explain_deny(error.reason) is not None:
        return error
    return _refuse_again(error, remedy)


def _refuse_again(error: CopyError, remedy: str) -> AccessError:
    refusal = AccessError(error.message, code=error.code, remedy=remedy)
    refusal.request_id = error.request_id
    return refusal


def build_remedy(where: str, allowed: str) -> str:
    """Return the remedy of a refusal.

    Args:
        where: which policies lack the statement, in words.
        allowed: the statement, as JSON.
    """
    return f"Missing from {where}: {allowed}"


def build_kms_statement(message: str, key_id: str | None) -> str | None:
    """Return the statement for a KMS key that S3's refusal names; None if it is not about KMS."""
    action = _KMS.search(message)
    if action is None:
        return None
    key = _KMS_KEY.search(message)
    return build_statement([action.group()], key.group() if key else key_id or "*")


def build_statement(
    actions: list[str], resource: str, *, principal: str | None = None, prefix: str | None = None
) -> str:
    """Return an Allow statement as JSON.

    Args:
        actions: of S3 or KMS.
        resource: an ARN.
        principal: for a statement of a bucket policy.
        prefix: limits listing to it; any text.
    """
    body: dict[str, Any] = {"Effect": "Allow"}
    if principal is not None:
        body["Principal"] = {"AWS": find_role(principal)}
    body |= {"Action": actions, "Resource": resource}
    if prefix:
        body["Condition"] = {"StringLike": {"s3:prefix": f"{escape_wildcards(prefix)}*"}}
    return json.dumps(body)
