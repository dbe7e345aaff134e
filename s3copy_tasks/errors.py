"""The errors of this package, grouped by what a caller does about them.

Every error has a `code`: S3's own code if S3 returned one, else a `Code`.
Codes are part of the interface: they are in metrics, logs and exit messages. Add codes, never rename one.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any


class Code(StrEnum):
    """Codes of this package. S3's own (AccessDenied, NoSuchBucket, SlowDown, ...) are used unchanged."""

    ARCHIVED = "InvalidObjectState"
    """S3's own code, used without a request to S3."""
    ACCESS_BREAKER = "NotAttempted"
    BATCH_LOST = "BatchLost"
    CREDENTIALS = "RoleNotAssumed"
    DELETE_MARKER = "DeleteMarker"
    DESTINATION_CONFLICT = "DestinationConflict"
    DIRECTORY_BUCKET = "DirectoryBucket"
    EMPTY_REPLY = "EmptyReply"
    ENDPOINT_UNREACHABLE = "EndpointUnreachable"
    INVALID_CONFIG = "InvalidConfig"
    INVALID_LIST = "InvalidList"
    INVALID_MESSAGE = "InvalidMessage"
    INVALID_PARAMETERS = "InvalidParameters"
    KEY_TOO_LONG = "KeyTooLong"
    LIST_CHANGED = "ListChanged"
    LIST_TOO_OLD = "ListTooOld"
    RESULTS_NOT_WRITTEN = "ResultsNotWritten"
    NOT_S3 = "ListingNotS3"
    NOT_SORTED = "ListingNotSorted"
    NOTHING_FOUND = "NothingFound"
    NOTHING_IN_SCOPE = "NothingInScope"
    NOT_DELETED = "NotDeleted"
    NOT_PROVEN = "DeleteNotProven"
    PLAN_FAILED = "PlanFailed"
    PLAN_MISMATCH = "PlanMismatch"
    RELAY_NEEDED = "RelayNeeded"
    RELAY_TOO_LARGE = "RelayTooLarge"
    SOURCE_CHANGED = "SourceChanged"
    UNSPECIFIED = "Unspecified"
    VERIFICATION_FAILED = "VerificationFailed"
    WRONG_ACCOUNT = "WrongAccount"


BAD_REQUEST = "400"
"""The code of a refusal whose reply has no body, and so no code: its status. A HEAD's has none."""


class CopyError(Exception):
    """The root of this package's errors.

    Attributes:
        code: a stable word for the kind of error.
        reason: one sentence, or a few lines, for people. Contains no secrets.
        remedy: a line that names the policy statement that would allow what was refused, and the policy that
            lacks it; or the policy whose Deny refused it, or the field to set. None if nothing is known to
            help.
        message: the reason, and the remedy below it.
        attempts: number of requests that were made before giving up.
        may_be_done: one of them may have been carried out despite the error; None if that was not decided.
        request_id: S3's id of the refused request, which AWS's support asks for; None if there is none.

    Example:
        >>> try:
        ...     raise AccessError("role/reader is not allowed to perform s3:GetObject", code="AccessDenied")
        ... except CopyError as error:
        ...     print(error.code)
        AccessDenied
    """

    attempts: int = 1
    may_be_done: bool | None = None
    request_id: str | None = None

    def __init__(self, reason: str, *, code: str, remedy: str | None = None) -> None:
        self.code = str(code)  # plain text, even for a `Code`: it goes to XCom, logs and pages
        self.reason = reason
        self.remedy = remedy
        self.message = reason if remedy is None else f"{reason}\n{remedy}"
        super().__init__(self.message)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by value: errors travel through XCom, processes and retries."""
        state = {
            "attempts": self.attempts,
            "may_be_done": self.may_be_done,
            "request_id": self.request_id,
        }
        return _rebuild, (type(self), self.reason, self.code, self.remedy), state

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class ConfigError(CopyError):
    """The configuration, or its rendered result, is wrong: fix the YAML."""


class AccessError(CopyError):
    """Credentials are missing, permanently expired, or not allowed to: fix a role or a policy."""


class MissingError(CopyError):
    """A bucket, a prefix or an object does not exist."""


class ConditionError(CopyError):
    """A precondition of a request failed: another client wrote at the same time. Check again."""


class RequestError(CopyError):
    """S3 refused the request for a reason that a retry does not change."""


class UnsupportedError(RequestError):
    """The server does not know the request, or a header of it (501): leave it out, or use another server."""


class TransientError(CopyError):
    """Worth another attempt: 5xx, resets, timeouts, truncated or empty replies."""


class ThrottledError(TransientError):
    """S3 asks for fewer requests (503 SlowDown, 429)."""


class ExpiredError(TransientError):
    """The credentials have expired: worth another attempt with new ones, else an access error."""


def is_worth_a_retry(error: CopyError) -> bool:
    """Say whether a task that ended with this error should be retried."""
    return isinstance(error, TransientError) and not isinstance(error, ExpiredError)


def as_copy_error(error: BaseException) -> CopyError:
    """Return an error of this package unchanged, and any other with its name as code."""
    return error if isinstance(error, CopyError) else CopyError(str(error), code=type(error).__name__)


def _rebuild(cls: type[CopyError], reason: str, code: str, remedy: str | None = None) -> CopyError:
    return cls(reason, code=code, remedy=remedy)
