"""Which refusals show that the client had the wrong region or a wrong clock."""

from __future__ import annotations

import pytest

from s3copy_tasks.s3.fast.corrections import ClockCorrection, Correction, RegionCorrection, find_correction
from s3copy_tasks.s3.fast.replies import Refusal

NOW = 1_767_225_600.0
RIGHT_DATE = "Thu, 01 Jan 2026 00:00:00 GMT"
LATER_DATE = "Thu, 01 Jan 2026 02:00:00 GMT"
EARLIER_DATE = "Wed, 31 Dec 2025 23:00:00 GMT"
THERE = RegionCorrection(region="ap-south-1")
LATER = ClockCorrection(server_time=NOW + 7200)

# method, status, code, region in the reply, Date -> what is corrected
CASES: dict[str, tuple[str, int, str | None, str | None, str | None, Correction | None]] = {
    "redirect": ("PUT", 301, "PermanentRedirect", "ap-south-1", RIGHT_DATE, THERE),
    "temporary redirect": ("PUT", 307, "TemporaryRedirect", "ap-south-1", RIGHT_DATE, THERE),
    "signed for another region": ("GET", 400, "AuthorizationHeaderMalformed", "ap-south-1", None, THERE),
    "head of a bucket elsewhere": ("HEAD", 400, None, "ap-south-1", RIGHT_DATE, THERE),
    "redirect to where it was sent": ("PUT", 301, "PermanentRedirect", "eu-west-1", RIGHT_DATE, None),
    "redirect to nowhere": ("PUT", 301, "PermanentRedirect", None, RIGHT_DATE, None),
    "bad request": ("PUT", 400, "InvalidArgument", "ap-south-1", RIGHT_DATE, None),
    "server ahead": ("PUT", 403, "RequestTimeTooSkewed", None, LATER_DATE, LATER),
    "server behind": (
        "PUT",
        403,
        "RequestTimeTooSkewed",
        None,
        EARLIER_DATE,
        ClockCorrection(server_time=NOW - 3600),
    ),
    "head with another time": ("HEAD", 403, None, "eu-west-1", LATER_DATE, LATER),
    "head that is denied": ("HEAD", 403, None, "eu-west-1", RIGHT_DATE, None),
    "denied, with another time": ("PUT", 403, "AccessDenied", None, LATER_DATE, None),
    "no date": ("PUT", 403, "RequestTimeTooSkewed", None, None, None),
    "odd date": ("PUT", 403, "RequestTimeTooSkewed", None, "today", None),
    "not found": ("HEAD", 404, None, None, LATER_DATE, None),
}


@pytest.mark.parametrize(
    ("method", "status", "code", "region", "date", "expected"), CASES.values(), ids=CASES.keys()
)
def test_corrections(
    method: str,
    status: int,
    code: str | None,
    region: str | None,
    date: str | None,
    expected: Correction | None,
) -> None:
    """A request is corrected if S3 reports a region or time that differs from what was sent."""
    refusal = Refusal(status=status, code=code, message=None, region=region)
    found = find_correction(refusal, method=method, region="eu-west-1", signed_at=NOW, server_date=date)
    assert found == expected


def test_the_clock_was_corrected_meanwhile() -> None:
    """A refusal is compared with the time its request was signed with, not with the time it is read."""
    refusal = Refusal(status=403, code="RequestTimeTooSkewed", message=None, region=None)
    found = find_correction(
        refusal, method="PUT", region="eu-west-1", signed_at=NOW - 7200, server_date=RIGHT_DATE
    )
    assert found == ClockCorrection(server_time=NOW)
