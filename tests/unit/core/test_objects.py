"""An S3Object checks itself: an invalid one can't travel."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from s3copy_tasks.core.objects import S3Object

VALID: dict[str, Any] = {
    "bucket": "b",
    "key": "k",
    "size": 0,
    "last_modified": datetime(2026, 1, 1, tzinfo=UTC),
    "etag": '"0123456789abcdef0123456789abcdef"',
}
BAD: dict[str, dict[str, Any]] = {
    "empty-bucket": {"bucket": ""},
    "empty-key": {"key": ""},
    "negative-size": {"size": -1},
    "naive-date": {"last_modified": datetime(2026, 1, 1)},  # noqa: DTZ001 - that is the point
    "empty-etag": {"etag": ""},
    "short-etag": {"etag": '"0123"'},
    "etag-of-no-parts": {"etag": VALID["etag"][:-1] + '-0"'},
    "etag-with-tail": {"etag": VALID["etag"] + "x"},
}


@pytest.mark.parametrize("change", BAD.values(), ids=BAD)
def test_bad_objects(change: dict[str, Any]) -> None:
    """Bucket and key are not empty, size is at least 0, the date has a zone, the ETag has S3's form."""
    with pytest.raises(ValueError, match=r"needs|at least|not a valid S3 ETag"):
        S3Object(**(VALID | change))


ETAGS = {
    "plain": ("0123456789abcdef0123456789abcdef", False),
    "quoted": ('"0123456789abcdef0123456789abcdef"', False),
    "one-part": ('"0123456789abcdef0123456789abcdef-1"', True),
    "10,000-parts": ('"0123456789abcdef0123456789abcdef-10000"', True),
}


@pytest.mark.parametrize(("etag", "is_multipart"), ETAGS.values(), ids=ETAGS)
def test_etags(etag: str, is_multipart: bool) -> None:  # noqa: FBT001
    """An ETag with -N shows an upload in parts, quoted or not."""
    assert S3Object(**(VALID | {"etag": etag})).is_multipart is is_multipart
