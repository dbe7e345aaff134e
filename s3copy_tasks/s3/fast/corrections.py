"""Corrections that S3's refusal of a request asks for: the region of a bucket, or the clock.

The retry differs from the first attempt only by the correction. Rule 16 of docs/design/rules.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from s3copy_tasks.s3.results import parse_date_header

if TYPE_CHECKING:
    from s3copy_tasks.s3.fast.replies import Refusal

_ANOTHER_REGION = frozenset(
    {"AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "PermanentRedirect"}
)
_REDIRECTS = frozenset({301, 302, 307})
_BAD_REQUEST, _FORBIDDEN = 400, 403
_SKEWED = "RequestTimeTooSkewed"
_TOLERATED_SECONDS = 240
"""S3 refuses a clock that is 15 minutes off. The refusal of a HEAD has no code: its Date has to decide."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RegionCorrection:
    """The bucket is in another region: requests for it go there, and are signed for it.

    Attributes:
        region: where S3 says that the bucket is.
    """

    region: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockCorrection:
    """The server has another time: all later requests are signed with it.

    Attributes:
        server_time: Unix time in seconds, when the server replied.
    """

    server_time: float


Correction = RegionCorrection | ClockCorrection


def find_correction(
    refusal: Refusal, *, method: str, region: str, signed_at: float, server_date: str | None
) -> Correction | None:
    """Return the correction of a request; None if S3 refused it for another reason.

    Args:
        refusal: of the request.
        method: of the request; S3 answers a HEAD with a status only.
        region: that the request was signed for.
        signed_at: Unix time in seconds that this request was signed with; a concurrent request may have
            corrected the clock since then.
        server_date: the Date header of the reply.
    """
    if _is_another_region(refusal, method) and refusal.region not in {None, region}:
        return RegionCorrection(region=str(refusal.region))
    if refusal.code == _SKEWED or (method == "HEAD" and refusal.status == _FORBIDDEN):
        found = parse_date_header(server_date)
        if found is not None and abs(found.timestamp() - signed_at) > _TOLERATED_SECONDS:
            return ClockCorrection(server_time=found.timestamp())
    return None


def _is_another_region(refusal: Refusal, method: str) -> bool:
    if refusal.status in _REDIRECTS or refusal.code in _ANOTHER_REGION:
        return True
    return method == "HEAD" and refusal.status == _BAD_REQUEST
