"""What a bucket may be called: by its name, by the ARN of an access point, or by an access point's alias.

https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
"""

from __future__ import annotations

import re

_NAME = re.compile(
    r"(?!\d+\.\d+\.\d+\.\d+$)(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9._-]{1,253}[A-Za-z0-9_]", re.ASCII
)
"""Of any age: before March 2018, us-east-1 took capitals, underscores and 255 characters."""
_NAME_TODAY = re.compile(r"[a-z0-9.-]{3,63}", re.ASCII)
_ACCESS_POINT = re.compile(
    r"arn:aws[a-z-]*:s3:(?P<region>[a-z0-9-]+):[0-9]{12}:accesspoint[:/](?P<name>[a-z0-9-]{3,50})", re.ASCII
)
_ARN = "arn:"
_SHOWN_MAX = 80
_OTHERS = {
    "--x-s3": "is a directory bucket (--x-s3), whose listings are not sorted",
    "--xa-s3": "is an access point of a directory bucket, whose listings are not sorted",
    "--ol-s3": "is an Object Lambda access point, which S3 can't copy from. Name the access point behind it",
    "--op-s3": "is an access point of S3 on Outposts, which is another service than S3",
    "--table-s3": "is a table bucket, which has no objects to copy",
    ".mrap": (
        "is a Multi-Region Access Point, whose requests need signatures of another kind (SigV4A). "
        "Name one of its buckets, or an access point of one Region"
    ),
}
"""What S3 reserves the endings of names for."""
_OTHER_SERVICES = {
    ":s3-object-lambda:": _OTHERS["--ol-s3"],
    ":s3-outposts:": _OTHERS["--op-s3"],
    ":s3express:": _OTHERS["--xa-s3"],
    ":s3tables:": _OTHERS["--table-s3"],
}
_FORM = (
    "is not a valid bucket name: use 3 to 63 lower-case letters, digits, dots and hyphens, starting and "
    "ending with a letter or digit, or the ARN of an access point; no template, no s3:// prefix"
)


def is_access_point(bucket: str) -> bool:
    """Return whether a valid bucket is the ARN of an access point."""
    return bucket.startswith(_ARN)


def is_alias(bucket: str) -> bool:
    """Return whether a valid bucket is the alias of an access point: policies can't name it."""
    return bucket.endswith("-s3alias")


def find_region(bucket: str) -> str | None:
    """Return the region that the ARN of an access point names; None for a name."""
    found = _ACCESS_POINT.fullmatch(bucket)
    return found["region"] if found else None


def split_address(address: str) -> tuple[str, str]:
    """Return bucket and key of an address such as s3://bucket/key, unchecked; either may be empty."""
    path = address.removeprefix("s3://")
    point = _ACCESS_POINT.match(path)
    bucket = point.group() if point else path.partition("/")[0]
    return bucket, path.removeprefix(bucket).removeprefix("/")


def find_bucket_problem(bucket: str) -> str | None:
    """Return why a bucket can't be copied from or to; None if nothing is wrong with what it is called."""
    other = next((words for ending, words in _OTHERS.items() if bucket.endswith(ending)), None)
    if other is not None:
        return other
    if not bucket.startswith(_ARN):
        return None if _NAME.fullmatch(bucket) else _FORM
    if _ACCESS_POINT.fullmatch(bucket):
        return None
    name = bucket.partition(":s3:::")[2].partition("/")[0]
    if name:
        return f"is the ARN of a bucket. Write only its name, {name}"
    service = next((words for service, words in _OTHER_SERVICES.items() if service in bucket), None)
    return service or (
        "is not the ARN of an access point, such as arn:aws:s3:us-west-2:111122223333:accesspoint/ops"
    )


def find_address_problem(address: str, *, may_be_bucket: bool = False) -> str | None:
    """Return why a text is not the address of a list, or of a prefix of lists; None if it is.

    Args:
        address: without templates.
        may_be_bucket: the prefix may be empty.
    """
    if not address.startswith("s3://"):
        return "must be the address of a list, or of a prefix of lists, such as s3://bucket/lists/today.csv"
    bucket, key = split_address(address)
    words = find_bucket_problem(bucket)
    if words is not None:
        return f"the bucket {bucket[:_SHOWN_MAX]!r} {words}"
    if not key and not may_be_bucket:
        return "has no key after the bucket"
    if "*" in key or "?" in key:
        return "globs are not expanded here. Write a prefix that ends with `/` for all below it"
    return None


def is_legacy_name(bucket: str) -> bool:
    """Return whether only an old bucket, or one of another server than AWS, can have this name."""
    return not is_access_point(bucket) and not _NAME_TODAY.fullmatch(bucket)
