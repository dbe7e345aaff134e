"""Checks recorded requests against policy documents: what each needs, and whether it is allowed.

It supports only what the documents of this repository use: Allow statements, wildcards, StringEquals
and StringLike. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.support.s3.proxy import Request

Document = Mapping[str, Any]

_FIELDS = {"Sid", "Effect", "Principal", "Action", "Resource", "Condition"}
_MATCHES = {"StringEquals": lambda text, pattern: text == pattern, "StringLike": fnmatchcase}
_OF_OBJECTS = {
    "GetObject": "s3:GetObject",
    "HeadObject": "s3:GetObject",
    "CopyObject": "s3:PutObject",
    "CreateMultipartUpload": "s3:PutObject",
    "PutObject": "s3:PutObject",
    "UploadPartCopy": "s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject",
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
    "DeleteObject": "s3:DeleteObject",
}
_BY_HEADER = {"x-amz-tagging": "s3:PutObjectTagging", "x-amz-acl": "s3:PutObjectAcl"}
"""What a write needs in addition, if it has one of these headers."""


@dataclass(frozen=True)
class Access:
    """One action of one role on one resource, with the values for conditions."""

    role: str
    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return " ".join([self.role, self.action, self.resource, *map("=".join, self.context.items())])


def service_of(request: Request) -> str:
    """Return the service that a signed request goes to."""
    return _scope(request)[3]


def key_id_of(request: Request) -> str:
    """Return the id of the access key that signed a request."""
    return _scope(request)[0]


def _scope(request: Request) -> list[str]:
    return request.headers["authorization"].partition("Credential=")[2].partition(",")[0].split("/")


def accesses(request: Request, role: str, *, found: bool = True) -> list[Access]:
    """Return all that a request to S3 or STS needs.

    Args:
        request: as it was recorded.
        role: the signer.
        found: False if the answer was 404: for that, S3 also requires the permission to list the key; else
            it answers 403.

    Raises:
        KeyError: it is of a kind that this module does not know.
    """
    if service_of(request) == "sts":
        return _of_sts(parse_qs(request.body.decode()), role)
    path = unquote(urlsplit(request.target).path).lstrip("/")
    bucket, _, key = path.partition("/")
    if request.kind == "ListObjectsV2":
        return [_listing(role, bucket, request.query.get("prefix", ""))]
    if request.kind == "GetBucketVersioning":
        return [Access(role, "s3:GetBucketVersioning", _arn(bucket))]
    if not key or "tagging" in request.query:
        raise KeyError(f"{request.method} {request.target}")
    needed = [Access(role, _OF_OBJECTS[request.kind], _arn(path))]
    needed += [
        Access(role, action, _arn(path)) for header, action in _BY_HEADER.items() if header in request.headers
    ]
    if "if-match" in request.headers and request.kind == "DeleteObject":
        needed.append(Access(role, "s3:GetObject", _arn(path)))
    needed += [] if found else [_listing(role, bucket, key)]
    source = request.headers.get("x-amz-copy-source")
    if source is not None:
        needed.append(Access(role, "s3:GetObject", _arn(unquote(source.partition("?")[0]).lstrip("/"))))
    return needed


def _listing(role: str, bucket: str, prefix: str) -> Access:
    return Access(role, "s3:ListBucket", _arn(bucket), {"s3:prefix": prefix})


def _of_sts(form: Mapping[str, list[str]], role: str) -> list[Access]:
    (action,) = form["Action"]
    if action == "GetCallerIdentity":
        return []  # needs no permission
    if action != "AssumeRole":
        raise KeyError(action)
    context = {"sts:ExternalId": form["ExternalId"][0]} if "ExternalId" in form else {}
    return [Access(role, "sts:AssumeRole", form["RoleArn"][0], context)]


def _arn(path: str) -> str:
    return f"arn:aws:s3:::{path}"


@dataclass(frozen=True)
class Policies:
    """Policy documents in force.

    Attributes:
        of_roles: documents by the ARN of the role that has them.
        of_resources: bucket policies by bucket ARN, trust policies by role ARN.
        owners: account by bucket ARN.
    """

    of_roles: Mapping[str, Sequence[Document]]
    of_resources: Mapping[str, Document]
    owners: Mapping[str, str]

    def allow(self, access: Access) -> bool:
        """Across accounts both policies must allow, in one account either; assuming a role needs both."""
        target = access.resource
        by_role = any(_allows(document, access) for document in self.of_roles.get(access.role, ()))
        if access.action == "sts:AssumeRole":
            trust = self.of_resources.get(target)
            return by_role and trust is not None and _allows(trust, access, resource=False)
        bucket = target.partition("/")[0]
        policy = self.of_resources.get(bucket)
        by_resource = policy is not None and _allows(policy, access)
        if self.owners[bucket] == access.role.split(":")[4]:
            return by_role or by_resource
        return by_role and by_resource

    def less_one(self) -> Iterator[tuple[Policies, str]]:
        """Yield, for each grant, the policies without it, and the grant."""
        for role, documents in self.of_roles.items():
            for i, document in enumerate(documents):
                for way, grant in grants(document):
                    others = [*documents[:i], without(document, way), *documents[i + 1 :]]
                    yield replace(self, of_roles={**self.of_roles, role: others}), grant
        for resource, document in self.of_resources.items():
            for way, grant in grants(document):
                less = {**self.of_resources, resource: without(document, way)}
                yield replace(self, of_resources=less), grant


def _allows(document: Document, access: Access, *, resource: bool = True) -> bool:
    return any(_statement_allows(one, access, resource=resource) for one in document["Statement"])


def _statement_allows(statement: Document, access: Access, *, resource: bool) -> bool:
    unknown = set(statement) - _FIELDS
    if unknown or statement["Effect"] != "Allow":
        raise ValueError(f"this module does not know {unknown or statement['Effect']}")
    return (
        ("Principal" not in statement or access.role in _listed(statement["Principal"]["AWS"]))
        and _any_matches(access.action, statement["Action"])
        and (not resource or _any_matches(access.resource, statement["Resource"]))
        and all(
            key in access.context
            and any(_MATCHES[operator](access.context[key], pattern) for pattern in _listed(patterns))
            for operator, wanted in statement.get("Condition", {}).items()
            for key, patterns in wanted.items()
        )
    )


def _any_matches(text: str, patterns: Any) -> bool:
    return any(fnmatchcase(text, pattern) for pattern in _listed(patterns))


def _listed(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


Way = tuple[str | int, ...]


def grants(document: Document) -> Iterator[tuple[Way, str]]:
    """Yield every single action, resource, principal and wanted value of a document, with the way to it."""
    for i, statement in enumerate(document["Statement"]):
        for name, value in statement.items():
            if name not in {"Sid", "Effect"}:
                yield from _leaves(value, ("Statement", i, name))


def _leaves(value: Any, way: Way) -> Iterator[tuple[Way, str]]:
    if isinstance(value, str):
        yield way, value
    else:
        for step, below in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _leaves(below, (*way, step))


def without(document: Document, way: Way) -> Document:
    """Return a document without one of its grants: nothing matches in its place."""
    less: Any = copy.deepcopy(document)
    place = less
    for step in way[:-1]:
        place = place[step]
    place[way[-1]] = "(nothing)"
    return less  # type: ignore[no-any-return]
