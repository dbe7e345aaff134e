"""AWS's message says which policy refused a request: a Deny is not answered with an Allow."""

from __future__ import annotations

import pytest

from s3copy_tasks.errors import AccessError
from s3copy_tasks.iam.denials import explain_deny, find_limiting_policy
from s3copy_tasks.iam.statements import add_remedy, explain_refusal

BY = 'CopyObject: User: arn:aws:sts::1:x is not authorized to perform: {} on resource: "arn:aws:x" {}'
DENIES = {
    "resource-based policy": "the policy of the bucket",
    "identity-based policy": "the policies of the role",
    "service control policy": "a service control policy",
    "resource control policy": "a resource control policy",
    "permissions boundary": "the permissions boundary",
    "session policy": "the session policy",
    "VPC endpoint policy": "the policy of the VPC endpoint",
}


@pytest.mark.parametrize(("kind", "where"), DENIES.items(), ids=DENIES)
def test_a_deny_names_its_policy(kind: str, where: str) -> None:
    """The remedy says where the Deny is, that an Allow does not help, and prints no statement."""
    error = AccessError(BY.format("s3:GetObject", f"with an explicit deny in a {kind}"), code="AccessDenied")
    found = explain_refusal(error)
    assert found.remedy is not None
    assert found.remedy.startswith(f"A Deny in {where}")
    assert "an Allow does not help" in found.remedy
    assert '"Effect"' not in found.message
    assert "object.encryption" not in found.message


def test_a_deny_of_writes_may_demand_encryption() -> None:
    """For a write, the fields that meet the usual conditions are named."""
    message = BY.format("s3:PutObject", "with an explicit deny in a resource-based policy")
    assert "object.encryption (AES256, aws:kms or aws:kms:dsse)" in str(explain_deny(message))


def test_a_deny_about_a_key() -> None:
    """The policy of the resource is that of the key; the statement for the key is not printed."""
    message = BY.format("kms:GenerateDataKey", "with an explicit deny in a resource-based policy")
    found = explain_refusal(AccessError(message, code="AccessDenied"))
    assert str(found.remedy).startswith("A Deny in the policy of the key refuses it")


def test_a_deny_without_a_place() -> None:
    """Older messages name no policy."""
    assert str(explain_deny("is not authorized with an explicit deny")).startswith("A Deny in a policy")
    assert explain_deny("Access Denied") is None


def test_a_deny_gets_no_other_remedy() -> None:
    """Whatever statement a check would print: it would not help."""
    message = BY.format("s3:GetObjectTagging", "with an explicit deny in an identity-based policy")
    error = explain_refusal(AccessError(message, code="AccessDenied"))
    assert isinstance(error, AccessError)
    assert add_remedy(error, "Missing from the policy of the role: {}") is error


@pytest.mark.parametrize(
    ("kind", "where"),
    [
        ("service control policy", "a service control policy of the role's organization"),
        ("VPC endpoint policy", "the policy of the VPC endpoint"),
        ("permissions boundary", "the permissions boundary of the role"),
        ("identity-based policy", None),
        ("resource-based policy", None),
    ],
)
def test_a_policy_that_lacks_an_allow(kind: str, where: str | None) -> None:
    """A statement belongs where AWS says that it is missing, if that is not the role or the bucket."""
    message = BY.format("s3:GetObject", f"because no {kind} allows the s3:GetObject action")
    assert find_limiting_policy(message) == where
    assert explain_deny(message) is None
