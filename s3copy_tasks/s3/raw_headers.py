"""Lets boto3 send headers as they were received, where botocore would refuse or change them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import MutableMapping

    from botocore.awsrequest import AWSPreparedRequest
    from mypy_boto3_s3.client import S3Client

_EXPIRES = "Expires"
_SET_ASIDE = "s3copy_expires"


def send_headers_raw(client: S3Client) -> None:
    """Send an `Expires` that is not a date as text, and all text beyond ASCII as UTF-8, in all requests."""
    events: Any = client.meta.events
    events.register("provide-client-params.s3", _set_expires_aside)
    events.register("before-call.s3", _add_expires)
    events.register("before-send.s3", _encode)


def _set_expires_aside(params: Any, context: MutableMapping[str, Any], **_: Any) -> dict[str, Any] | None:
    if not isinstance(params.get(_EXPIRES), str):
        return None
    context[_SET_ASIDE] = params[_EXPIRES]
    return {name: value for name, value in params.items() if name != _EXPIRES}


def _add_expires(params: Any, context: MutableMapping[str, Any], **_: Any) -> None:
    if _SET_ASIDE in context:
        params["headers"][_EXPIRES] = context.pop(_SET_ASIDE)


def _encode(request: AWSPreparedRequest, **_: Any) -> None:
    """Encode headers after they were signed as text: http.client would send Latin-1, or fail."""
    headers: Any = request.headers
    for name, value in list(headers.items()):
        if isinstance(value, str) and not value.isascii():
            headers[name] = value.encode()
