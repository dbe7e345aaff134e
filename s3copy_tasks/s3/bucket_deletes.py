"""Deletes in one bucket: each object only if it still has the ETag that was listed.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-deletes.html
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from s3copy_tasks.core.objects import is_weak
from s3copy_tasks.core.text import can_be_in_xml
from s3copy_tasks.errors import AccessError, ConditionError, CopyError, RequestError, UnsupportedError
from s3copy_tasks.iam.statements import (
    add_remedy,
    bucket_arn,
    build_remedy,
    build_statement,
    escape_wildcards,
)
from s3copy_tasks.s3.delete_results import parse_deleted, parse_deleted_objects, parse_refusal
from s3copy_tasks.s3.fast.requests import INVALID
from s3copy_tasks.s3.version_rows import parse_versions

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence

    from s3copy_tasks.core.store import Deleted, DeleteRequest, VersionPage, VersionPlace

    Call = Callable[[str, Mapping[str, Any]], Awaitable[Mapping[str, Any]]]

_ENABLED = "Enabled"
_DELETE = ["s3:DeleteObject", "s3:GetObject"]
"""S3 needs the second for a condition on the ETag."""
_NO_CONDITION = frozenset({"", "*"})
"""In place of an ETag, these would match any object."""
_MFA = re.compile(r"\bmfa authentication|multi-?factor authentication", re.IGNORECASE)


class BucketDeletes:
    """Deletes objects of one bucket, and says whether deleted ones are kept as versions.

    Args:
        call: sends a request.
        asked: what each request names, the bucket among it.
        partition: returns the partition of AWS that the bucket is in, for policies.
    """

    def __init__(self, call: Call, asked: dict[str, Any], partition: Callable[[], str]) -> None:
        self._call, self._asked, self._partition = call, asked, partition
        self._bucket: str = asked["Bucket"]

    async def is_versioned(self) -> bool:
        """Return whether the bucket's versioning is enabled; suspended is not enabled."""
        try:
            reply = await self._call("GetBucketVersioning", self._asked)
        except AccessError as error:
            raise self._add_statement(error, ["s3:GetBucketVersioning"], None) from None
        return reply.get("Status") == _ENABLED

    async def delete_object(self, request: DeleteRequest) -> Deleted:
        """Delete the current version of an object, if it still has its ETag; see `Store`."""
        _check_etag(request)
        asked = {**self._asked, "Key": request.key}
        if request.is_conditional:
            asked["IfMatch"] = request.etag
        try:
            return parse_deleted(await self._call("DeleteObject", asked))
        except UnsupportedError as error:
            msg = (
                f"{error.reason}. The server lacks conditional deletes, so a mirror deletes there only in a "
                "bucket with versioning"
            )
            raise UnsupportedError(msg, code=error.code) from None
        except CopyError as error:
            outcome = self._judge(error, request.key)
        if isinstance(outcome, CopyError):
            raise outcome
        return outcome

    async def list_versions(self, prefix: str, *, after: VersionPlace | None) -> VersionPage:
        """Return a page of the versions and delete markers of keys that start with `prefix`; see `Store`."""
        where: dict[str, Any] = {"Prefix": prefix, "EncodingType": "url"}
        if after is not None:
            where["KeyMarker"] = after.key
            if after.version_id is not None:
                where["VersionIdMarker"] = after.version_id
        try:
            reply = await self._call("ListObjectVersions", self._asked | where)
        except AccessError as error:
            raise self._add_statement(error, ["s3:ListBucketVersions"], None) from None
        return parse_versions(self._bucket, reply)

    async def delete_marker(self, key: str, version_id: str) -> None:
        """Delete a delete marker for good; see `Store`."""
        try:
            reply = await self._call("DeleteObject", {**self._asked, "Key": key, "VersionId": version_id})
        except AccessError as error:
            if _MFA.search(error.reason):
                raise _explain_mfa(error) from None
            raise self._add_statement(error, ["s3:DeleteObjectVersion"], escape_wildcards(key)) from None
        parse_deleted(reply)

    async def delete_objects(self, requests: Sequence[DeleteRequest]) -> Mapping[str, Deleted | CopyError]:
        """Delete at most 1,000 objects, each if it still has its ETag; see `Store`."""
        outcomes: dict[str, Deleted | CopyError] = {}
        rows: list[dict[str, str]] = []
        for request in requests:
            try:
                _check_key(request)
                _check_etag(request)
            except CopyError as error:
                outcomes[request.key] = error
            else:
                rows.append({"Key": request.key, "ETag": request.etag})
        if not rows:
            return outcomes
        asked = {**self._asked, "Delete": {"Objects": rows, "Quiet": False}}
        try:
            reply = await self._call("DeleteObjects", asked)
        except AccessError as error:
            raise self._add_statement(error, _DELETE, "*") from None
        found = parse_deleted_objects(reply, {row["Key"] for row in rows})
        for key, outcome in found.items():
            outcomes[key] = self._judge(outcome, key) if isinstance(outcome, CopyError) else outcome
        return outcomes

    def _judge(self, error: CopyError, key: str) -> Deleted | CopyError:
        """Return what a refusal says of an object; for lack of rights, with the statement that allows it."""
        if isinstance(error, AccessError):
            return self._add_statement(error, _DELETE, escape_wildcards(key))
        return parse_refusal(error)

    def _add_statement(self, error: AccessError, actions: list[str], key: str | None) -> CopyError:
        allowed = build_statement(actions, bucket_arn(self._partition(), self._bucket, key))
        return add_remedy(error, build_remedy("the policy of the role that deletes", allowed))


def _check_key(request: DeleteRequest) -> None:
    if not can_be_in_xml(request.key):
        msg = "DeleteObjects: XML can't carry this key as it is: it must be deleted by DeleteObject"
        raise RequestError(msg, code=INVALID)


def _check_etag(request: DeleteRequest) -> None:
    """Check that an ETag is a condition: a delete without one could take an object that was not listed."""
    if is_weak(request.etag) or request.etag.strip('"') in _NO_CONDITION:
        msg = f"the ETag {request.etag!r} names no object, so this one is kept"
        raise ConditionError(msg, code="PreconditionFailed")


def _explain_mfa(error: AccessError) -> AccessError:
    """Return the refusal of a bucket with MFA delete: markers were written without a code, all the same."""
    msg = (
        f"{error.reason}. The bucket has MFA delete: delete markers are written without a code, and removed "
        "only with one: aws s3api delete-object --key ... --version-id ... --mfa 'SERIAL CODE'"
    )
    refusal = AccessError(msg, code=error.code)
    refusal.request_id = error.request_id
    return refusal
