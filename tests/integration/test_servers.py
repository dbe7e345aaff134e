"""The tables of what servers can't do are true: each ability is measured on the running server."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.support.s3.queues import EventQueue
from tests.support.s3.servers import DESTINATION_ACCOUNT, ceph, localstack, moto
from tests.support.s3.servers.abilities import ABILITIES
from tests.support.s3.servers.endpoint import WORKER, Keys, allow

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_s3.client import S3Client

    from tests.support.s3.servers import Endpoint
    from tests.support.s3.sides import Sides

PART = 5 * 2**20
OTHER_ETAG = '"0123456789abcdef0123456789abcdef"'
CRC64NVME = "rosUhgp5mIg="
"""Of the nine bytes 123456789, by the catalogue of CRCs: AE8B14860A799888."""


def is_refused(call: Callable[..., Any], **arguments: Any) -> bool:
    """Say whether a server refuses a request; any error is a refusal."""
    try:
        call(**arguments)
    except ClientError:
        return True
    return False


class Probe:
    """One object in the source, and requests to the server as it comes: without s3copy in between."""

    def __init__(self, sides: Sides) -> None:
        self.sides = sides
        self.server: Endpoint = sides.server
        self.writer: S3Client = self.server.client(self.server.writer)
        sides.put("a", b"x" * PART, Tagging="k=v")
        self.source: Any = {"Bucket": sides.source_bucket, "Key": "a"}
        self.target: dict[str, Any] = {"Bucket": sides.destination_bucket, "Key": "b"}

    def copy(self, **options: Any) -> Any:
        return self.writer.copy_object(**self.target, CopySource=self.source, **options)

    def copy_part(self, client: S3Client | None = None, **options: Any) -> Any:
        """Copy in one part, by the destination's role unless a client is given."""
        client = client or self.writer
        made, completion = self._split(options)
        upload = client.create_multipart_upload(**self.target, **made)["UploadId"]
        place: dict[str, Any] = {**self.target, "UploadId": upload}
        reply = client.upload_part_copy(**place, PartNumber=1, CopySource=self.source, **options)
        parts: Any = {"Parts": [{"PartNumber": 1, "ETag": reply["CopyPartResult"]["ETag"]}]}
        return client.complete_multipart_upload(**place, MultipartUpload=parts, **completion)

    @staticmethod
    def _split(options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        made = {name: options.pop(name) for name in list(options) if name.startswith(("Checksum", "Tagging"))}
        completion = {name: options.pop(name) for name in list(options) if name == "IfNoneMatch"}
        return made, completion

    def delete(self, etag: str) -> Any:
        return self.sides.destination.delete_object(**self.target, IfMatch=etag)

    def delete_in_list(self, etag: str) -> Any:
        rows: Any = {"Objects": [{"Key": self.target["Key"], "ETag": etag}]}
        return self.sides.destination.delete_objects(Bucket=self.target["Bucket"], Delete=rows)

    def is_there(self) -> bool:
        return not is_refused(self.sides.destination.head_object, **self.target)

    def distinguishes(self, delete: Callable[[str], Any]) -> bool:
        """Say whether a delete with another ETag keeps the object, and one with its own ETag does not."""
        etag = self.copy()["CopyObjectResult"]["ETag"]
        is_refused(delete, etag=OTHER_ETAG)
        was_kept = self.is_there()
        is_refused(delete, etag=etag)
        return was_kept and not self.is_there()

    def tags(self) -> list[Any]:
        return list(self.sides.destination.get_object_tagging(**self.target).get("TagSet", []))


def any_key(probe: Probe) -> bool:
    return not is_refused(probe.server.client_of(Keys("AKIAANYBODY000000000", "any")).list_buckets)


def accounts(probe: Probe) -> bool:
    found = {probe.server.reader.split(":")[4], probe.server.writer.split(":")[4]}
    return len(found) == len(found - {""}) == 2


def tag_counts(probe: Probe) -> bool:
    return probe.sides.source.head_object(**probe.source).get("TagCount") == 1


def signatures(probe: Probe) -> bool:
    wrong = probe.server.client_of(Keys(WORKER.key_id, "wrong"))
    return is_refused(wrong.list_buckets)


def denial(probe: Probe) -> bool:
    return is_refused(probe.server.client_of(WORKER).list_objects_v2, Bucket=probe.sides.source_bucket)


def caller_identity(probe: Probe) -> bool:
    sts = boto3.client("sts", endpoint_url=probe.server.url, **WORKER.arguments())
    return not is_refused(sts.get_caller_identity)


def expected_owner(probe: Probe) -> bool:
    params = {"Bucket": probe.sides.source_bucket, "ExpectedBucketOwner": DESTINATION_ACCOUNT[::-1]}
    return is_refused(probe.sides.source.list_objects_v2, **params)


def foreign_parts(probe: Probe) -> bool:
    sides, foreign_client = probe.sides, probe.server.foreign_client()
    owned = ((sides.source, sides.source_bucket), (sides.destination, sides.destination_bucket))
    for client, bucket in owned:
        arn = f"arn:aws:s3:::{bucket}"
        client.put_bucket_policy(Bucket=bucket, Policy=json.dumps(allow(["s3:*"], arn, f"{arn}/*", to="*")))
    assert not is_refused(foreign_client.copy_object, **probe.target, CopySource=probe.source)
    return not is_refused(probe.copy_part, client=foreign_client)


def parts_by_role(probe: Probe) -> bool:
    return not is_refused(probe.copy_part)


def copy_if_match(probe: Probe) -> bool:
    return is_refused(probe.copy, CopySourceIfMatch=OTHER_ETAG)


def part_if_match(probe: Probe) -> bool:
    return is_refused(probe.copy_part, client=probe.sides.destination, CopySourceIfMatch=OTHER_ETAG)


def copy_if_none_match(probe: Probe) -> bool:
    probe.copy()
    return is_refused(probe.copy, IfNoneMatch="*")


def complete_if_none_match(probe: Probe) -> bool:
    probe.copy()
    return is_refused(probe.copy_part, client=probe.sides.destination, IfNoneMatch="*")


def versioning(probe: Probe) -> bool:
    bucket = probe.target["Bucket"]
    state: Any = {"Status": "Enabled"}
    probe.sides.destination.put_bucket_versioning(Bucket=bucket, VersioningConfiguration=state)
    assert probe.sides.destination.get_bucket_versioning(Bucket=bucket)["Status"] == "Enabled"
    probe.copy()
    reply = probe.sides.destination.delete_object(**probe.target)
    markers = probe.sides.destination.list_object_versions(Bucket=bucket).get("DeleteMarkers", [])
    return reply["DeleteMarker"] and [reply["VersionId"]] == [marker["VersionId"] for marker in markers]


def conditional_deletes(probe: Probe) -> bool:
    return not is_refused(probe.delete, etag=probe.copy()["CopyObjectResult"]["ETag"])


def delete_if_match(probe: Probe) -> bool:
    return probe.distinguishes(probe.delete)


def delete_objects_if_match(probe: Probe) -> bool:
    return probe.distinguishes(probe.delete_in_list)


def confirmed_completion(probe: Probe) -> bool:
    return bool(probe.copy_part(client=probe.sides.destination)["ETag"])


def copied_tags(probe: Probe) -> bool:
    probe.copy()
    return probe.tags() == [{"Key": "k", "Value": "v"}]


def tagged_uploads(probe: Probe) -> bool:
    probe.copy_part(client=probe.sides.destination, Tagging="k=v")
    return probe.tags() == [{"Key": "k", "Value": "v"}]


def dropped_tags(probe: Probe) -> bool:
    probe.copy(TaggingDirective="REPLACE")
    return probe.tags() == []


def checksums(probe: Probe) -> bool:
    probe.sides.put("c", b"123456789", ChecksumAlgorithm="CRC32")
    found = probe.sides.source.head_object(Bucket=probe.sides.source_bucket, Key="c", ChecksumMode="ENABLED")
    return found.get("ChecksumCRC32") == "y/Q5Jg=="  # CBF43926, by the same catalogue


def full_object_checksums(probe: Probe) -> bool:
    probe.sides.put("a", b"123456789")
    kinds = {"ChecksumAlgorithm": "CRC64NVME", "ChecksumType": "FULL_OBJECT"}
    probe.copy_part(client=probe.sides.destination, **kinds)
    found = probe.sides.destination.head_object(**probe.target, ChecksumMode="ENABLED")
    return (found.get("ChecksumCRC64NVME"), found.get("ChecksumType")) == (CRC64NVME, "FULL_OBJECT")


def storage_classes(probe: Probe) -> bool:
    return not is_refused(probe.sides.put, key="c", StorageClass="STANDARD_IA")


def archive(probe: Probe) -> bool:
    if is_refused(probe.sides.put, key="a", StorageClass="GLACIER"):
        return False
    if not is_refused(probe.copy):
        return False
    request: Any = {"Days": 1}
    probe.sides.source.restore_object(**probe.source, RestoreRequest=request)
    return not is_refused(probe.copy)


def encryption(probe: Probe) -> bool:
    return not is_refused(probe.sides.put, key="c", ServerSideEncryption="aws:kms", SSEKMSKeyId="key-1")


def line_breaks(probe: Probe) -> bool:
    return not is_refused(probe.sides.put, key="a\nb") and not is_refused(
        probe.sides.source.get_object, Bucket=probe.sides.source_bucket, Key="a\nb"
    )


def queues(probe: Probe) -> bool:
    return not is_refused(EventQueue, server=probe.sides.server)


def refused_receives(probe: Probe) -> bool:
    return queues(probe) and EventQueue(probe.sides.server).refuses_to_receive_none()


PROBES = {
    probe.__name__: probe
    for probe in (
        any_key,
        accounts,
        signatures,
        denial,
        caller_identity,
        expected_owner,
        foreign_parts,
        parts_by_role,
        copy_if_match,
        part_if_match,
        copy_if_none_match,
        complete_if_none_match,
        versioning,
        conditional_deletes,
        delete_if_match,
        delete_objects_if_match,
        confirmed_completion,
        copied_tags,
        tagged_uploads,
        dropped_tags,
        tag_counts,
        checksums,
        full_object_checksums,
        storage_classes,
        archive,
        encryption,
        line_breaks,
        queues,
        refused_receives,
    )
}


@pytest.mark.parametrize("name", PROBES)
def test_the_table_is_true(sides: Sides, name: str) -> None:
    """A server does what its table does not deny, and does not do what it denies."""
    assert PROBES[name](Probe(sides)) is (name not in sides.server.lacks)


def test_every_ability_is_measured() -> None:
    """Every name in a table is known, and measured, except the one that is not a request."""
    assert ABILITIES.keys() - PROBES.keys() == {"back_door"}
    for module in (moto, ceph, localstack):
        assert module.LACKS.keys() <= ABILITIES.keys()
