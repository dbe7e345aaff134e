"""The least privileges of a job, as the JSON that AWS takes: `s3copy policy`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from s3copy_tasks.core.job import Location, ObjectOptions
from s3copy_tasks.iam.statements import (
    LIST_UPLOADS,
    bucket_arn,
    literal,
    read_actions,
    trust_statement,
    write_actions,
)

_VERSION = "2012-10-17"
ABORT_AFTER_DAYS = 7
"""Days after which S3 drops an upload that nobody completed: what a killed worker leaves behind."""


Pattern: TypeAlias = Sequence[str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """One side of a job.

    Attributes:
        location: the bucket.
        role: ARN of the role that its requests are signed by.
        external_id: that the role is assumed with.
        patterns: of its keys: literal text, with None for what is known only when a run renders it; a
            prefix ends with None.
        versions: those of the keys that are named with a version.
    """

    location: Location
    role: str
    external_id: str | None = None
    patterns: Sequence[Pattern]
    versions: Sequence[Pattern] = ()

    def arns(self, patterns: Sequence[Pattern]) -> list[str]:
        """Return the resources that stand for keys."""
        return [bucket_arn(self.role, self.location.bucket, keys) for keys in _written(patterns)]

    def key_patterns(self) -> list[str]:
        """Return the patterns as IAM writes them."""
        return _written(self.patterns)


def least_privileges(
    source: Side, destination: Side, options: ObjectOptions, *, lists_uploads: bool = False
) -> dict[str, Any]:
    """Return every policy that a job needs and nothing beyond, by what it is attached to.

    The destination's principal signs the copies: it reads the source, by its own policy and, in another
    account, by that of the source bucket. https://docs.aws.amazon.com/AmazonS3/latest/userguide/copy-object.html

    Args:
        source: lists and looks.
        destination: copies.
        options: what a copy sets.
        lists_uploads: a retry finds the uploads that earlier tries left by listing them.
    """
    lists, reading = _listing("ListSource", source), _reading(source, options)
    writing = _writing(destination, options, lists_uploads=lists_uploads)
    keys = _kms(options, destination)
    readers, writers = [source.role, destination.role], [destination.role]
    found = (
        _one_role(source, [lists, *reading, *writing, *keys])
        if source.role == destination.role
        else _two_roles(source, [lists, *reading], destination, [*reading, *writing, *keys])
    )
    read_by = [(lists, [source.role]), *((one, readers) for one in reading)]
    found |= _bucket_policy("source", source, read_by)
    found |= _bucket_policy("destination", destination, [(one, writers) for one in writing])
    if options.kms_key_id:
        found["kms_key_policy_statements"] = [_granted(one, writers) for one in keys]
    found["destination_lifecycle"] = _lifecycle()
    return found


def _one_role(side: Side, statements: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "role_policy": _policy(statements),
        "trust_policy": _policy([trust_statement(side.external_id)]),
    }


def _two_roles(
    source: Side,
    source_statements: list[dict[str, Any]],
    destination: Side,
    destination_statements: list[dict[str, Any]],
) -> dict[str, Any]:
    return {
        "source_role_policy": _policy(source_statements),
        "source_trust_policy": _policy([trust_statement(source.external_id)]),
        "destination_role_policy": _policy(destination_statements),
        "destination_trust_policy": _policy([trust_statement(destination.external_id)]),
    }


def _lifecycle() -> dict[str, Any]:
    rule = {
        "ID": "abort-incomplete-uploads",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": ABORT_AFTER_DAYS},
    }
    return {"Rules": [rule]}


def _reading(source: Side, options: ObjectOptions) -> list[dict[str, Any]]:
    """Return what reading the source takes; versions have actions of their own."""
    statements = [_allow("ReadSource", read_actions(options), source.arns(source.patterns))]
    if source.versions:
        actions = read_actions(options, version=True)
        statements.append(_allow("ReadSourceVersions", actions, source.arns(source.versions)))
    return statements


def _writing(destination: Side, options: ObjectOptions, *, lists_uploads: bool) -> list[dict[str, Any]]:
    """Return what comparing with the destination and copying to it takes."""
    head_actions = ["s3:GetObject", *(["s3:GetObjectTagging"] if options.tags == "copy" else [])]
    keys = destination.arns(destination.patterns)
    statements = [
        _listing("ListDestination", destination),
        _allow("WriteDestination", write_actions(options), keys),
        _allow("LookAtDestination", head_actions, keys),
    ]
    if lists_uploads:
        statements.append(_listing_uploads(destination))
    return statements


def _listing(sid: str, side: Side) -> dict[str, Any]:
    statement = _allow(sid, ["s3:ListBucket"], [bucket_arn(side.role, side.location.bucket)])
    if "*" not in side.key_patterns():
        statement["Condition"] = {"StringLike": {"s3:prefix": side.key_patterns()}}
    return statement


def _listing_uploads(destination: Side) -> dict[str, Any]:
    """Return what listing open uploads takes; S3 knows no condition for a prefix there."""
    bucket = bucket_arn(destination.role, destination.location.bucket)
    return _allow("ListDestinationUploads", [LIST_UPLOADS], [bucket])


def _kms(options: ObjectOptions, destination: Side) -> list[dict[str, Any]]:
    """Return what encrypting by a key takes; parts of a multipart copy are decrypted to be joined."""
    key = options.kms_key_id
    if not key:
        return []
    partition = destination.role.split(":")[1]
    place = f"arn:{partition}:kms:{destination.location.region or '*'}:{destination.location.account or '*'}"
    alias = key.rpartition(":")[2] if key.rpartition(":")[2].startswith("alias/") else None
    if alias and key.startswith("arn:"):
        place = key.rpartition(":")[0]
    arn = key if key.startswith("arn:") and not alias else f"{place}:key/{'*' if alias else key}"
    statement = _allow("EncryptDestination", ["kms:GenerateDataKey", "kms:Decrypt"], [arn])
    if alias:
        statement["Condition"] = {"ForAnyValue:StringEquals": {"kms:ResourceAliases": alias}}
    return [statement]


def _allow(sid: str, actions: list[str], resources: list[str]) -> dict[str, Any]:
    return {"Sid": sid, "Effect": "Allow", "Action": actions, "Resource": resources}


def _granted(statement: dict[str, Any], roles: Sequence[str]) -> dict[str, Any]:
    """Return a statement as a resource's own policy has it."""
    unique = list(dict.fromkeys(roles))
    who = unique[0] if len(unique) == 1 else unique
    named = {"Sid": statement["Sid"], "Effect": "Allow", "Principal": {"AWS": who}}
    return named | {name: value for name, value in statement.items() if name not in named}


def _bucket_policy(name: str, side: Side, needs: list[tuple[dict[str, Any], list[str]]]) -> dict[str, Any]:
    """Return the policy of a bucket; {} where every role is of its account, whose own policy is enough."""
    statements = [
        _granted(statement, foreign)
        for statement, roles in needs
        if (foreign := [role for role in roles if role.split(":")[4] != side.location.account])
    ]
    return {f"{name}_bucket_policy": _policy(statements)} if statements else {}


def _policy(statements: list[dict[str, Any]]) -> dict[str, Any]:
    return {"Version": _VERSION, "Statement": statements}


def _written(patterns: Sequence[Pattern]) -> list[str]:
    texts = ("".join("*" if part is None else literal(part) for part in one) for one in patterns)
    return sorted(set(texts))
