"""An S3Object checks itself: an invalid one can't travel."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from s3copy_tasks.core.objects import ForeignObject, S3Object, is_md5, same_etag

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


@pytest.mark.parametrize(
    "etag",
    ['"0123"', VALID["etag"][:-1] + '-0"', VALID["etag"] + "x", f"W/{VALID['etag']}", '"0x8DC0123456789AB"'],
)
def test_etags_that_are_not_md5s(etag: str) -> None:
    """An ETag of any other form than S3's proves nothing about content."""
    assert is_md5(VALID["etag"])
    assert not is_md5(etag)
    assert not ForeignObject(**(VALID | {"etag": etag})).is_multipart


@pytest.mark.parametrize("change", [{"etag": ""}, {"etag": '""'}, {"size": -1}, {"key": ""}], ids=str)
def test_bad_objects_of_other_servers(change: dict[str, Any]) -> None:
    """Another form of ETag is all that an object of another server may have."""
    with pytest.raises(ValueError, match=r"needs|at least"):
        ForeignObject(**(VALID | change))


@pytest.mark.parametrize("written", ["{}", '"{}"', 'W/"{}"'])
def test_one_etag_in_several_forms(written: str) -> None:
    """A server, or a proxy before it, may write an ETag without quotes or as a weak one."""
    assert same_etag(written.format("0x8DC"), '"0x8DC"')
    assert not same_etag(written.format("0x8DD"), '"0x8DC"')
