"""Do all clients copy the same? Compares keys, bytes and headers on a server that stores them.

The server is moto; boto3, which is not one of the compared clients, reads the results.
"""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tests.performance import peers
from tests.performance.report import Report
from tests.support.s3.servers import moto

if TYPE_CHECKING:
    from collections.abc import Callable

    from mypy_boto3_s3.client import S3Client

    from tests.performance.commands import Spent

OBJECTS = 500
CONTENDERS: dict[str, Callable[[peers.Asked], Spent]] = {
    "s3copy": peers.s3copy,
    "s5cmd": peers.s5cmd,
    f"rclone, {peers.RCLONE_AT_ONCE} transfers": peers.rclone,
    f"aws s3 cp, {peers.AWS_AT_ONCE} requests": peers.aws,
    "S3CopyPrefixOperator": peers.prefix_operator,
}
_ODD = (
    "a b/c+d%2Fe.txt",
    "ä/ö = ü & ß.csv",
    "deep/er/and/deeper",
    "dots/..x/.y",
    'quote\'d "twice"',
    "(1)~!*;:@,$",
    "<tag>&amp;",
    "double//slash",
)
_SOURCE, _PREFIX = "originals", "data/"


class Kept(NamedTuple):
    """What a server stores of an object."""

    body: bytes
    content_type: str
    metadata: dict[str, str]
    etag: str


def main() -> None:
    """Copy with each, compare, print the table and write it."""
    report = Report("same", objects=OBJECTS, versions=peers.install())
    rows = report.table(
        f"{OBJECTS} objects with different contents and headers, on a server that keeps state",
        "client",
        {"missing": 0, "other bytes": 0, "other headers": 0, "other ETag": 0, "extra": 0, "ended": 0},
        f"{len(_ODD)} keys are odd: quotes, spaces, signs, non-ASCII; one run each; moto, plain HTTP. "
        "Missing and extra: at the destination; headers are content type and user metadata",
    )
    with moto.running() as endpoint:
        client, _ = endpoint.owner_clients()
        originals = _fill(client)
        for number, (name, copy) in enumerate(CONTENDERS.items()):
            bucket = f"copies{number}"
            client.create_bucket(Bucket=bucket)
            ended = _copy(copy, endpoint.url, bucket)
            found = _contents(client, bucket, "out/")
            rows.add(name, *_differences(originals, found), ended)
            lacks = sorted(originals.keys() - found.keys())
            if lacks:
                report.remark(f"{name} did not copy, on this server: {', '.join(lacks[: len(_ODD)])}")
    report.finish()


def _copy(copy: Callable[[peers.Asked], Spent], url: str, bucket: str) -> str:
    """Copy everything; return how that ended."""
    source, destination = (_SOURCE, _PREFIX), (bucket, "out/")
    with tempfile.TemporaryDirectory() as home:
        asked = peers.Asked(url=url, ca_bundle=None, source=source, destination=destination, home=Path(home))
        try:
            copy(asked)
        except RuntimeError:
            return "with errors"
    return "well"


def _differences(originals: dict[str, Kept], copies: dict[str, Kept]) -> list[int]:
    """Count objects that are missing, differ in bytes, in headers, in ETag, or are extra."""
    both = [(original, copies[key]) for key, original in originals.items() if key in copies]
    return [
        len(originals) - len(both),
        sum(original.body != copy.body for original, copy in both),
        sum(original[1:3] != copy[1:3] for original, copy in both),
        sum(original.etag != copy.etag for original, copy in both),
        len(copies) - len(both),
    ]


def _fill(client: S3Client) -> dict[str, Kept]:
    """Write the objects; return them by their keys without the prefix."""
    client.create_bucket(Bucket=_SOURCE)
    keys = [*_ODD, *(f"part-{number:05}.parquet" for number in range(OBJECTS - len(_ODD)))]
    for number, key in enumerate(keys):
        client.put_object(
            Bucket=_SOURCE,
            Key=_PREFIX + key,
            Body=hashlib.sha256(key.encode()).digest() * (number % 600),
            ContentType="text/csv",
            Metadata={"number": str(number)},
        )
    return _contents(client, _SOURCE, _PREFIX)


def _contents(client: S3Client, bucket: str, prefix: str) -> dict[str, Kept]:
    """Return every object of a bucket by its key without the prefix, outside the prefix by the whole key."""
    found = {}
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        for row in page.get("Contents", ()):
            reply = client.get_object(Bucket=bucket, Key=row["Key"])
            kept = Kept(reply["Body"].read(), reply["ContentType"], reply["Metadata"], reply["ETag"])
            found[row["Key"].removeprefix(prefix)] = kept
    return found


if __name__ == "__main__":
    main()
