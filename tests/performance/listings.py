"""Answers what nginx can't in a null S3: listings of any range, deletes of many, STS, and rare requests.

A bucket `objects-<n>` has n keys, all directly below `data/`; every other bucket is empty. All are versioned.
What was deleted together is no longer listed.
nginx forwards requests to it, with the delay of the answer in a header.
"""

from __future__ import annotations

import re
import time
from bisect import bisect_left, bisect_right
from collections import defaultdict
from datetime import UTC, datetime
from functools import cache, lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qsl, urlsplit

from tests.performance.child import Child, obey

ETAG = "9b2cf535f27731c974343645a3985328"
"""The ETag of every object and every copy."""
MODIFIED = datetime(2026, 11, 1, 12, 34, 56, tzinfo=UTC)
MODIFIED_XML = f"<LastModified>{MODIFIED:%Y-%m-%dT%H:%M:%S}.000Z</LastModified>"
"""As S3 writes it: with milliseconds, always zero, and a Z."""
SIZE = 1_000
PREFIX = "data/"
DELAY_HEADER = "X-Delay"
XMLNS = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
_PAGE_KEYS = 1_000
_BUCKET = "objects-"
_OF_A_LISTING_V1 = frozenset({"delimiter", "encoding-type", "marker", "max-keys", "prefix"})
_UPLOAD = "<Bucket>b</Bucket><Key>k</Key><UploadId>upload</UploadId>"
_KEY = re.compile("<Key>.*?</Key>", re.DOTALL)
_DELETED: defaultdict[str, set[str]] = defaultdict(set)
"""Keys that were deleted, by bucket."""
MARKER = "3HL4kqtJvjVBH40Nrjfkd"
"""The version of every delete marker."""
_MARKED = f"<DeleteMarker>true</DeleteMarker><DeleteMarkerVersionId>{MARKER}</DeleteMarkerVersionId>"
_STS = {
    "AssumeRole": "<Credentials><AccessKeyId>ASIAMADEUP0000000000</AccessKeyId><SecretAccessKey>made-up"
    f"</SecretAccessKey><SessionToken>{'t' * 600}</SessionToken>"
    "<Expiration>2999-01-01T00:00:00Z</Expiration></Credentials>",
    "GetCallerIdentity": "<Arn>arn:aws:iam::444455556666:role/writer</Arn>",
}


class Listings(Child):
    """The server, on the second core."""

    def __init__(self) -> None:
        super().__init__("listings", core=1)


def bucket_of(objects: int) -> str:
    """Return the bucket that has this number of objects."""
    return f"{_BUCKET}{objects}"


class _Served:
    def __init__(self) -> None:
        self._server = _Server(("127.0.0.1", 0), _Handler)
        Thread(target=self._server.serve_forever, daemon=True).start()

    def port(self) -> int:
        return self._server.server_port


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1_024  # with the default of 5, many requests at once would wait for a second


class _Handler(BaseHTTPRequestHandler):
    def parse_request(self) -> bool:
        """Read the request, and note when its delay began."""
        self._began = time.monotonic()
        return super().parse_request()

    def do_GET(self) -> None:
        bucket, query = self._asked()
        if "list-type" in query or query.keys() <= _OF_A_LISTING_V1:
            asked = tuple(query.items())
            self._answer("ListBucketResult", _page(bucket, asked, len(_DELETED[bucket])))
        elif "location" in query:
            self._answer("LocationConstraint", "")
        elif "versioning" in query:
            self._answer("VersioningConfiguration", "<Status>Enabled</Status>")
        elif "uploads" in query:
            self._answer("ListMultipartUploadsResult", "<IsTruncated>false</IsTruncated>")
        else:
            self._answer("Error", "<Code>NotImplemented</Code>", 501)

    def do_HEAD(self) -> None:
        is_bucket = not urlsplit(self.path).path[1:].partition("/")[2]
        self._answer("", "", 200 if is_bucket else 404)

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer("", "", ETag=f'"{ETAG}"')

    def do_DELETE(self) -> None:
        self._answer("", "", 204)

    def do_POST(self) -> None:
        bucket, query = self._asked()
        body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        if "delete" in query:
            found = _KEY.findall(body)
            rows = (f"<Deleted>{key}{_MARKED}</Deleted>" for key in found)
            _DELETED[bucket].update(key.removeprefix("<Key>").removesuffix("</Key>") for key in found)
            self._answer("DeleteResult", "".join(rows))
        elif bucket:
            self._answer("InitiateMultipartUploadResult", _UPLOAD)
        else:
            action = dict(parse_qsl(body))["Action"]
            self._answer(f"{action}Response", f"<{action}Result>{_STS[action]}</{action}Result>")

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _asked(self) -> tuple[str, dict[str, str]]:
        parts = urlsplit(self.path)
        return parts.path[1:].partition("/")[0], dict(parse_qsl(parts.query, keep_blank_values=True))

    def _answer(self, name: str, text: str, status: int = 200, **headers: str) -> None:
        body = f"<{name} {XMLNS}>{text}</{name}>".encode() if name else b""
        delay = float(self.headers.get(DELAY_HEADER, 0))
        time.sleep(max(self._began + delay - time.monotonic(), 0.0))
        self.send_response(status)
        self.send_header("Content-Type", "application/xml")
        self.send_header("Content-Length", str(len(body)))
        for header, value in headers.items():
            self.send_header(header, value)
        self.end_headers()
        self.wfile.write(body)


@lru_cache(maxsize=512)  # each is listed by the plan and by a batch, in every run
def _page(bucket: str, asked: tuple[tuple[str, str], ...], deletes: int) -> str:
    """Return a page of a listing of either version; flat keys make a delimiter irrelevant."""
    query = dict(asked)
    keys, prefix = _keys(bucket), query.get("prefix", "")
    after = query.get("continuation-token") or query.get("start-after") or query.get("marker") or ""
    start = max(bisect_left(keys, prefix), bisect_right(keys, after))
    last = bisect_right(keys, prefix, key=lambda key: key[: len(prefix)])
    end = min(start + min(int(query.get("max-keys", _PAGE_KEYS)), _PAGE_KEYS), last)
    more = end < last
    next_page = "NextContinuationToken" if "list-type" in query else "NextMarker"
    token = f"<{next_page}>{keys[end - 1]}</{next_page}>" if more else ""
    encoded = "<EncodingType>url</EncodingType>" if "encoding-type" in query else ""  # keys need none
    head = f"<Name>{bucket}</Name><Prefix>{prefix}</Prefix><MaxKeys>{_PAGE_KEYS}</MaxKeys>"
    head += f"<KeyCount>{max(end - start, 0)}</KeyCount><IsTruncated>{str(more).lower()}</IsTruncated>{token}"
    return head + encoded + "".join(_row(key) for key in keys[start:end] if key not in _DELETED[bucket])


@cache
def _keys(bucket: str) -> list[str]:
    objects = int(bucket.removeprefix(_BUCKET)) if bucket.startswith(_BUCKET) else 0
    return [f"{PREFIX}part-{number:08}.parquet" for number in range(objects)]


def _row(key: str) -> str:
    return (
        f"<Contents><Key>{key}</Key>{MODIFIED_XML}<ETag>&quot;{ETAG}&quot;</ETag>"
        f"<Size>{SIZE}</Size><StorageClass>STANDARD</StorageClass></Contents>"
    )


if __name__ == "__main__":
    obey(_Served())
