"""The signer of a request, so that it can be compared; and the remedy of a refusal."""

from __future__ import annotations

import pytest

from s3copy_tasks.errors import AccessError, CopyError, RequestError
from s3copy_tasks.iam.statements import add_remedy, build_remedy, explain_refusal, normalize_principal

ROLE = "arn:aws:iam::444455556666:role/writer"
USER = "arn:aws:iam::444455556666:user/team/alice"
# An ARN in GetCallerIdentity, a config or a listing -> the ARN that is compared.
PRINCIPALS = {
    "arn:aws:sts::444455556666:assumed-role/writer/session-1": ROLE,
    "arn:aws:sts::444455556666:assumed-role/writer/another": ROLE,
    ROLE: ROLE,
    "arn:aws:iam::444455556666:role/team/data/writer": ROLE,
    "arn:aws-cn:sts::444455556666:assumed-role/writer/s": "arn:aws-cn:iam::444455556666:role/writer",
    USER: USER,
    "arn:aws:iam::444455556666:root": "arn:aws:iam::444455556666:root",
    "75aa57f09aa0c8caeab4f8c24e99d10f8e7faeebf76c078efc7c6caea54ba06a": None,
    "the destination principal (role x)": None,
    "": None,
    None: None,
}


@pytest.mark.parametrize(("principal", "signer"), PRINCIPALS.items(), ids=map(str, PRINCIPALS))
def test_normalized_principals(principal: str | None, signer: str | None) -> None:
    """A role is the same whatever its session and path; what is not an ARN can't be compared."""
    assert normalize_principal(principal) == signer


KEY = "arn:aws:kms:eu-west-1:444455556666:key/1"
DENIED = f"CopyObject: user x is not authorized to perform: kms:Decrypt on resource: {KEY}"
ALLOWED = f'{{"Effect": "Allow", "Action": ["kms:Decrypt"], "Resource": "{KEY}"}}'


def test_a_refusal_about_a_key_is_explained() -> None:
    """S3 names the action and the key: the statement is the remedy, and the last line of the message."""
    error = explain_refusal(AccessError(DENIED, code="AccessDenied"))
    assert (error.reason, error.code) == (DENIED, "AccessDenied")
    assert error.remedy == f"Missing from the policies of the key and of the role: {ALLOWED}"
    assert error.message == f"{DENIED}\n{error.remedy}"


@pytest.mark.parametrize(
    "error",
    [AccessError("Access Denied", code="AccessDenied"), RequestError(DENIED, code="KMS.Throttled")],
    ids=["not about a key", "not a refusal"],
)
def test_other_errors_stay_as_they_are(error: CopyError) -> None:
    """Other errors are returned unchanged, without a remedy."""
    assert explain_refusal(error) is error
    assert error.remedy is None


def test_a_second_remedy_is_added_to_the_first() -> None:
    """A refusal may name two policies; the later remedy comes below the earlier."""
    first, second = build_remedy("the policy of the key", "{}"), build_remedy("the policy of the role", "{}")
    error = add_remedy(AccessError("denied", code="AccessDenied", remedy=first), second)
    assert error.message == f"denied\n{first}\n{second}"
    assert error.remedy == second


def test_a_role_that_is_not_assumed_has_its_own_remedy() -> None:
    """No request was sent, so no policy of S3 is missing."""
    trust = build_remedy("the trust policy", "{}")
    error = AccessError("no session", code="RoleNotAssumed", remedy=trust)
    assert add_remedy(error, build_remedy("the policy of the role", "{}")) is error
