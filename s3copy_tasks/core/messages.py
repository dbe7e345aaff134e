"""What a message of a queue says: which objects were written or removed. docs/queue.md has the forms.

An event is a hint: what is copied is what the object is when the message is handled.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

_TEST = "s3:TestEvent"
_S3 = "aws:s3"
_REMOVALS = ("ObjectRemoved:", "LifecycleExpiration:", "s3:ObjectRemoved:", "s3:LifecycleExpiration:")
_EVENTBRIDGE_SOURCE = "aws.s3"
_EVENTBRIDGE_REMOVAL = "Object Deleted"


class MessageError(ValueError):
    """A message that is in none of the forms."""


class ObjectEvent(NamedTuple):
    """Something happened to an object.

    Attributes:
        bucket: its name.
        key: whole key, decoded.
        is_removal: the object, or a version of it, was removed.
    """

    bucket: str
    key: str
    is_removal: bool


def parse_message(body: str) -> tuple[ObjectEvent, ...]:
    """Return the events of a message; none for S3's test event.

    Args:
        body: S3's own notification, whose keys are form-encoded, alone or wrapped by SNS; or EventBridge's,
            whose keys are not encoded.

    Raises:
        MessageError: it is something else.
    """
    document = _load(body)
    if "Message" in document and "TopicArn" in document:
        message = document["Message"]
        document = _load(message) if isinstance(message, str) else {}
    if document.get("Event") == _TEST:
        return ()
    try:
        if "Records" in document:
            return tuple(map(_read_record, document["Records"]))
        return (_read_eventbridge(document),)
    except (KeyError, TypeError, AttributeError):
        raise MessageError(_explain(document)) from None


def _load(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    except RecursionError:
        document = None
    if not isinstance(document, dict):
        raise MessageError(_explain(None))
    return document


def _read_record(record: dict[str, Any]) -> ObjectEvent:
    if record["eventSource"] != _S3:
        raise KeyError
    s3 = record["s3"]
    key = unquote_plus(_text(s3["object"]["key"]))
    return ObjectEvent(
        _text(s3["bucket"]["name"]), _text(key), is_removal=_text(record["eventName"]).startswith(_REMOVALS)
    )


def _read_eventbridge(document: dict[str, Any]) -> ObjectEvent:
    if document["source"] != _EVENTBRIDGE_SOURCE:
        raise KeyError
    detail = document["detail"]
    return ObjectEvent(
        _text(detail["bucket"]["name"]),
        _text(detail["object"]["key"]),
        is_removal=document["detail-type"] == _EVENTBRIDGE_REMOVAL,
    )


def _text(value: object) -> str:
    """Return a text that is not empty.

    Raises:
        TypeError: it is something else.
    """
    if not isinstance(value, str) or not value:
        raise TypeError
    return value


def _explain(document: dict[str, Any] | None) -> str:
    fields = "" if document is None else f"; its fields: {', '.join(sorted(document)[:5])}"
    return f"not an event of S3, alone, by SNS or by EventBridge{fields}"
