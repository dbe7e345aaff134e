"""Who signed a request, in words that can be compared; and what a refusal lacks."""

from __future__ import annotations

import pytest

from s3copy_tasks.errors import AccessError, CopyError, RequestError
from s3copy_tasks.iam.statements import explained, lacking, missing, signer_of

ROLE = "arn:aws:iam::444455556666:role/writer"
USER = "arn:aws:iam::444455556666:user/team/somebody"
# What GetCallerIdentity, a config or a listing says -> what is compared.
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
def test_signers(principal: str | None, signer: str | None) -> None:
    """A role is the same whatever its session and its path; what is no ARN is nobody that can be compared."""
    assert signer_of(principal) == signer


KEY = "arn:aws:kms:eu-west-1:444455556666:key/1"
DENIED = f"CopyObject: user x is not authorized to perform: kms:Decrypt on resource: {KEY}"
ALLOWED = f'{{"Effect": "Allow", "Action": ["kms:Decrypt"], "Resource": "{KEY}"}}'


def test_a_refusal_about_a_key_is_explained() -> None:
    """S3 names the action and the key: the statement is the error's remedy, and its message's last line."""
    error = explained(AccessError(DENIED, code="AccessDenied"))
    assert (error.reason, error.code) == (DENIED, "AccessDenied")
    assert error.remedy == f"Missing in the policies of the key and of the role: {ALLOWED}"
    assert error.message == f"{DENIED}\n{error.remedy}"


@pytest.mark.parametrize(
    "error",
    [AccessError("Access Denied", code="AccessDenied"), RequestError(DENIED, code="KMS.Throttled")],
    ids=["about no key", "no refusal"],
)
def test_what_nothing_explains_stays_as_it_is(error: CopyError) -> None:
    """Other errors are returned themselves, without a remedy."""
    assert explained(error) is error
    assert error.remedy is None


def test_a_second_remedy_is_added_to_the_first() -> None:
    """A role that can't be assumed has its own remedy; that of the request that needed it comes below."""
    trust, policy = missing("the trust policy", "{}"), missing("the policy of the role", "{}")
    error = lacking(AccessError("no session", code="RoleNotAssumed", remedy=trust), policy)
    assert error.message == f"no session\n{trust}\n{policy}"
    assert error.remedy == policy
