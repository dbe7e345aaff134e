"""Addresses of objects: the bucket may be the ARN of an access point, which contains slashes."""

from __future__ import annotations

import pytest

from s3copy_tasks.core.bucket_names import split_address

POINT = "arn:aws:s3:us-west-2:111122223333:accesspoint/lists"
ADDRESSES = {
    "a key": ("s3://lists/a/b.csv", ("lists", "a/b.csv")),
    "a prefix": ("s3://lists/a/", ("lists", "a/")),
    "a bucket": ("s3://lists/", ("lists", "")),
    "a bucket without a slash": ("s3://lists", ("lists", "")),
    "a key with a slash at its start": ("s3://lists//a", ("lists", "/a")),
    "an access point": (f"s3://{POINT}/a/b.csv", (POINT, "a/b.csv")),
    "an access point with colons": (f"s3://{POINT.replace('/', ':')}/a", (POINT.replace("/", ":"), "a")),
    "an access point alone": (f"s3://{POINT}", (POINT, "")),
    "a template": ("s3://lists/{{ ds }}/a.csv", ("lists", "{{ ds }}/a.csv")),
    "the ARN of a bucket": ("s3://arn:aws:s3:::lists/a", ("arn:aws:s3:::lists", "a")),
}


@pytest.mark.parametrize(("address", "expected"), ADDRESSES.values(), ids=ADDRESSES)
def test_an_address_is_a_bucket_and_a_key(address: str, expected: tuple[str, str]) -> None:
    """The bucket ends at the first slash that is not part of an access point's ARN."""
    assert split_address(address) == expected
