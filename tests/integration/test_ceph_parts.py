"""Copies in parts on a server with access control: long-lived users, who may read by an ACL.

UploadPartCopy of RGW 16.2 checks only ACLs, which have no roles (`parts_by_role`, `foreign_parts`).
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from s3copy_tasks.audit import Tally, audit
from s3copy_tasks.core.multipart import Limits
from s3copy_tasks.engine.sender import Sender
from s3copy_tasks.errors import AccessError
from tests.support.s3.servers.ceph import COPIER, SOURCE_OWNER, user
from tests.support.s3.servers.endpoint import allow

if TYPE_CHECKING:
    from tests.support.s3.proxy import Proxy
    from tests.support.s3.sides import Sides

pytestmark = pytest.mark.needs("denial")
LIMITS = Limits(single_copy_bytes=6 * 2**20, part_bytes=5 * 2**20)
BODY = bytes(range(256)) * 4 * 1024 * 17
CARRIED: dict[str, Any] = {
    "ContentType": "application/x-netcdf",
    "ContentEncoding": "gzip",
    "ContentLanguage": "de",
    "ContentDisposition": "attachment",
    "CacheControl": "no-store",
    "Metadata": {"orbit": "7", "pass": "ascending"},
}
SHARED = {"GrantFullControl": "id=source", "GrantRead": "id=copier"}


@pytest.fixture
def users(sides: Sides, monkeypatch: pytest.MonkeyPatch) -> Sides:
    """The owner lists the source bucket; a user who owns nothing may write the destination."""
    connections = {
        "AIRFLOW_CONN_AWS_SOURCE": sides.endpoint.connection(None, SOURCE_OWNER),
        "AIRFLOW_CONN_AWS_DESTINATION": sides.endpoint.connection(None, COPIER),
    }
    for name, value in connections.items():
        monkeypatch.setenv(name, value)
    arn = f"arn:aws:s3:::{sides.destination_bucket}"
    actions = ["s3:ListBucket", "s3:PutObject", "s3:AbortMultipartUpload", "s3:GetObject"]
    policy = allow(actions, arn, f"{arn}/copy/*", to=user("copier"))
    sides.destination.put_bucket_policy(Bucket=sides.destination_bucket, Policy=json.dumps(policy))
    return sides


def test_content_and_metadata_arrive(users: Sides, proxy: Proxy) -> None:
    """A copy of four parts has the bytes, headers and metadata of its source (rules 6 and 7)."""
    users.put("data/a", BODY, **SHARED, **CARRIED)
    metrics = users.run(users.job(), limits=LIMITS)
    assert (metrics.files_copied_successfully, metrics.files_failed) == (1, 0)
    assert proxy.kinds()["UploadPartCopy"] == 4
    assert users.copied() == {"copy/a": BODY}
    place: dict[str, Any] = {"Bucket": users.destination_bucket, "Key": "copy/a"}
    head = users.destination.head_object(**place)
    assert {name: head[name] for name in CARRIED} == CARRIED  # type: ignore[literal-required]
    assert users.open_uploads() == []


def test_lost_tags_are_found(users: Sides) -> None:
    """RGW silently loses the tags of a copy in parts (`tagged_uploads`): an audit finds that."""
    users.put("data/a", BODY, Tagging="level=2", **SHARED)
    assert users.run(users.job(), limits=LIMITS).files_copied_successfully == 1
    stores, tally = users.stores(users.job()), Tally()
    (found,) = audit(users.job(), stores, Sender(8), tally)
    assert set(found.differences) == {"tags"}


def test_an_empty_etag_is_asked_for_again(users: Sides, proxy: Proxy) -> None:
    """RGW completes with an empty ETag, which proves nothing; the second answer has it (rule 1)."""
    users.put("data/a", BODY, **SHARED)
    assert users.run(users.job(), limits=LIMITS).files_verified == 1
    completed = [request for request in proxy.of_kind("CompleteMultipartUpload") if request.key == "copy/a"]
    assert len(completed) == 2


def test_a_source_that_is_not_shared_is_refused(users: Sides, proxy: Proxy) -> None:
    """A user who may not read by an ACL or a policy is refused before the first copy."""
    users.put("data/a", BODY)
    with pytest.raises(AccessError, match="is not allowed to perform s3:GetObject"):
        users.run(users.job(), limits=LIMITS)
    assert proxy.kinds()["UploadPartCopy"] == 0


def test_a_part_that_is_denied_leaves_no_upload(users: Sides) -> None:
    """If reading is allowed but copying a part is not, the object fails, and its upload is aborted."""
    users.put("data/a", BODY)
    arn = f"arn:aws:s3:::{users.source_bucket}/*"
    policy = json.dumps(allow(["s3:GetObject"], arn, to=user("copier")))
    users.source.put_bucket_policy(Bucket=users.source_bucket, Policy=policy)
    metrics = users.run(users.job(), limits=LIMITS)
    assert metrics.errors_encountered.by_code == {"AccessDenied": 1}
    assert users.copied() == {}
    assert users.open_uploads() == []
