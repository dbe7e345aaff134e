"""Versions of single objects, and buckets whose readers pay."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from s3copy_tasks.core.job import ObjectEntry
from s3copy_tasks.core.multipart import Limits
from s3copy_tasks.errors import MissingError
from tests.support.s3.proxy import Reply

if TYPE_CHECKING:
    from collections.abc import Sequence

    from s3copy_tasks.core.job import EffectiveJob
    from tests.support.s3.proxy import Proxy
    from tests.support.s3.sides import Sides

LIMITS = Limits(single_copy_bytes=6 * 2**20, part_bytes=5 * 2**20)
SIZES = pytest.mark.parametrize(
    "size",
    [
        pytest.param(10, id="small"),
        pytest.param(11 * 2**20, id="large", marks=pytest.mark.needs("parts_by_role")),
    ],
)


def put_versions(sides: Sides, bodies: Sequence[bytes]) -> list[str]:
    """Write the versions of `data/a`, oldest first; return their ids."""
    bucket = sides.source_bucket
    sides.source.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return [
        sides.source.put_object(Bucket=bucket, Key="data/a", Body=body, Metadata={"n": str(n)})["VersionId"]
        for n, body in enumerate(bodies)
    ]


def job_of(sides: Sides, version_id: str) -> EffectiveJob:
    entry = ObjectEntry(source="data/a", destination="copy/a", version_id=version_id)
    return sides.job(prefixes=(), objects=(entry,))


@SIZES
def test_the_version_that_is_asked_for_is_copied(sides: Sides, size: int) -> None:
    """`version_id` copies that version with its metadata, whatever the current one is."""
    bodies = [b"a" * size, b"b" * size, b"c" * size]
    _, wanted, _ = put_versions(sides, bodies)
    metrics = sides.run(job_of(sides, wanted), limits=LIMITS)
    assert metrics.files_copied_successfully == 1
    assert sides.copied() == {"copy/a": bodies[1]}
    head = sides.destination.head_object(Bucket=sides.destination_bucket, Key="copy/a")
    assert head["Metadata"] == {"n": "1"}


def test_an_older_version_replaces_a_newer_copy(sides: Sides) -> None:
    """Dates do not decide about a named version: it is copied, once."""
    first, second = put_versions(sides, [b"old", b"new"])
    sides.run(job_of(sides, second))
    assert sides.run(job_of(sides, first)).files_copied_successfully == 1
    assert sides.copied() == {"copy/a": b"old"}
    assert dict(sides.run(job_of(sides, first)).files_skipped) == {"unchanged": 1}


def test_a_version_that_is_not_there_is_named(sides: Sides) -> None:
    """A version that does not exist is found before the first copy."""
    put_versions(sides, [b"x"])
    with pytest.raises(MissingError, match=r"data/a \(version no-such-version\)"):
        sides.preflight(job_of(sides, "no-such-version"))


@SIZES
def test_requester_pays(sides: Sides, proxy: Proxy, size: int) -> None:
    """With `requester_pays` every request that reads the source agrees to pay, and no other does."""
    sides.put("data/a", b"x" * size)
    job = sides.job()
    sides.run(replace(job, source=replace(job.source, requester_pays=True)), limits=LIMITS)
    assert set(sides.copied()) == {"copy/a"}
    for request in proxy.requests:
        reads_source = request.target.startswith(f"/{sides.source_bucket}")
        copies = "x-amz-copy-source" in request.headers
        agreed = request.headers.get("x-amz-request-payer")
        assert agreed == ("requester" if reads_source or copies else None), request


def test_without_requester_pays_no_request_agrees_to_pay(sides: Sides, proxy: Proxy) -> None:
    """The header is not sent unless the job asks for it (rule 11)."""
    sides.put("data/a")
    sides.run(sides.job())
    assert not [request for request in proxy.requests if "x-amz-request-payer" in request.headers]


def test_denied_tags_of_large_objects_print_what_is_missing(sides: Sides, proxy: Proxy) -> None:
    """Tags are read only for large objects: a missing permission is counted, with its statement."""
    sides.put("data/large", b"x" * (11 * 2**20))
    sides.put("data/small")
    denied = Reply.error(403, "AccessDenied")
    proxy.answer = lambda request: denied if request.kind == "GetObjectTagging" else None
    metrics = sides.run(sides.job(), limits=LIMITS)
    assert (metrics.files_copied_successfully, metrics.files_failed) == (1, 1)
    (failure,) = metrics.errors_encountered.first
    assert '"Action": ["s3:GetObjectTagging"]' in failure.message
    assert f"arn:aws:s3:::{sides.source_bucket}/data/large" in failure.message
    assert sides.open_uploads() == []


def test_denied_keys_of_single_objects_print_what_is_missing(sides: Sides, proxy: Proxy) -> None:
    """An object with another KMS key than the first object is counted, with the statement for that key."""
    for name in ("a", "b"):
        sides.put(f"data/{name}")
    key = "arn:aws:kms:us-east-1:111122223333:key/other"
    denied = Reply.error(
        403, "AccessDenied", f"not authorized to perform: kms:Decrypt on resource: {key} because"
    )
    proxy.answer = lambda request: denied if (request.kind, request.key) == ("CopyObject", "copy/b") else None
    metrics = sides.run(sides.job())
    assert (metrics.files_copied_successfully, metrics.files_failed) == (1, 1)
    (failure,) = metrics.errors_encountered.first
    assert f'{{"Effect": "Allow", "Action": ["kms:Decrypt"], "Resource": "{key}"}}' in failure.message
