"""What to change in the config after a refusal of S3 that no policy statement would lift: one table."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from s3copy_tasks.errors import CopyError

_KEY = (
    "Name an enabled key in the bucket's region in object.kms_key_id, or in the bucket's default encryption"
)
_REGION = "Set {side}.region to the bucket's region, or {side}.endpoint_url to the server that has the bucket"
_ACCESS_KEY = (
    "Check the access key of the {side}: login and password of its connection, or the credentials of the "
    "environment"
)
_HINTS = {
    "AccessControlListNotSupported": "Remove object.acl: the bucket has ACLs disabled",
    "InvalidAccessKeyId": _ACCESS_KEY,
    "InvalidToken": _ACCESS_KEY,
    "KMS.DisabledException": _KEY,
    "KMS.NotFoundException": _KEY,
    "PermanentRedirect": _REGION,
    "SignatureDoesNotMatch": _ACCESS_KEY,
    "TemporaryRedirect": _REGION,
}


def add_hint(side: str, error: CopyError) -> CopyError | None:
    """Return an error with what to change; None if its code is in no way special.

    Args:
        side: whose bucket refused.
        error: the refusal.
    """
    hint = _HINTS.get(error.code)
    if hint is None:
        return None
    return type(error)(f"{side}: {error.reason.removesuffix('.')}. {hint.format(side=side)}", code=error.code)


def name_side(side: str, error: CopyError) -> CopyError:
    """Return an error with the side that it is about, and with what to change if that is known."""
    return add_hint(side, error) or type(error)(f"{side}: {error.message}", code=error.code)
