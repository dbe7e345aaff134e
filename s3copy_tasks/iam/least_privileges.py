"""The least privileges of a job, as the JSON that AWS takes: `s3copy policy`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from s3copy_tasks.core.bucket_names import is_access_point
from s3copy_tasks.core.location import Location
from s3copy_tasks.core.options import ObjectOptions
from s3copy_tasks.iam.documents import add_principal, allow, build_policy
from s3copy_tasks.iam.queues import QueueReader, queue_policies
from s3copy_tasks.iam.sizes import drop_covered
from s3copy_tasks.iam.statements import (
    LIST_UPLOADS,
    bucket_arn,
    escape_wildcards,
    find_partition,
    own_bucket_arn,
    read_actions,
    write_actions,
)

if TYPE_CHECKING:
    from s3copy_tasks.iam.trust import Trust

ABORT_AFTER_DAYS = 7
"""Days after which S3 drops an incomplete upload, such as one that a killed worker left behind."""


Pattern: TypeAlias = Sequence[str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side of a job.

    Attributes:
        location: the bucket.
        role: ARN of the role that signs its requests.
        trust: how that role is assumed.
        patterns: of its keys: literal text, with None for each part that only a run can render; a
            prefix ends with None.
        versions: patterns of the keys that are named with a version.
    """

    location: Location
    role: str
    trust: Trust
    patterns: Sequence[Pattern]
    versions: Sequence[Pattern] = ()

    @property
    def partition(self) -> str:
        """The partition of AWS: that of the role."""
        return find_partition(self.role) or "aws"

    def arns(self, patterns: Sequence[Pattern]) -> list[str]:
        """Return the ARNs of keys."""
        return [bucket_arn(self.partition, self.location.bucket, keys) for keys in _to_iam_patterns(patterns)]

    def key_patterns(self) -> list[str]:
        """Return the patterns as IAM writes them."""
        return _to_iam_patterns(self.patterns)


def least_privileges(
    source: Side,
    destination: Side,
    options: ObjectOptions,
    *,
    lists_uploads: bool = False,
    keys_from: Side | QueueReader | None = None,
    results: Side | None = None,
    deletes: Sequence[Pattern] = (),
    reads_versioning: bool = False,
) -> dict[str, Any]:
    """Return every policy that a job needs, and no other, by what it is attached to.

    The destination's principal signs the copies: it reads the source, and needs its own policy for
    that and, in another account, the policy of the source bucket.
    https://docs.aws.amazon.com/AmazonS3/latest/userguide/copy-object.html

    The owner of a bucket of lists or results is known only if that bucket is the source or the destination:
    elsewhere, what its policy must have is not returned.

    Args:
        source: lists and reads.
        destination: compares and copies.
        options: of the copies.
        lists_uploads: a retry lists open uploads to find those that earlier attempts left behind.
        keys_from: reads the list or the queue that names the keys; None if prefixes are listed.
        results: writes results, and reads lists of failed objects among them; None if none are written.
        deletes: patterns of the destination's keys that the job may delete.
        reads_versioning: such deletes need a versioned bucket.
    """
    lists, reads = _list_statement("ListSource", source), _read_statements(source, options)
    writes = _write_statements(destination, options, lists_uploads=lists_uploads)
    writes += _delete_statements(destination, deletes, reads_versioning=reads_versioning)
    keys = _kms_statements(options, destination)
    readers, writers = [source.role, destination.role], [destination.role]
    more = {"from": (keys_from, _key_list_statements(keys_from))} if isinstance(keys_from, Side) else {}
    more |= {} if results is None else {"results": (results, _results_statements(results))}
    users: Users = {
        "source": (source, [lists, *reads]),
        "destination": (destination, [*reads, *writes, *keys]),
    }
    queue = {"from": (keys_from, keys_from.statements())} if isinstance(keys_from, QueueReader) else {}
    found = _role_policies({**users, **queue, **more})
    needs = {
        "source": [(lists, [source.role]), *((statement, readers) for statement in reads)],
        "destination": [(statement, writers) for statement in writes],
    }
    for name, side in (("source", source), ("destination", destination)):
        there = [other for other in more.values() if other[0].location.bucket == side.location.bucket]
        own = [(statement, [other.role]) for other, statements in there for statement in statements]
        found |= _bucket_policy(name, side, [*needs[name], *own])
    if options.kms_key_id:
        found["kms_key_policy_statements"] = [add_principal(statement, writers) for statement in keys]
    found["destination_lifecycle"] = _lifecycle()
    if isinstance(keys_from, QueueReader):
        found |= queue_policies(keys_from, source.location, source.patterns)
    return found


Users: TypeAlias = Mapping[str, tuple[Side | QueueReader, list[dict[str, Any]]]]
"""Who uses a role, and the statements that it needs, by the name of a part of the job."""


def _role_policies(users: Users) -> dict[str, Any]:
    """Return the policies of each role, named after its first user; without a name if both sides use it."""
    by_role: dict[str, list[str]] = {}
    for name, (side, _) in users.items():
        by_role.setdefault(side.role, []).append(name)
    found = {}
    for names in by_role.values():
        prefix = "" if {"source", "destination"} <= set(names) else f"{names[0]}_"
        statements = [statement for name in names for statement in users[name][1]]
        unique = [statement for i, statement in enumerate(statements) if statement not in statements[:i]]
        found[f"{prefix}role_policy"] = build_policy(unique)
        found[f"{prefix}trust_policy"] = build_policy([users[names[0]][0].trust.statement()])
    return found


def _lifecycle() -> dict[str, Any]:
    rule = {
        "ID": "abort-incomplete-uploads",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": ABORT_AFTER_DAYS},
    }
    return {"Rules": [rule]}


def _read_statements(source: Side, options: ObjectOptions) -> list[dict[str, Any]]:
    """Return what reading the source requires; versions have their own actions."""
    statements = [allow("ReadSource", read_actions(options), source.arns(source.patterns))]
    if source.versions:
        actions = read_actions(options, version=True)
        statements.append(allow("ReadSourceVersions", actions, source.arns(source.versions)))
    return statements


def _write_statements(
    destination: Side, options: ObjectOptions, *, lists_uploads: bool
) -> list[dict[str, Any]]:
    """Return what comparing with the destination and copying to it require."""
    head_actions = ["s3:GetObject", *(["s3:GetObjectTagging"] if options.tags == "copy" else [])]
    keys = destination.arns(destination.patterns)
    statements = [
        _list_statement("ListDestination", destination),
        allow("WriteDestination", write_actions(options), keys),
        allow("HeadDestination", head_actions, keys),
    ]
    if lists_uploads:
        statements.append(_list_uploads_statement(destination))
    return statements


def _delete_statements(
    destination: Side, deletes: Sequence[Pattern], *, reads_versioning: bool
) -> list[dict[str, Any]]:
    """Return what deleting requires, beside `HeadDestination`: S3 needs that for the condition on an ETag."""
    statements = []
    if deletes:
        statements.append(allow("DeleteDestination", ["s3:DeleteObject"], destination.arns(deletes)))
    if reads_versioning:
        bucket = bucket_arn(destination.partition, destination.location.bucket)
        statements.append(allow("ReadDestinationVersioning", ["s3:GetBucketVersioning"], [bucket]))
    return statements


def _key_list_statements(side: Side) -> list[dict[str, Any]]:
    """Return what finding and reading a list requires; without listing, S3 hides that it does not exist."""
    return [
        _list_statement("ListKeyList", side),
        allow("ReadKeyList", ["s3:GetObject"], side.arns(side.patterns)),
    ]


def _results_statements(side: Side) -> list[dict[str, Any]]:
    """Return what writing results requires, and reading the lists of failed objects among them."""
    keys = side.arns(side.patterns)
    return [
        allow("WriteResults", ["s3:PutObject", "s3:AbortMultipartUpload"], keys),
        _list_statement("ListResults", side),
        allow("ReadResults", ["s3:GetObject"], keys),
    ]


def _list_statement(sid: str, side: Side) -> dict[str, Any]:
    statement = allow(sid, ["s3:ListBucket"], [bucket_arn(side.partition, side.location.bucket)])
    if "*" not in side.key_patterns():
        statement["Condition"] = {"StringLike": {"s3:prefix": side.key_patterns()}}
    return statement


def _list_uploads_statement(destination: Side) -> dict[str, Any]:
    """Return what listing open uploads requires; S3 has no condition for a prefix there."""
    bucket = bucket_arn(destination.partition, destination.location.bucket)
    return allow("ListDestinationUploads", [LIST_UPLOADS], [bucket])


def _kms_statements(options: ObjectOptions, destination: Side) -> list[dict[str, Any]]:
    """Return what encrypting with a key requires; S3 decrypts the parts of a multipart copy to join them."""
    key = options.kms_key_id
    if not key:
        return []
    region, account = destination.location.region or "*", destination.location.account or "*"
    place = f"arn:{destination.partition}:kms:{region}:{account}"
    alias = key.rpartition(":")[2] if key.rpartition(":")[2].startswith("alias/") else None
    if alias and key.startswith("arn:"):
        place = key.rpartition(":")[0]
    arn = key if key.startswith("arn:") and not alias else f"{place}:key/{'*' if alias else key}"
    statement = allow("EncryptDestination", ["kms:GenerateDataKey", "kms:Decrypt"], [arn])
    if alias:
        statement["Condition"] = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": alias}}
    return [statement]


def _bucket_policy(name: str, side: Side, needs: list[tuple[dict[str, Any], list[str]]]) -> dict[str, Any]:
    """Return the policy of a bucket; {} if all roles are in its account: their own policies are enough."""
    statements = [
        add_principal(statement, foreign)
        for statement, roles in needs
        if (foreign := [role for role in roles if role.split(":")[4] != side.location.account])
    ]
    if is_access_point(side.location.bucket):
        return _access_point_policies(name, side, statements, [statement for statement, _ in needs])
    return {f"{name}_bucket_policy": build_policy(statements)} if statements else {}


def _access_point_policies(
    name: str, side: Side, statements: list[dict[str, Any]], needs: list[dict[str, Any]]
) -> dict[str, Any]:
    """Return the policy of an access point, and of its bucket: both must allow a request.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-points-policies.html
    """
    point = bucket_arn(side.partition, side.location.bucket)
    bucket = own_bucket_arn(point.split(":")[1], side.location.bucket)
    delegated = allow(
        "DelegateToAccessPoint",
        sorted({action for need in needs for action in need["Action"]}),
        [bucket, f"{bucket}/*"],
    )
    delegated["Condition"] = {"StringEquals": {"s3:DataAccessPointArn": point}}
    own = {f"{name}_access_point_policy": build_policy(statements)} if statements else {}
    return own | {f"{name}_bucket_policy": build_policy([add_principal(delegated, ["*"])])}


def _to_iam_patterns(patterns: Sequence[Pattern]) -> list[str]:
    texts = (
        "".join("*" if part is None else escape_wildcards(part) for part in pattern) for pattern in patterns
    )
    return drop_covered(texts)
