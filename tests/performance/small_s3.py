"""What S3 and STS answer, for a benchmark's server: keys, sizes and ETags are kept, bodies are not.

No signature is checked and no owner known. What a copy depends on is there: sorted listings in pages,
preconditions, 5 GiB as the most that one CopyObject takes, multipart copies.
"""

from __future__ import annotations

import time
from bisect import bisect_left, bisect_right
from collections import Counter
from dataclasses import dataclass, field
from email.utils import formatdate
from hashlib import md5
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from tests.proxy import Reply, Request

SINGLE_COPY_BYTES = 5 * 2**30
_STS = {
    "AssumeRole": "<Credentials><AccessKeyId>ASIAMADEUP0000000000</AccessKeyId><SecretAccessKey>made-up"
    "</SecretAccessKey><SessionToken>made-up</SessionToken><Expiration>2999-01-01T00:00:00Z</Expiration>"
    "</Credentials>",
    "GetCallerIdentity": "<Arn>arn:aws:iam::444455556666:role/writer</Arn>",
}


class Refused(Exception):  # noqa: N818 - not every refusal is an error
    """S3 answers with a status and a code."""


@dataclass(frozen=True, slots=True)
class Stored:
    """An object, as far as it is kept."""

    size: int
    etag: str
    modified: float = field(default_factory=time.time)


class SmallS3:
    """The server's state: `answer` is for its clients, the public verbs before it are for the benchmark."""

    def __init__(self) -> None:
        self.delay = 0.0
        self._denied: set[str] = set()
        self._changing: set[str] = set()
        self._buckets: dict[str, dict[str, Stored]] = {}
        self._sorted: dict[str, list[str]] = {}
        self._uploads: dict[str, dict[int, int]] = {}
        self._kinds: Counter[str] = Counter()
        self._copy_headers: dict[str, str] = {}

    def fill(self, bucket: str, prefix: str, objects: int, size: int) -> None:
        """Put so many objects of a size below a prefix."""
        for index in range(objects):
            self._put(bucket, f"{prefix}{index:06}", size)

    def behave(
        self, delay: float = 0.0, denied: tuple[str, ...] = (), changing: tuple[str, ...] = ()
    ) -> None:
        """Answer after so many seconds, deny writes to some keys, change some sources just before a copy.

        The key "*" stands for every key.
        """
        self.delay, self._denied, self._changing = delay, set(denied), set(changing)

    def keys(self, bucket: str) -> list[str]:
        """Return the keys of a bucket in S3's order."""
        if bucket not in self._sorted:
            self._sorted[bucket] = sorted(self._buckets.get(bucket, {}))
        return self._sorted[bucket]

    def report(self) -> dict[str, Any]:
        """Return requests by kind and the last copy's headers since the last report, and all CPU seconds."""
        kinds, headers = self._kinds, self._copy_headers
        self._kinds, self._copy_headers = Counter(), {}
        return {"kinds": kinds, "copy_headers": headers, "cpu": time.process_time()}

    def answer(self, request: Request) -> Reply:
        """Return what S3, or STS, says."""
        bucket, _, key = unquote(urlsplit(request.target).path)[1:].partition("/")
        kind = request.kind if bucket else parse_qs(request.body.decode())["Action"][0]
        self._kinds[kind] += 1
        if kind in _STS:
            return _xml(f"{kind}Response", f"<{kind}Result>{_STS[kind]}</{kind}Result>")
        verb = {
            "AbortMultipartUpload": self._abort_upload,
            "CompleteMultipartUpload": self._complete_upload,
            "CopyObject": self._copy_object,
            "CreateMultipartUpload": self._create_upload,
            "GetObject": self._get_byte,
            "GetObjectTagging": self._no_tags,
            "HeadObject": self._head_object,
            "ListObjectsV2": self._list_objects,
            "UploadPartCopy": self._copy_part,
        }[kind]
        try:
            return verb(bucket, key, request)
        except Refused as refusal:
            status, code = refusal.args
            return Reply(status) if request.method == "HEAD" else Reply.error(status, code, "refused")

    def _put(self, bucket: str, key: str, size: int, etag: str = "") -> Stored:
        made = Stored(size, etag or f'"{md5(f"{key} {size}".encode()).hexdigest()}"')
        objects = self._buckets.setdefault(bucket, {})
        if key not in objects:
            self._sorted.pop(bucket, None)
        objects[key] = made
        return made

    def _found(self, bucket: str, key: str) -> Stored:
        if key not in self._buckets.get(bucket, {}):
            raise Refused(404, "NoSuchKey")
        return self._buckets[bucket][key]

    def _list_objects(self, bucket: str, _: str, request: Request) -> Reply:
        query = request.query
        if "delimiter" in query or query.get("encoding-type") != "url":
            raise Refused(501, "NotImplemented")
        keys, prefix = self.keys(bucket), query.get("prefix", "")
        after = unquote(query.get("continuation-token", "")) or query.get("start-after", "")
        first = max(bisect_left(keys, prefix), bisect_right(keys, after))
        end = bisect_left(keys, prefix + "\U0010ffff")
        last = min(end, first + int(query.get("max-keys", "1000")))
        rows = [_row(key, self._buckets[bucket][key]) for key in keys[first:last]]
        token = (
            f"<NextContinuationToken>{quote(keys[last - 1])}</NextContinuationToken>" if last < end else ""
        )
        head = f"<EncodingType>url</EncodingType><IsTruncated>{str(last < end).lower()}</IsTruncated>"
        return _xml("ListBucketResult", head + token + "".join(rows))

    def _head_object(self, bucket: str, key: str, _: Request) -> Reply:
        one = self._found(bucket, key)
        modified = formatdate(one.modified, usegmt=True)
        return Reply(200, b"", {"Content-Length": str(one.size), "ETag": one.etag, "Last-Modified": modified})

    def _no_tags(self, bucket: str, key: str, _: Request) -> Reply:
        self._found(bucket, key)
        return _xml("Tagging", "<TagSet></TagSet>")

    def _get_byte(self, bucket: str, key: str, _: Request) -> Reply:
        if not self._found(bucket, key).size:
            raise Refused(416, "InvalidRange")
        return Reply(206, b"x")

    def _check_denied(self, key: str) -> None:
        if self._denied & {key, "*"}:
            raise Refused(403, "AccessDenied")

    def _source(self, request: Request) -> Stored:
        bucket, _, key = unquote(request.headers["x-amz-copy-source"]).lstrip("/").partition("/")
        one = self._found(bucket, key)
        if key in self._changing:
            self._changing.remove(key)
            one = self._put(bucket, key, one.size + 1)
        if request.headers.get("x-amz-copy-source-if-match", one.etag).strip('"') != one.etag.strip('"'):
            raise Refused(412, "PreconditionFailed")
        return one

    def _copy_object(self, bucket: str, key: str, request: Request) -> Reply:
        self._copy_headers = dict(request.headers)
        self._check_denied(key)
        one = self._source(request)
        if one.size > SINGLE_COPY_BYTES:
            raise Refused(400, "InvalidRequest")
        if "if-none-match" in request.headers and key in self._buckets.get(bucket, {}):
            raise Refused(412, "PreconditionFailed")
        return _xml("CopyObjectResult", f"<ETag>{self._put(bucket, key, one.size, one.etag).etag}</ETag>")

    def _create_upload(self, bucket: str, key: str, request: Request) -> Reply:
        self._check_denied(key)
        upload = f"upload-{self._kinds['CreateMultipartUpload']}-{time.time()}"
        self._uploads[upload] = {}
        return _xml("InitiateMultipartUploadResult", f"<UploadId>{upload}</UploadId>")

    def _copy_part(self, bucket: str, key: str, request: Request) -> Reply:
        self._source(request)
        first, _, last = request.headers["x-amz-copy-source-range"].removeprefix("bytes=").partition("-")
        number = int(request.query["partNumber"])
        self._uploads[request.query["uploadId"]][number] = int(last) - int(first) + 1
        return _xml("CopyPartResult", f'<ETag>"{number:032x}"</ETag>')

    def _complete_upload(self, bucket: str, key: str, request: Request) -> Reply:
        parts = self._uploads.pop(request.query["uploadId"])
        one = self._put(bucket, key, sum(parts.values()), f'"{"0" * 32}-{len(parts)}"')
        return _xml("CompleteMultipartUploadResult", f"<ETag>{one.etag}</ETag>")

    def _abort_upload(self, bucket: str, key: str, request: Request) -> Reply:
        self._uploads.pop(request.query["uploadId"])
        return Reply(204)


def _xml(name: str, text: str) -> Reply:
    return Reply(200, f"<{name}>{text}</{name}>".encode(), {"Content-Type": "application/xml"})


def _row(key: str, one: Stored) -> str:
    modified = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(one.modified))
    return (
        f"<Contents><Key>{quote(key)}</Key><LastModified>{modified}</LastModified><ETag>{one.etag}</ETag>"
        f"<Size>{one.size}</Size><StorageClass>STANDARD</StorageClass></Contents>"
    )
