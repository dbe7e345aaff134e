"""Which policy refused a request, where AWS's message says so.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/troubleshoot-403-errors.html
"""

from __future__ import annotations

import re

_POLICIES = {
    "identity-based policy": "the policies of the role",
    "permissions boundary": "the permissions boundary of the role",
    "resource control policy": "a resource control policy of the bucket owner's organization",
    "resource-based policy": "the policy of the bucket",
    "service control policy": "a service control policy of the role's organization",
    "session policy": "the session policy that the role is assumed with",
    "VPC endpoint policy": "the policy of the VPC endpoint",
}
"""AWS's name for a kind of policy, and where that policy is."""
_BY_NAME = {name.lower(): where for name, where in _POLICIES.items()}
_KINDS = "|".join(_POLICIES)
_DENY = re.compile(rf"explicit deny(?: in (?:an?|the) ({_KINDS}))?", re.IGNORECASE)
_NO_ALLOW = re.compile(rf"because no ({_KINDS}) allows", re.IGNORECASE)
_ONLY_WITH_OTHERS = frozenset({"identity-based policy", "resource-based policy"})
_OWNERS = {"kms:": "key", "sqs:": "queue"}
"""What has the policy in place of a bucket, by the service of the refused action."""
_WRITE = "s3:PutObject"
_DEMANDS = (
    " A Deny that demands encryption is met by object.encryption (AES256, aws:kms or aws:kms:dsse), one that "
    "demands an ACL by object.acl"
)


def explain_deny(message: str) -> str | None:
    """Return what to do if AWS's message says that a Deny refused the request; None if it does not."""
    match = _DENY.search(message)
    if match is None:
        return None
    where = _place(match[1] or "", message) or "a policy"
    words = f"A Deny in {where} refuses it: an Allow does not help. Change that Deny, or meet its condition."
    return words + (_DEMANDS if _WRITE in message else "")


def find_limiting_policy(message: str) -> str | None:
    """Return the policy that lacks an Allow, if AWS's message names one besides those of role and bucket."""
    match = _NO_ALLOW.search(message)
    if match is None or match[1].lower() in _ONLY_WITH_OTHERS:
        return None
    return _place(match[1], message)


def _place(kind: str, message: str) -> str | None:
    where = _BY_NAME.get(kind.lower())
    owner = next((owner for service, owner in _OWNERS.items() if service in message), None)
    return where.replace("bucket", owner) if where and owner else where
