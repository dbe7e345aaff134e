"""Who signed a request, in words that can be compared."""

from __future__ import annotations

import pytest

from s3copy_tasks.iam.statements import signer_of

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
