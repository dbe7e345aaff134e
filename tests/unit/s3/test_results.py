"""Objects of a listing are what S3 tells of, and nothing else is taken for one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from s3copy_tasks.errors import NOT_S3, RequestError
from s3copy_tasks.s3.results import listed_objects

ROW = {
    "Key": "a",
    "Size": 1,
    "LastModified": datetime(2026, 1, 1, tzinfo=UTC),
    "ETag": '"9b2cf535f27731c974343645a3985328"',
}


def test_a_page_of_objects() -> None:
    """Objects keep their order; the class is S3's default where none is listed."""
    first, second = listed_objects("bucket", [ROW, {**ROW, "Key": "b", "StorageClass": "GLACIER"}])
    assert (first.bucket, first.key, first.storage_class, first.is_archived) == (
        "bucket",
        "a",
        "STANDARD",
        False,
    )
    assert (second.key, second.is_archived) == ("b", True)
    assert listed_objects("bucket", []) == ()


@pytest.mark.parametrize("change", [{"ETag": "none"}, {"Size": -1}, {"Key": ""}, {"Size": None}])
def test_a_row_that_is_none_of_s3s(change: dict[str, Any]) -> None:
    """One row that S3 would not write refuses the page, by bucket and key: the server is another kind."""
    odd = {name: value for name, value in {**ROW, "Key": "odd", **change}.items() if value is not None}
    with pytest.raises(RequestError, match=f"bucket tells of {odd['Key']!r} as S3 would not") as raised:
        listed_objects("bucket", [ROW, odd])
    assert raised.value.code == NOT_S3
