"""What S3-compatible servers may lack: headers that not every server supports, and what a job does without.

A server that lacks a header says so: 501, or 400 with the header's name. A header that is only a precaution
of this package is left out from then on. A header that the job asks for is not: the error names the field of
the YAML that leaves it out. docs/design/servers.md explains the choice.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from s3copy_tasks.errors import CopyError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from s3copy_tasks.core.job import EffectiveJob


class _Header(NamedTuple):
    """A header that not every server supports.

    Attributes:
        name: of the header.
        advice: what to change in the YAML, so that it is not sent; empty if nothing would help.
        without: what is different without it.
        precaution_of: kinds of requests that can do without it.
        said: pattern for what a refusal says about it, if that is not its name.
    """

    name: str
    advice: str = ""
    without: str = ""
    precaution_of: frozenset[str] = frozenset()
    said: str = ""

    def is_named(self, said: str) -> bool:
        """Whether a refusal is about this header."""
        return re.search(self.said or re.escape(self.name), said, re.IGNORECASE | re.DOTALL) is not None


_GUARD = _Header(
    "conditional writes (If-None-Match, If-Match)",
    advice="write overwrite: {unguarded}",
    without="what another client writes at the same time is overwritten",
    precaution_of=frozenset({"CompleteMultipartUpload", "CopyObject", "PutObject"}),
    said="(?<!source-)if-(none-)?match",
)
_ENCRYPTION = _Header("x-amz-server-side-encryption", advice="remove object.kms_key_id and object.encryption")
_BY_SIZE = "write verify: size"
_HEADERS = {
    "ACL": _Header("x-amz-acl", advice="remove object.acl"),
    "ChecksumAlgorithm": _Header(
        "x-amz-checksum-algorithm", advice=_BY_SIZE, said="x-amz-(sdk-)?checksum-algorithm"
    ),
    "ChecksumMode": _Header(
        "x-amz-checksum-mode",
        advice=_BY_SIZE,
        without="checksums are not compared",
        precaution_of=frozenset({"HeadObject"}),
    ),
    "ChecksumType": _Header("x-amz-checksum-type", advice=_BY_SIZE),
    "CopySourceIfMatch": _Header(
        "x-amz-copy-source-if-match",
        without="an object that changes after it was listed is copied as it is then",
        precaution_of=frozenset({"CopyObject"}),  # parts without it could be of two versions
    ),
    "ExpectedBucketOwner": _Header("x-amz-expected-bucket-owner", advice="remove {side}.account"),
    "ExpectedSourceBucketOwner": _Header(
        "x-amz-source-expected-bucket-owner", advice="remove source.account"
    ),
    "IfMatch": _GUARD,
    "IfNoneMatch": _GUARD,
    "MpuObjectSize": _Header(
        "x-amz-mp-object-size",
        without="the server does not check the size of a copy in parts",
        precaution_of=frozenset({"CompleteMultipartUpload"}),
    ),
    "OptionalObjectAttributes": _Header(
        "x-amz-optional-object-attributes",
        without="archived objects count as not restored",
        precaution_of=frozenset({"ListObjectsV2"}),
    ),
    "RequestPayer": _Header("x-amz-request-payer", advice="remove source.requester_pays"),
    "SSEKMSKeyId": _ENCRYPTION,
    "ServerSideEncryption": _ENCRYPTION,
    "StorageClass": _Header(
        "x-amz-storage-class",
        advice="write object.storage_class: STANDARD",
        said=r"^(?!InvalidObjectState).*storage.?class",
    ),
    "Tagging": _Header("x-amz-tagging", advice="write object.tags: drop", said="x-amz-tagging(?!-directive)"),
    "TaggingDirective": _Header("x-amz-tagging-directive", advice="write object.tags: copy"),
}
"""By boto3's name of the parameter."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Abilities:
    """What preflight found out about the servers of a run.

    Attributes:
        source_lacks: parameters that requests with the source's credentials leave out.
        destination_lacks: those that requests with the destination's credentials leave out.
    """

    source_lacks: tuple[str, ...] = ()
    destination_lacks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Demands:
    """Which optional headers a job depends on.

    Attributes:
        source_bucket: requests to it name the source's account.
        guards: the job must not overwrite anything, so its writes are conditional.
        checksums: the job verifies by checksum.
    """

    source_bucket: str = ""
    guards: bool = False
    checksums: bool = False

    @classmethod
    def of(cls, job: EffectiveJob) -> Demands:
        """Return what a job depends on."""
        return cls(
            source_bucket=job.source.bucket,
            guards=job.overwrite == "never",
            checksums=job.verify == "checksum",
        )

    def find_suspects(
        self, operation: str, params: Mapping[str, Any], error: CopyError, *, guess: bool
    ) -> list[frozenset[str]]:
        """Return which parameters to leave out of a request that was refused, the most likely ones first.

        Empty if the refusal is not about an optional header, or if the job depends on that header.

        Args:
            operation: S3's name of it.
            params: of the request.
            error: what the server answered.
            guess: suspect each precaution if the server names no header and the request has several.
        """
        named, optional = find_named(params, error), _find_optional(params)
        spared = [each for each in named or optional if self._is_precaution(operation, each)]
        if named:
            return [_all_of(spared)] if spared == named else []
        if not isinstance(error, UnsupportedError) or (len(optional) > 1 and not guess):
            return []
        return [_all_of([each]) for each in spared] + ([_all_of(spared)] if len(spared) > 1 else [])

    def explain(self, operation: str, params: Mapping[str, Any], error: CopyError) -> CopyError:
        """Return a refusal with what to change in the YAML; the error itself if nothing would help."""
        named = find_named(params, error)
        if not named and not isinstance(error, UnsupportedError):
            return error
        side = "source" if params.get("Bucket") == self.source_bucket else "destination"
        unguarded = "changed or overwrite: always" if self.guards else "always"
        found = named or _find_optional(params)
        if operation not in _GUARD.precaution_of:  # a delete, or the read of a range
            found = [header for header in found if header is not _GUARD]
        advice = {header.advice.format(side=side, unguarded=unguarded) for header in found} - {""}
        if not advice:
            return error
        what = " or ".join(sorted(advice))
        msg = f"{error.reason}. The server does not support what the job asks for: {what}"
        return UnsupportedError(msg, code=error.code)

    def _is_precaution(self, operation: str, header: _Header) -> bool:
        needed = (self.guards and header is _GUARD) or (self.checksums and header is _HEADERS["ChecksumMode"])
        return operation in header.precaution_of and not needed


NO_DEMANDS = Demands()
ALL_ABILITIES = Abilities()


def find_named(params: Mapping[str, Any], error: CopyError) -> list[_Header]:
    """Return the optional headers of a request that a refusal names."""
    said = f"{error.code} {error.reason}"
    return [header for header in _find_optional(params) if header.is_named(said)]


def find_spared(operation: str, lacks: Collection[str]) -> frozenset[str]:
    """Return what a request leaves out of the parameters that its server lacks.

    Only precautions: a delete without its condition could take an object that was not listed.
    """
    return frozenset(param for param in lacks if operation in _HEADERS[param].precaution_of)


def describe_lack(lacks: Collection[str]) -> tuple[str, str]:
    """Return the names of headers, and what is different without them."""
    headers = dict.fromkeys(_HEADERS[param] for param in sorted(lacks))
    return ", ".join(header.name for header in headers), "; ".join(header.without for header in headers)


def _find_optional(params: Mapping[str, Any]) -> list[_Header]:
    """Return the optional headers of a request."""
    return list(dict.fromkeys(_HEADERS[param] for param in params if param in _HEADERS))


def _all_of(headers: Collection[_Header]) -> frozenset[str]:
    """Return the parameters of headers: a server that lacks one kind of conditional write lacks both."""
    return frozenset(param for param, header in _HEADERS.items() if header in headers)
