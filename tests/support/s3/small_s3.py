"""What S3 and STS answer, in a small server: stateful, exact about preconditions, and fast.

No signature is checked. What a copy depends on is there: sorted listings in pages, preconditions of both
sides, owners, S3's limits, uploads in parts, versions, metadata, tags, storage classes. Bodies are kept where
they came in one; else an object knows whose bytes it has, so one of 48.8 TiB takes no room.
"""

from __future__ import annotations

import itertools
import re
import time
from base64 import b64encode
from bisect import bisect_left, bisect_right
from collections import Counter
from dataclasses import replace
from hashlib import md5
from threading import RLock
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import escape

from tests.support.s3.proxy import Reply, Request
from tests.support.s3.small_deletes import deleted_row, error_row, parse_deletes
from tests.support.s3.small_objects import Part, Spans, Stored, Upload, Writes, cut, joined, size_of
from tests.support.s3.small_wire import (
    Refused,
    byte_range,
    carried,
    common_prefix,
    encoded,
    headers_of,
    matches,
    result_of,
    row_of,
    text_of,
    upload_row,
    xml,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

GIB = 2**30
SINGLE_COPY_BYTES = 5 * GIB
PART_BYTES_MIN, PART_BYTES_MAX, PARTS_MAX = 5 * 2**20, 5 * GIB, 10_000
_KEY_BYTES_MAX = 1_024
_MARKER = "x-amz-delete-marker"
_ARCHIVES = frozenset({"GLACIER", "DEEP_ARCHIVE"})
_STS = {
    "AssumeRole": "<Credentials><AccessKeyId>ASIAMADEUP0000000000</AccessKeyId><SecretAccessKey>made-up"
    "</SecretAccessKey><SessionToken>made-up</SessionToken><Expiration>2999-01-01T00:00:00Z</Expiration>"
    "</Credentials>",
    "GetCallerIdentity": "<Arn>arn:aws:iam::444455556666:role/writer</Arn>",
}


class SmallS3:
    """The server's state: `answer` is for its clients, the public methods before it are for tests.

    Args:
        clock: seconds since 1970.
        page_keys: keys, and common prefixes, in a page of a listing.
        single_copy_bytes: the largest object that CopyObject takes.
        part_bytes_min: the smallest part but the last.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.time,
        page_keys: int = 1_000,
        single_copy_bytes: int = SINGLE_COPY_BYTES,
        part_bytes_min: int = PART_BYTES_MIN,
    ) -> None:
        self.delay = 0.0
        self.clock = clock
        self.owners: dict[str, str] = {}
        self.versioning: dict[str, str] = {}
        self.markers: dict[tuple[str, str], list[str]] = {}
        self.uploads: dict[str, Upload] = {}
        self.writes = Writes()
        self._page_keys = page_keys
        self._single_copy_bytes = single_copy_bytes
        self._part_bytes_min = part_bytes_min
        self._lock = RLock()
        self._denied: set[str] = set()
        self._changing: set[str] = set()
        self._buckets: dict[str, dict[str, Stored]] = {}
        self._history: dict[tuple[str, str], list[Stored]] = {}
        self._sorted: dict[str, list[str]] = {}
        self._numbers = itertools.count(1)
        self._kinds: Counter[str] = Counter()
        self._copy_headers: dict[str, str] = {}

    def fill(self, bucket: str, prefix: str, objects: int, size: int) -> None:
        """Put so many objects of a size below a prefix."""
        for index in range(objects):
            self.put(bucket, f"{prefix}{index:06}", size)

    def behave(
        self, delay: float = 0.0, denied: tuple[str, ...] = (), changing: tuple[str, ...] = ()
    ) -> None:
        """Answer after so many seconds, deny writes to some keys, change some sources just before a copy.

        The key "*" stands for every key.
        """
        self.delay, self._denied, self._changing = delay, set(denied), set(changing)

    def keys(self, bucket: str) -> list[str]:
        """Return the keys of a bucket in S3's order."""
        with self._lock:
            if bucket not in self._sorted:
                self._sorted[bucket] = sorted(self._buckets.get(bucket, {}))
            return self._sorted[bucket]

    def report(self) -> dict[str, Any]:
        """Return requests by kind and the last copy's headers since the last report, and all CPU seconds."""
        kinds, headers = self._kinds, self._copy_headers
        self._kinds, self._copy_headers = Counter(), {}
        return {"kinds": kinds, "copy_headers": headers, "cpu": time.process_time()}

    def put(
        self,
        bucket: str,
        key: str,
        content: bytes | int | Spans,
        *,
        parts: int = 0,
        checksummed: bool = False,
        **kept: Any,
    ) -> Stored:
        """Write an object now.

        Args:
            bucket: made if it is not there.
            key: of the object.
            content: a body, the size of one that is made up, or bytes that are there already.
            parts: above 0, the ETag is that of an upload in so many parts.
            checksummed: S3 keeps a checksum of it.
            kept: other fields of `Stored`.
        """
        with self._lock:
            spans = self.writes.bytes_of(content)
            if parts:
                step = -(-size_of(spans) // parts)
                made = [self._part(cut(spans, n * step, (n + 1) * step - 1)) for n in range(parts)]
                kept["etag"] = self.writes.etag_of_parts(made)
            if checksummed:
                kept["checksum"] = self.writes.checksum(spans)
            return self._put(bucket, key, spans, **kept)

    def delete(self, bucket: str, key: str) -> str | None:
        """Delete an object, if it is there; return the version of the marker that a versioned bucket gets."""
        with self._lock:
            if self._buckets.get(bucket, {}).pop(key, None):
                self._sorted.pop(bucket, None)
            state = self.versioning.get(bucket)
            if state is None:
                return None
            marker = "null" if state == "Suspended" else f"v{next(self._numbers)}"
            self.markers.setdefault((bucket, key), []).append(marker)
            return marker

    def contents(self, bucket: str) -> dict[str, Stored]:
        """Return every object of a bucket by key."""
        with self._lock:
            return dict(self._buckets.get(bucket, {}))

    def history(self, bucket: str, key: str) -> list[Stored]:
        """Return every version that was ever written to a key, oldest first."""
        with self._lock:
            return list(self._history.get((bucket, key), ()))

    def same(self, one: Stored, other: Stored) -> bool:
        """Say whether two objects have the same bytes, headers, tags and storage class."""
        return (one.headers, one.tags, one.storage_class) == (
            other.headers,
            other.tags,
            other.storage_class,
        ) and self.writes.same(one.spans, other.spans)

    def answer(self, request: Request) -> Reply:
        """Return the reply of S3 or STS."""
        bucket, _, key = unquote(urlsplit(request.target).path)[1:].partition("/")
        kind = request.kind if bucket else parse_qs(request.body.decode())["Action"][0]
        if kind == "HEAD":
            return Reply(200, b"", {"x-amz-bucket-region": "us-east-1"})
        with self._lock:
            self._kinds[kind] += 1
            if kind in _STS:
                return xml(f"{kind}Response", f"<{kind}Result>{_STS[kind]}</{kind}Result>")
            try:
                self._check_owner(bucket, request.headers.get("x-amz-expected-bucket-owner"))
                return getattr(self, _VERBS[kind])(bucket, key, request)  # type: ignore[no-any-return]
            except Refused as refusal:
                status, code = refusal.args
                reply = Reply(status) if request.method == "HEAD" else Reply.error(status, code, "refused")
                hidden = code == "NoSuchKey" and (bucket, key) in self.markers
                return replace(reply, headers={**reply.headers, _MARKER: "true"}) if hidden else reply

    def _put(self, bucket: str, key: str, spans: Spans, **kept: Any) -> Stored:
        made = Stored(
            spans=spans,
            size=size_of(spans),
            etag=kept.pop("etag", None) or self.writes.etag(spans),
            modified=kept.pop("modified", None) or self.clock(),
            version_id=f"v{next(self._numbers)}",
            **kept,
        )
        objects = self._buckets.setdefault(bucket, {})
        if key not in objects:
            self._sorted.pop(bucket, None)
        objects[key] = made
        self._history.setdefault((bucket, key), []).append(made)
        return made

    def _part(self, spans: Spans) -> Part:
        return Part(spans, self.writes.etag(spans))

    def _found(self, bucket: str, key: str, version_id: str | None = None) -> Stored:
        if version_id is None:
            one = self._buckets.get(bucket, {}).get(key)
        else:
            versions = (one for one in self._history.get((bucket, key), ()) if one.version_id == version_id)
            one = next(versions, None)
        if one is None:
            raise Refused(404, "NoSuchVersion" if version_id else "NoSuchKey")
        return one

    def _check_owner(self, bucket: str, expected: str | None) -> None:
        if expected is not None and self.owners.get(bucket, expected) != expected:
            raise Refused(403, "AccessDenied")

    def _check_writable(self, bucket: str, key: str, headers: Mapping[str, str]) -> None:
        """Check what S3 checks of the destination before it writes."""
        if self._denied & {key, "*"}:
            raise Refused(403, "AccessDenied")
        if len(key.encode()) > _KEY_BYTES_MAX:
            raise Refused(400, "KeyTooLongError")
        there = self._buckets.get(bucket, {}).get(key)
        if "if-none-match" in headers and there:
            raise Refused(412, "PreconditionFailed")
        if "if-match" in headers:
            if there is None:
                raise Refused(404, "NoSuchKey")
            if not matches(headers["if-match"], there):
                raise Refused(412, "PreconditionFailed")

    def _source(self, request: Request) -> Stored:
        """Return what a copy, or the copy of a part, takes its bytes from."""
        place, _, version_id = request.headers["x-amz-copy-source"].partition("?versionId=")
        bucket, _, key = unquote(place).removeprefix("/").partition("/")
        self._check_owner(bucket, request.headers.get("x-amz-source-expected-bucket-owner"))
        one = self._found(bucket, key, version_id or None)
        if key in self._changing:
            self._changing.remove(key)
            one = self.put(bucket, key, one.size + 1)
        if not matches(request.headers.get("x-amz-copy-source-if-match", one.etag), one):
            raise Refused(412, "PreconditionFailed")
        if one.storage_class in _ARCHIVES:
            raise Refused(403, "InvalidObjectState")
        return one

    def _list_objects(self, bucket: str, _: str, request: Request) -> Reply:
        query = request.query
        if query.get("encoding-type") != "url":
            raise Refused(501, "NotImplemented")
        most = min(int(query.get("max-keys", "1000")), self._page_keys)
        rows = list(itertools.islice(self._rows(bucket, query), most + 1))
        more = len(rows) > most
        token = f"<NextContinuationToken>{quote(rows[most - 1][0])}</NextContinuationToken>" if more else ""
        head = f"<EncodingType>url</EncodingType><IsTruncated>{str(more).lower()}</IsTruncated>"
        return xml("ListBucketResult", head + token + "".join(row for _, row in rows[:most]))

    def _rows(self, bucket: str, query: Mapping[str, str]) -> Iterator[tuple[str, str]]:
        """Yield each key, or common prefix, of a listing with its row."""
        keys, prefix = self.keys(bucket), query.get("prefix", "")
        after = unquote(query.get("continuation-token", "")) or query.get("start-after", "")
        place = max(bisect_left(keys, prefix), bisect_right(keys, after))
        end = bisect_right(keys, prefix, key=_cut_to(prefix))
        while place < end:
            key = keys[place]
            group = common_prefix(key, prefix, query.get("delimiter"))
            if group is None:
                yield key, row_of(key, self._buckets[bucket][key])
                place += 1
                continue
            if group != after:
                yield group, f"<CommonPrefixes><Prefix>{encoded(group)}</Prefix></CommonPrefixes>"
            place = bisect_right(keys, group, key=_cut_to(group))

    def _head_object(self, bucket: str, key: str, request: Request) -> Reply:
        one = self._found(bucket, key, request.query.get("versionId"))
        return Reply(200, b"", {"Content-Length": str(one.size), **headers_of(one, request)})

    def _get_object(self, bucket: str, key: str, request: Request) -> Reply:
        one = self._found(bucket, key, request.query.get("versionId"))
        if not matches(request.headers.get("if-match", one.etag), one):
            raise Refused(412, "PreconditionFailed")
        if one.storage_class in _ARCHIVES:
            raise Refused(403, "InvalidObjectState")
        if "range" not in request.headers:
            return Reply(200, self.writes.read(one.spans), headers_of(one, request))
        first, last = byte_range(request.headers["range"])
        if first >= one.size:
            raise Refused(416, "InvalidRange")
        last = min(last, one.size - 1)
        headers = {"Content-Range": f"bytes {first}-{last}/{one.size}", **headers_of(one, request)}
        return Reply(206, self.writes.read(cut(one.spans, first, last)), headers)

    def _get_tags(self, bucket: str, key: str, request: Request) -> Reply:
        tags = self._found(bucket, key, request.query.get("versionId")).tags
        rows = (
            f"<Tag><Key>{escape(name)}</Key><Value>{escape(value)}</Value></Tag>"
            for name, value in tags.items()
        )
        return xml("Tagging", f"<TagSet>{''.join(rows)}</TagSet>")

    def _put_object(self, bucket: str, key: str, request: Request) -> Reply:
        self._check_writable(bucket, key, request.headers)
        made = self._put(bucket, key, self._body(request), by=request.kind, **carried(request.headers))
        return Reply(200, b"", {"ETag": made.etag})

    def _body(self, request: Request) -> Spans:
        expected = request.headers.get("content-md5")
        if expected not in {None, b64encode(md5(request.body).digest()).decode()}:
            raise Refused(400, "BadDigest")
        return self.writes.brought(request.body)

    def _copy_object(self, bucket: str, key: str, request: Request) -> Reply:
        headers = self._copy_headers = dict(request.headers)
        one = self._source(request)
        self._check_writable(bucket, key, headers)
        if one.size > self._single_copy_bytes:
            raise Refused(400, "InvalidRequest")
        kept = carried(headers)
        if headers.get("x-amz-metadata-directive") != "REPLACE":
            kept["headers"] = one.headers
        if headers.get("x-amz-tagging-directive") != "REPLACE":
            kept["tags"] = one.tags
        if "-" not in one.etag:
            kept["etag"] = one.etag
        checksum = one.checksum and self.writes.checksum(one.spans)
        made = self._put(bucket, key, one.spans, by=request.kind, checksum=checksum, **kept)
        return xml("CopyObjectResult", result_of(made))

    def _get_versioning(self, bucket: str, _: str, __: Request) -> Reply:
        state = self.versioning.get(bucket)
        return xml("VersioningConfiguration", f"<Status>{state}</Status>" if state else "")

    def _delete_object(self, bucket: str, key: str, request: Request) -> Reply:
        marker = self._delete(bucket, key, request.headers.get("if-match"))
        return Reply(204, b"", {_MARKER: "true", "x-amz-version-id": marker} if marker else {})

    def _delete_objects(self, bucket: str, _: str, request: Request) -> Reply:
        rows = []
        for key, etag in parse_deletes(request):
            try:
                rows.append(deleted_row(key, self._delete(bucket, key, etag)))
            except Refused as refusal:
                rows.append(error_row(key, refusal.args[1]))
        return xml("DeleteResult", "".join(rows))

    def _delete(self, bucket: str, key: str, etag: str | None) -> str | None:
        self._check_writable(bucket, key, {} if etag is None else {"if-match": etag})
        return self.delete(bucket, key)

    def _create_upload(self, bucket: str, key: str, request: Request) -> Reply:
        if self._denied & {key, "*"}:
            raise Refused(403, "AccessDenied")
        name = f"upload-{next(self._numbers)}"
        self.uploads[name] = Upload(bucket, key, self.clock(), dict(request.headers))
        return xml("InitiateMultipartUploadResult", f"<UploadId>{name}</UploadId>")

    def _upload(self, bucket: str, key: str, request: Request) -> Upload:
        upload = self.uploads.get(request.query["uploadId"])
        if upload is None or (upload.bucket, upload.key) != (bucket, key):
            raise Refused(404, "NoSuchUpload")
        return upload

    def _copy_part(self, bucket: str, key: str, request: Request) -> Reply:
        upload, one = self._upload(bucket, key, request), self._source(request)
        first, last = byte_range(request.headers.get("x-amz-copy-source-range", f"bytes=0-{one.size - 1}"))
        if not first <= last < one.size:
            raise Refused(400, "InvalidArgument")
        part = self._take(upload, request, cut(one.spans, first, last))
        return xml("CopyPartResult", f"<ETag>{escape(part.etag)}</ETag>")

    def _upload_part(self, bucket: str, key: str, request: Request) -> Reply:
        upload = self._upload(bucket, key, request)
        return Reply(200, b"", {"ETag": self._take(upload, request, self._body(request)).etag})

    def _take(self, upload: Upload, request: Request, spans: Spans) -> Part:
        number, part = int(request.query["partNumber"]), self._part(spans)
        if not 1 <= number <= PARTS_MAX:
            raise Refused(400, "InvalidArgument")
        if part.size > PART_BYTES_MAX:
            raise Refused(400, "EntityTooLarge")
        upload.parts[number] = part
        return part

    def _complete_upload(self, bucket: str, key: str, request: Request) -> Reply:
        upload = self._upload(bucket, key, request)
        parts = self._named_parts(upload, request.body.decode())
        spans = joined(part.spans for part in parts.values())
        if request.headers.get("x-amz-mp-object-size", str(size_of(spans))) != str(size_of(spans)):
            raise Refused(400, "InvalidRequest")
        self._check_writable(bucket, key, request.headers)
        del self.uploads[request.query["uploadId"]]
        asked = "x-amz-checksum-algorithm" in upload.asked
        made = self._put(
            bucket,
            key,
            spans,
            by=request.kind,
            etag=self.writes.etag_of_parts(parts.values()),
            modified=upload.started,  # S3 dates it by its beginning
            parts=parts,
            checksum=self.writes.checksum(spans) if asked else None,
            **carried(upload.asked),
        )
        return xml("CompleteMultipartUploadResult", result_of(made))

    def _named_parts(self, upload: Upload, body: str) -> dict[int, Part]:
        """Return the parts that a completion names, which must be those that were uploaded."""
        named = re.findall(r"<Part>.*?</Part>", body, re.DOTALL)
        parts: dict[int, Part] = {}
        for one in named:
            number, etag = int(text_of(one, "PartNumber")), text_of(one, "ETag")
            if number <= max(parts, default=0):
                raise Refused(400, "InvalidPartOrder")
            part = upload.parts.get(number)
            if part is None or part.etag.strip('"') != etag.strip('"'):
                raise Refused(400, "InvalidPart")
            parts[number] = part
        if not parts:
            raise Refused(400, "MalformedXML")
        if any(part.size < self._part_bytes_min for part in list(parts.values())[:-1]):
            raise Refused(400, "EntityTooSmall")
        return parts

    def _abort_upload(self, bucket: str, key: str, request: Request) -> Reply:
        self._upload(bucket, key, request)
        del self.uploads[request.query["uploadId"]]
        return Reply(204)

    def _list_uploads(self, bucket: str, _: str, request: Request) -> Reply:
        query = request.query
        encode = encoded if query.get("encoding-type") == "url" else escape
        found = sorted(
            (one.key, one.started, name)
            for name, one in self.uploads.items()
            if one.bucket == bucket and one.key.startswith(query.get("prefix", ""))
        )
        rows = [(key, name) for key, _, name in found if key > query.get("key-marker", "")]
        if "upload-id-marker" in query:  # those of the marker's own key that come after it
            same = [(key, name) for key, _, name in found if key == query["key-marker"]]
            rows = same[same.index((query["key-marker"], query["upload-id-marker"])) + 1 :] + rows
        page = rows[: self._page_keys]
        head = "<EncodingType>url</EncodingType>" if encode is encoded else ""
        head += f"<IsTruncated>{str(len(rows) > len(page)).lower()}</IsTruncated>"
        if len(rows) > len(page):
            head += f"<NextKeyMarker>{encode(page[-1][0])}</NextKeyMarker>"
            head += f"<NextUploadIdMarker>{page[-1][1]}</NextUploadIdMarker>"
        body = "".join(upload_row(encode(key), name, self.uploads[name]) for key, name in page)
        return xml("ListMultipartUploadsResult", head + body)


_VERBS = {
    "AbortMultipartUpload": "_abort_upload",
    "CompleteMultipartUpload": "_complete_upload",
    "CopyObject": "_copy_object",
    "CreateMultipartUpload": "_create_upload",
    "DeleteObject": "_delete_object",
    "DeleteObjects": "_delete_objects",
    "GetBucketVersioning": "_get_versioning",
    "GetObject": "_get_object",
    "GetObjectTagging": "_get_tags",
    "HeadObject": "_head_object",
    "ListMultipartUploads": "_list_uploads",
    "ListObjectsV2": "_list_objects",
    "PutObject": "_put_object",
    "UploadPart": "_upload_part",
    "UploadPartCopy": "_copy_part",
}


def _cut_to(prefix: str) -> Callable[[str], str]:
    """Return what cuts keys to a prefix's length: sorted keys stay sorted."""
    return lambda key: key[: len(prefix)]
