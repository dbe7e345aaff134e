"""Listings of versions: encoded keys, the place of the next page, and rows that S3 would never send."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from s3copy_tasks.core.store import ListedVersion, VersionPlace
from s3copy_tasks.errors import RequestError, TransientError
from s3copy_tasks.s3.version_rows import parse_versions

ROW: dict[str, Any] = {
    "Key": "a%2Bb+%0A",
    "VersionId": "v1",
    "IsLatest": True,
    "LastModified": datetime(2026, 1, 31, tzinfo=UTC),
}
REPLY: dict[str, Any] = {"EncodingType": "url", "IsTruncated": False, "DeleteMarkers": [ROW]}


def test_a_page() -> None:
    """Keys are decoded if the reply says that they are encoded, also that of the next page."""
    page = parse_versions("b", {**REPLY, "IsTruncated": True, "NextKeyMarker": "a%2B", "Versions": []})
    assert page.next == VersionPlace(key="a+", version_id=None)
    marker = ListedVersion(
        key="a+b \n", version_id="v1", is_latest=True, is_marker=True, last_modified=ROW["LastModified"]
    )
    assert page.versions == (marker,)
    plain = parse_versions("b", {"IsTruncated": False, "Versions": [ROW | {"ETag": '"e"'}]})
    assert (plain.versions[0].key, plain.versions[0].is_marker, plain.next) == ("a%2Bb+%0A", False, None)


@pytest.mark.parametrize("named", ["a%2Bb+%0A", "a+b \n"], ids=["encoded", "plain"])
def test_where_the_next_page_begins(named: str) -> None:
    """At the last key of the page, also on servers that encode keys, but not this one (RGW, LocalStack)."""
    page = parse_versions("b", {**REPLY, "IsTruncated": True, "NextKeyMarker": named})
    assert page.next == VersionPlace(key="a+b \n")


@pytest.mark.parametrize(
    "wrong", [{"VersionId": None}, {"LastModified": "yesterday"}, {"Key": None}], ids=["id", "date", "key"]
)
def test_a_row_that_is_not_s3s(wrong: dict[str, Any]) -> None:
    """The error names the bucket and what is wrong."""
    with pytest.raises(RequestError, match=f"b describes .* as S3 never does: it has .*{next(iter(wrong))}"):
        parse_versions("b", {**REPLY, "DeleteMarkers": [ROW | wrong]})


def test_a_page_without_an_end() -> None:
    """A reply that does not say whether more follows is asked for again."""
    with pytest.raises(TransientError):
        parse_versions("b", {"DeleteMarkers": [ROW]})
