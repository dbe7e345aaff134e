"""What S3's refusal of a request shows that this client got wrong: the region of a bucket, or the time.

A retry with the correction is all that tells the two attempts apart. Rule 16 of docs/design/rules.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from s3copy_tasks.s3.fast.replies import Refusal

_ANOTHER_REGION = frozenset(
    {"AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "PermanentRedirect"}
)
_REDIRECTS = frozenset({301, 302, 307})
_BAD_REQUEST, _FORBIDDEN = 400, 403
_SKEWED = "RequestTimeTooSkewed"
_TOLERATED_SECONDS = 240
"""S3 refuses a clock that is 15 minutes off; a HEAD's refusal has no code, and the Date must speak for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionCorrection:
    """The bucket is in another region: requests for it go there, and are signed for it.

    Attributes:
        region: where S3 says that the bucket is.
    """

    region: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockCorrection:
    """The server has another time: all requests are signed with it.

    Attributes:
        ahead_seconds: of the time that requests are signed with; negative where the server is behind it.
    """

    ahead_seconds: float


Correction = RegionCorrection | ClockCorrection


def find_correction(
    refusal: Refusal, *, method: str, region: str, now: float, server_date: str | None
) -> Correction | None:
    """Return what would make the request right; None where S3 refused it for another reason.

    Args:
        refusal: why S3 did not do it.
        method: of the request; to a HEAD, S3 answers by the status alone.
        region: that the request was signed for.
        now: Unix time in seconds, as requests are signed with it.
        server_date: the Date header of the reply.
    """
    if _is_another_region(refusal, method) and refusal.region not in {None, region}:
        return RegionCorrection(region=str(refusal.region))
    if refusal.code == _SKEWED or (method == "HEAD" and refusal.status == _FORBIDDEN):
        ahead_seconds = _seconds_between(now, server_date)
        if abs(ahead_seconds) > _TOLERATED_SECONDS:
            return ClockCorrection(ahead_seconds=ahead_seconds)
    return None


def _is_another_region(refusal: Refusal, method: str) -> bool:
    if refusal.status in _REDIRECTS or refusal.code in _ANOTHER_REGION:
        return True
    return method == "HEAD" and refusal.status == _BAD_REQUEST


def _seconds_between(now: float, date: str | None) -> float:
    """Return by how much the server's clock is ahead; 0 where the server does not say."""
    try:
        return parsedate_to_datetime(date).timestamp() - now if date else 0.0
    except ValueError:
        return 0.0
