"""The error codes of S3 and SQS, and those of their transport, as this package's errors: one table.

https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from botocore import exceptions as boto

from s3copy_tasks.errors import (
    BAD_REQUEST,
    AccessError,
    Code,
    ConditionError,
    CopyError,
    ExpiredError,
    MissingError,
    RequestError,
    ThrottledError,
    TransientError,
    UnsupportedError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException", "RequestExpired", "TokenRefreshRequired"})
"""Codes after which one more attempt with new credentials makes sense."""

_NO_QUEUE = "AWS.SimpleQueueService.NonExistentQueue"
_CLASSES: dict[type[CopyError], frozenset[str]] = {
    AccessError: frozenset(
        {
            "AccessDenied",
            "AccessDeniedException",
            "AccountProblem",
            "AllAccessDisabled",
            "Forbidden",
            "InvalidAccessKeyId",
            "InvalidClientTokenId",
            "InvalidToken",
            "KMS.AccessDeniedException",
            "KMS.DisabledException",
            "KMS.NotFoundException",
            "NotSignedUp",
            "SignatureDoesNotMatch",
            "UnauthorizedAccess",
            "UnrecognizedClientException",
            "403",
        }
    ),
    RequestError: frozenset({"InvalidObjectState", "NoSuchUpload"}),  # else the status would decide
    UnsupportedError: frozenset({"NotImplemented", "501"}),
    MissingError: frozenset({_NO_QUEUE, "NoSuchBucket", "NoSuchKey", "NoSuchVersion", "404"}),
    ConditionError: frozenset({"PreconditionFailed", "412"}),
    ThrottledError: frozenset(
        {
            "KMS.ThrottlingException",
            "OverLimit",  # of messages of a queue that are received and not deleted
            "RequestLimitExceeded",
            "RequestThrottled",
            "SlowDown",
            "Throttling",
            "ThrottlingException",
            "TooManyRequests",
            "429",
            "503",
        }
    ),
    ExpiredError: EXPIRED,
    TransientError: frozenset(
        {
            "BadDigest",  # a body that arrived damaged
            "ConditionalRequestConflict",
            "IncompleteBody",
            "InternalError",
            "OperationAborted",
            "RequestTimeout",
            "ServiceUnavailable",
            "XAmzContentSHA256Mismatch",
            "408",
        }
    ),
}
_CLASS_OF_CODE = {code: cls for cls, codes in _CLASSES.items() for code in codes}
_ALSO_ARCHIVED = {"ObjectNotInActiveTierError": Code.ARCHIVED}
"""What S3's model calls the refusal of a CopyObject, and servers that follow it."""
_DELETE_MARKER = "x-amz-delete-marker"
_REQUEST_ID = "x-amz-request-id"
_SERVER_SIDE_ENCRYPTION = "a form of Server Side Encryption"
"""Part of S3's message when it needs the key that an object was written with."""
_NEEDS_KEY = (
    " The object may be encrypted with a key that only its writer has (SSE-C): such objects can't be copied. "
    "Exclude it, or write it again without SSE-C"
)
_SERVER_ERROR, _NOT_IMPLEMENTED = 500, 501
WEB_PAGE = "a web page answers, not S3. Check endpoint_url and proxies"
"""The message of a reply in HTML: a proxy's, or that of another server at the same address."""


def from_client_error(error: boto.ClientError) -> CopyError:
    """Return S3's error as one of this package's, without the reply's secrets."""
    response = error.response
    detail, metadata = response.get("Error", {}), response.get("ResponseMetadata", {})
    code = str(detail.get("Code") or response.get("Code") or "")  # RGW's STS has it at the top
    status, headers = int(metadata.get("HTTPStatusCode", 0)), metadata.get("HTTPHeaders", {})
    return from_reply(error.operation_name, code, join_message(detail), status, headers)


def from_reply(
    operation: str, code: str | None, message: str | None, status: int, headers: Mapping[str, str]
) -> CopyError:
    """Return the error of a reply.

    Args:
        operation: S3's name of it.
        code: S3's own, if the reply has one; else the status is used.
        message: S3's own, if the reply has one.
        status: of the reply; a server error can be retried, whatever its code, but not 501.
        headers: of the reply, names in lower case.
    """
    if headers.get(_DELETE_MARKER) == "true":
        return MissingError(f"{operation}: there is only a delete marker", code=Code.DELETE_MARKER)
    is_head = operation.startswith("Head")
    code = str(code or status or "Unknown")
    code = str(_ALSO_ARCHIVED.get(code, code))
    cls = _CLASS_OF_CODE.get(code) or _CLASS_OF_CODE.get(str(status))
    if status == _NOT_IMPLEMENTED:
        cls = UnsupportedError
    if cls is None:
        cls = TransientError if status >= _SERVER_ERROR else RequestError
    if is_web_page(headers.get("content-type")) and not is_head:
        message = WEB_PAGE
        if not issubclass(cls, TransientError):
            cls, code = RequestError, Code.NOT_S3
    reason = f"{operation}: {message or 'no message'}"
    if is_head and code == BAD_REQUEST:
        reason += f". S3 gives no reason for the refusal of a HEAD.{_NEEDS_KEY}"
    elif _SERVER_SIDE_ENCRYPTION in reason:
        reason += _NEEDS_KEY
    error = cls(reason, code=code)
    error.request_id = headers.get(_REQUEST_ID)
    return error


def join_message(detail: Mapping[str, Any]) -> str | None:
    """Return the message of an error, with the header or the argument that S3 names beside it."""
    message, named = detail.get("Message"), detail.get("Header") or detail.get("ArgumentName")
    return f"{message or ''} ({named})" if named and named not in (message or "") else message


def is_web_page(content_type: str | None) -> bool:
    """Say whether a reply is in HTML, by its header: S3's are in XML."""
    return (content_type or "").startswith("text/html")


def from_transport(error: boto.BotoCoreError) -> CopyError:
    """Return an error that is not a reply of S3: credentials, connections, timeouts, broken bodies."""
    name, message = type(error).__name__, str(error)
    if isinstance(
        error, (boto.NoCredentialsError, boto.PartialCredentialsError, boto.CredentialRetrievalError)
    ):
        return AccessError(message, code=Code.CREDENTIALS)
    if isinstance(error, (boto.EndpointConnectionError, boto.ConnectTimeoutError)):
        return TransientError(message, code=Code.ENDPOINT_UNREACHABLE)
    if isinstance(error, boto.SSLError):
        return RequestError(message, code=name)
    if isinstance(error, (boto.HTTPClientError, boto.IncompleteReadError, boto.ConnectionError)):
        return TransientError(message, code=name)
    return RequestError(message, code=name)
