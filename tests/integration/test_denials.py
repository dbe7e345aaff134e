"""A Deny, and encryption that a policy demands: preflight's words, and the headers of every copy."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from s3copy_tasks.core.job import Overwrite
from s3copy_tasks.core.multipart import Limits
from s3copy_tasks.core.options import ObjectOptions, TransferOptions
from s3copy_tasks.errors import AccessError
from tests.support.s3.proxy import Proxy, Reply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.s3.servers import Endpoint
    from tests.support.s3.sides import Sides

DENY = (
    "User: arn:aws:sts::444455556666:assumed-role/writer/s is not authorized to perform: {} on resource: "
    '"arn:aws:s3:::b/k" with an explicit deny in a resource-based policy'
)
ENCRYPTION = "x-amz-server-side-encryption"
KEY_ID = f"{ENCRYPTION}-aws-kms-key-id"
WRITES = {"CopyObject", "CreateMultipartUpload", "PutObject"}
"""The requests that make an object, and so say how it is encrypted."""


@pytest.mark.parametrize(
    ("kind", "action"),
    [
        ("CreateMultipartUpload", "s3:PutObject"),
        ("ListObjectsV2", "s3:ListBucket"),
        ("GetObject", "s3:GetObject"),
        ("AbortMultipartUpload", "s3:AbortMultipartUpload"),
    ],
)
def test_a_deny_ends_preflight(sides: Sides, proxy: Proxy, kind: str, action: str) -> None:
    """The error says that a Deny refuses, and prints no Allow; for a write it names the field."""
    sides.put("data/a")
    denied = Reply.error(403, "AccessDenied", DENY.format(action))
    proxy.answer = lambda request: denied if request.kind == kind else None
    with pytest.raises(AccessError) as caught:
        sides.preflight(sides.job())
    assert "A Deny in the policy of the bucket refuses it: an Allow does not help" in caught.value.message
    assert '"Allow"' not in caught.value.message
    assert ("object.encryption" in caught.value.message) is (action == "s3:PutObject")


def test_a_deny_in_a_batch(sides: Sides, proxy: Proxy) -> None:
    """An object that only its copy finds denied says the same."""
    sides.put("data/a")
    denied = Reply.error(403, "AccessDenied", DENY.format("s3:PutObject"))
    proxy.answer = lambda request: denied if request.kind == "CopyObject" else None
    (failure,) = sides.run(sides.job()).errors_encountered.first
    assert "an Allow does not help" in failure.message


@pytest.mark.one_server
@pytest.mark.parametrize(
    ("options", "headers"),
    [
        pytest.param({"encryption": "AES256"}, {ENCRYPTION: "AES256"}, id="S3"),
        pytest.param({"encryption": "aws:kms"}, {ENCRYPTION: "aws:kms"}, id="KMS"),
        pytest.param({"encryption": "aws:kms:dsse"}, {ENCRYPTION: "aws:kms:dsse"}, id="DSSE"),
        pytest.param(
            {"encryption": "aws:kms:dsse", "kms_key_id": "k"},
            {ENCRYPTION: "aws:kms:dsse", KEY_ID: "k"},
            id="key of DSSE",
        ),
        pytest.param({"kms_key_id": "k"}, {ENCRYPTION: "aws:kms", KEY_ID: "k"}, id="key alone"),
        pytest.param({}, {}, id="none"),
    ],
)
def test_encryption_is_requested(
    sides: Sides, server: Endpoint, proxy: Proxy, options: dict[str, str], headers: Mapping[str, str]
) -> None:
    """Every request that makes an object has the header, from preflight's upload to the relay's PUT."""
    sides.put("data/a", b"12345")
    sides.put("data/empty", b"")
    job = sides.job(
        options=ObjectOptions(**options),
        overwrite=Overwrite.ALWAYS,
        transfer=TransferOptions(concurrency=8, relay="auto"),
    )
    sides.run(job, limits=Limits(single_copy_bytes=4))
    with Proxy(server.url) as other:
        sides.run(replace(job, destination=replace(job.destination, endpoint_url=other.url)))
        writes = [request for request in proxy.requests + other.requests if request.kind in WRITES]
    assert {request.kind for request in writes} == WRITES
    for request in writes:
        assert {name: v for name, v in request.headers.items() if name.startswith(ENCRYPTION)} == headers


@pytest.mark.needs("caller_identity")
def test_the_managed_key_of_another_account(sides: Sides, proxy: Proxy) -> None:
    """The key aws/s3 can't be used from another account, whatever is allowed: the field to set is named."""
    sides.put("data/a")
    text = (
        "User: x is not authorized to perform: kms:GenerateDataKey on resource: arn:aws:kms:us-east-1:1:key/k"
    )
    denied = Reply.error(403, "AccessDenied", text)
    proxy.answer = lambda request: denied if request.kind == "CreateMultipartUpload" else None
    foreign = replace(sides.job().destination, account="999999999999")
    for options, words in (
        (ObjectOptions(encryption="aws:kms"), "Name a key in object.kms_key_id"),
        (ObjectOptions(encryption="aws:kms", kms_key_id="k"), "the policies of the key and of the role"),
    ):
        with pytest.raises(AccessError) as caught:
            sides.preflight(sides.job(destination=foreign, options=options))
        assert words in caught.value.message
        assert ('"Allow"' in caught.value.message) is (options.kms_key_id is not None)
