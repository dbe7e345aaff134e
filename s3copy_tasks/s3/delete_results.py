"""What S3's replies say of deletes: an object counts as deleted only if its own key is confirmed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from s3copy_tasks.core.store import Deleted
from s3copy_tasks.core.text import printable
from s3copy_tasks.errors import Code, ConditionError, CopyError, MissingError, RequestError, TransientError
from s3copy_tasks.s3.errors import from_reply
from s3copy_tasks.s3.fast.xml import unreadable_reply

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

_ONE, _MANY = "DeleteObject", "DeleteObjects"
_NO_CONTENT = 204
_ABSENT = frozenset({"NoSuchKey", Code.DELETE_MARKER})
_CONFLICT = "ConditionalRequestConflict"
"""A retry could delete what was written meanwhile, so it is one's own answer: the object is kept."""


def parse_deleted(reply: Mapping[str, Any]) -> Deleted:
    """Return what S3 confirms of one delete.

    Raises:
        TransientError: the status is not S3's: a gateway may have answered.
    """
    if reply["ResponseMetadata"]["HTTPStatusCode"] != _NO_CONTENT:
        raise unreadable_reply(_ONE, reply["ResponseMetadata"]["HTTPHeaders"].get("content-type"))
    return Deleted(marker_version_id=reply.get("VersionId") if reply.get("DeleteMarker") else None)


def parse_refusal(error: CopyError) -> Deleted | CopyError:
    """Return what a refusal says of an object: that it was absent, that it is kept, or the error itself.

    A 404 without a code says nothing: it may be the bucket that is missing, or another server.
    """
    if isinstance(error, MissingError) and error.code in _ABSENT:
        return Deleted(was_absent=True)
    if error.code != _CONFLICT:
        return error
    kept = ConditionError(error.reason, code=error.code)
    kept.request_id = error.request_id
    return kept


def parse_deleted_objects(reply: Mapping[str, Any], keys: Collection[str]) -> dict[str, Deleted | CopyError]:
    """Return what became of each key of a request.

    Args:
        reply: of DeleteObjects, not in its quiet mode.
        keys: those that were sent.

    Raises:
        RequestError: the reply has a key that was not sent, so any object may be deleted.
    """
    outcomes: dict[str, Deleted | CopyError] = {
        row.get("Key", ""): Deleted(marker_version_id=row.get("DeleteMarkerVersionId"))
        for row in reply.get("Deleted") or ()
    }
    headers = reply["ResponseMetadata"]["HTTPHeaders"]
    for row in reply.get("Errors") or ():
        refusal = from_reply(_MANY, row.get("Code") or Code.UNSPECIFIED, row.get("Message"), 200, headers)
        outcomes[row.get("Key", "")] = parse_refusal(refusal)
    unknown = next((key for key in outcomes if key not in keys), None)
    if unknown is not None:
        msg = f"{_MANY}: the reply has the key '{printable(unknown)}', which was not sent"
        error = RequestError(msg, code=Code.NOT_S3)
        error.may_be_done = True
        raise error
    for key in keys:
        if key not in outcomes:
            outcomes[key] = TransientError(f"{_MANY}: the reply lacks this key", code=Code.EMPTY_REPLY)
    return outcomes
