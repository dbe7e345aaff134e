"""S3 in memory: a server with buckets, and stores for one bucket each. Faults are hooks."""

from __future__ import annotations

import asyncio
import copy
import hashlib
import itertools
import threading
import zlib
from base64 import b64encode
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from s3copy_tasks.core.objects import ObjectDetails, S3Object
from s3copy_tasks.core.store import (
    ABSENT,
    Deleted,
    ListedUpload,
    ListedVersion,
    Page,
    UploadMarker,
    UploadPage,
    VersionPage,
    VersionPlace,
)
from s3copy_tasks.core.text import can_be_in_xml
from s3copy_tasks.core.verify import Confirmation
from s3copy_tasks.errors import ConditionError, CopyError, MissingError, RequestError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

    from s3copy_tasks.core.store import CopyRequest, DeleteRequest, Store

DELETES_MAX = 1_000
DAY_ONE = datetime(2026, 1, 1, tzinfo=UTC)
WRITER = "arn:aws:iam::444455556666:role/writer"
"""The principal that starts the uploads of a store."""


class Clock:
    """A clock that moves only when a test moves it."""

    def __init__(self, now: datetime = DAY_ONE) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def tick(self, seconds: float = 1) -> None:
        self.now += timedelta(seconds=seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A request as the server saw it; a listing's key is its prefix, and it begins after another key."""

    verb: str
    bucket: str
    key: str
    after: str | None = None


Hook: TypeAlias = "Callable[[Call], None]"
"""Called around a request, outside the server's lock; the caller gets the errors that it raises."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """An object with everything that S3 stores."""

    content: bytes
    etag: str
    last_modified: datetime
    headers: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    storage_class: str = "STANDARD"
    checksums: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Upload:
    """An open multipart upload."""

    bucket: str
    key: str
    initiated: Stored
    parts: dict[int, bytes] = field(default_factory=dict)
    initiator: str | None = WRITER


@dataclass(frozen=True, slots=True)
class Hidden:
    """A delete marker, and the object below it, if there was one."""

    marker: str
    stored: Stored | None
    deleted: datetime


class MemoryServer:
    """Buckets by name, shared by several stores.

    Args:
        clock: dates what is written, in whole seconds.
        page_keys: keys, and common prefixes, in a page of a listing.
        single_copy_bytes: the largest object that CopyObject takes.
    """

    def __init__(self, clock: Clock, *, page_keys: int = 1_000, single_copy_bytes: int = 5 * 2**30) -> None:
        self.clock = clock
        self.page_keys = page_keys
        self.single_copy_bytes = single_copy_bytes
        self.buckets: dict[str, dict[str, Stored]] = {}
        self.versioning: dict[str, str] = {}
        self.markers: dict[tuple[str, str], str] = {}
        self.hidden: dict[tuple[str, str], list[Hidden]] = {}
        self.lacks_conditional_deletes = False
        self.uploads: dict[str, Upload] = {}
        self.before: list[Hook] = []
        self.after: list[Hook] = []
        self.calls: list[Call] = []
        self.lock = threading.RLock()
        self._upload_ids = itertools.count(1)
        self._version_ids = itertools.count(1)

    def put(  # noqa: PLR0913 - an object has so many properties
        self,
        bucket: str,
        key: str,
        content: bytes = b"",
        *,
        parts: int = 0,
        checksum: bool = True,
        headers: Mapping[str, str] | None = None,
        metadata: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
        storage_class: str = "STANDARD",
    ) -> Stored:
        """Write an object now; `parts` above 0 gives it the ETag of a multipart upload."""
        stored = Stored(
            content=content,
            etag=_etag(content, parts),
            last_modified=self.clock().replace(microsecond=0),
            headers=headers or {},
            metadata=metadata or {},
            tags=tags or {},
            storage_class=storage_class,
            checksums=_checksums(content) if checksum else {},
        )
        with self.lock:
            self.buckets[bucket][key] = stored
        return stored

    def contents(self, bucket: str) -> dict[str, bytes]:
        """Return the content of every object by key."""
        with self.lock:
            return {key: stored.content for key, stored in self.buckets[bucket].items()}

    def count(self, verb: str, bucket: str | None = None) -> int:
        """Return the number of requests of a verb, including lost and refused ones."""
        with self.lock:
            return sum(call.verb == verb and bucket in {None, call.bucket} for call in self.calls)

    def keys_of(self, verb: str) -> Counter[str]:
        """Return the keys of the requests of a verb, and how often each came."""
        with self.lock:
            return Counter(call.key for call in self.calls if call.verb == verb)

    def open_uploads(self, bucket: str) -> list[str]:
        """Return the keys of the multipart uploads that were neither completed nor aborted."""
        with self.lock:
            return sorted(upload.key for upload in self.uploads.values() if upload.bucket == bucket)

    def delete(self, bucket: str, key: str) -> str | None:
        """Delete an object, if it is there; return the version of the marker that a versioned bucket gets."""
        with self.lock:
            stored = self.buckets[bucket].pop(key, None)
            state = self.versioning.get(bucket)
            if state is None:
                return None
            marker = "null" if state == "Suspended" else f"v{next(self._version_ids)}"
            self.markers[bucket, key] = marker
            hidden = Hidden(marker, stored, self.clock().replace(microsecond=0))
            self.hidden.setdefault((bucket, key), []).insert(0, hidden)
            return marker

    def remove_marker(self, bucket: str, key: str, version_id: str) -> None:
        """Remove a delete marker; the object below it is current again unless it was written since."""
        with self.lock:
            hidden = self.hidden.get((bucket, key), [])
            found = [each for each in hidden if each.marker == version_id]
            if found and hidden[0] is found[0] and found[0].stored is not None:
                self.buckets[bucket].setdefault(key, found[0].stored)
            self.hidden[bucket, key] = [each for each in hidden if each.marker != version_id]

    def new_upload_id(self) -> str:
        return f"upload-{next(self._upload_ids)}"


class MemoryStore:
    """One bucket of a server: the methods of `s3copy_tasks.core.store.Store` in memory, for `threaded`."""

    def __init__(self, server: MemoryServer, bucket: str) -> None:
        self._server = server
        self.bucket = bucket

    def list_page(self, prefix: str, *, after: str | None, token: str | None, recursive: bool) -> Page:
        with _Request(self._server, Call(verb="list_page", bucket=self.bucket, key=prefix, after=after)):
            start = token if token is not None else after
            rows = list(itertools.islice(self._rows(prefix, start, recursive), self._server.page_keys + 1))
            page = rows[: self._server.page_keys]
            return Page(
                objects=tuple(self._listed(row) for row, is_key in page if is_key),
                token=page[-1][0] if len(rows) > len(page) else None,
            )

    def head_object(
        self, key: str, *, version_id: str | None = None, checksums: bool = False
    ) -> ObjectDetails | None:
        with _Request(self._server, Call(verb="head_object", bucket=self.bucket, key=key)):
            stored = self._objects().get(key)
            if stored is None:
                return None
            return ObjectDetails(
                object=replace(self._listed(key), metadata=stored.metadata),
                headers=stored.headers,
                checksums=stored.checksums if checksums else {},
                tag_count=len(stored.tags),
            )

    def object_tags(self, key: str, *, version_id: str | None = None) -> Mapping[str, str]:
        with _Request(self._server, Call(verb="object_tags", bucket=self.bucket, key=key)):
            return self._found(self.bucket, key).tags

    def server_time(self, prefix: str = "") -> datetime:
        with _Request(self._server, Call(verb="server_time", bucket=self.bucket, key="")):
            return self._server.clock().replace(microsecond=0)

    def copy_object(self, request: CopyRequest) -> Confirmation:
        with _Request(self._server, Call(verb="copy_object", bucket=self.bucket, key=request.key)):
            source = self._pinned(request)
            self._check_guard(request)
            if len(source.content) > self._server.single_copy_bytes:
                raise RequestError("the source is larger than CopyObject takes", code="InvalidRequest")
            copied = self._server.put(
                self.bucket,
                request.key,
                source.content,
                checksum=bool(source.checksums),
                headers=source.headers,
                metadata=source.metadata,
                tags=source.tags if request.options.tags == "copy" else {},
                storage_class=_storage_class(request),
            )
            return Confirmation(etag=copied.etag, checksums=copied.checksums)

    def create_multipart_upload(
        self, request: CopyRequest, details: ObjectDetails, tags: Mapping[str, str]
    ) -> str:
        with _Request(
            self._server, Call(verb="create_multipart_upload", bucket=self.bucket, key=request.key)
        ):
            self._objects()
            initiated = Stored(
                content=b"",
                etag="",
                last_modified=self._server.clock().replace(microsecond=0),
                headers=details.headers,
                metadata=details.object.metadata or {},
                tags=dict(tags),
                storage_class=_storage_class(request),
            )
            upload_id = self._server.new_upload_id()
            self._server.uploads[upload_id] = Upload(self.bucket, request.key, initiated)
            return upload_id

    def copy_part(
        self, request: CopyRequest, upload_id: str, number: int, first_byte: int, last_byte: int
    ) -> str:
        with _Request(self._server, Call(verb="copy_part", bucket=self.bucket, key=request.key)):
            source = self._pinned(request)
            if not 0 <= first_byte <= last_byte < len(source.content):
                raise RequestError("the range lies outside of the source", code="InvalidArgument")
            part = source.content[first_byte : last_byte + 1]
            self._upload(upload_id).parts[number] = part
            return _etag(part)

    def complete_multipart_upload(
        self, request: CopyRequest, upload_id: str, etags: Mapping[int, str]
    ) -> Confirmation:
        with _Request(
            self._server, Call(verb="complete_multipart_upload", bucket=self.bucket, key=request.key)
        ):
            upload = self._upload(upload_id)
            self._check_guard(request)
            if not etags or any(_etag(upload.parts.get(n, b"")) != etag for n, etag in etags.items()):
                raise RequestError("a part is missing or another one", code="InvalidPart")
            content = b"".join(upload.parts[number] for number in sorted(etags))
            made = self._objects()[request.key] = replace(
                upload.initiated,
                content=content,
                etag=_etag(content, len(etags)),
                checksums=_checksums(content),
            )
            del self._server.uploads[upload_id]
            return Confirmation(etag=made.etag, checksums=made.checksums)

    def abort_multipart_upload(self, key: str, upload_id: str) -> None:
        with _Request(self._server, Call(verb="abort_multipart_upload", bucket=self.bucket, key=key)):
            self._server.uploads.pop(upload_id, None)

    def list_uploads(self, prefix: str, *, after: UploadMarker | None) -> UploadPage:
        with _Request(self._server, Call(verb="list_uploads", bucket=self.bucket, key=prefix)):
            self._objects()
            rows = [row for row in self._upload_rows(prefix) if after is None or _comes_after(row, after)]
            page = tuple(rows[: self._server.page_keys])
            more = len(rows) > len(page)
            marker = UploadMarker(key=page[-1].key, upload_id=page[-1].upload_id) if more else None
            return UploadPage(uploads=page, marker=marker)

    def get_bytes(self, source: S3Object, first_byte: int, last_byte: int) -> bytes:
        with _Request(self._server, Call(verb="get_bytes", bucket=self.bucket, key=source.key)):
            stored = self._found(self.bucket, source.key)
            if stored.etag != source.etag:
                raise ConditionError("the source has another ETag", code="PreconditionFailed")
            return stored.content[first_byte : last_byte + 1]

    def put_object(
        self, request: CopyRequest, details: ObjectDetails, tags: Mapping[str, str], body: bytes
    ) -> Confirmation:
        with _Request(self._server, Call(verb="put_object", bucket=self.bucket, key=request.key)):
            self._objects()
            self._check_guard(request)
            made = self._server.put(
                self.bucket,
                request.key,
                body,
                headers=details.headers,
                metadata=details.object.metadata or {},
                tags=tags,
                storage_class=_storage_class(request),
            )
            return Confirmation(etag=made.etag, checksums=made.checksums)

    def put_bytes(self, key: str, body: bytes, content_type: str) -> None:
        with _Request(self._server, Call(verb="put_bytes", bucket=self.bucket, key=key)):
            self._objects()
            self._server.put(self.bucket, key, body, headers={"ContentType": content_type})

    def put_part(self, request: CopyRequest, upload_id: str, number: int, body: bytes) -> str:
        with _Request(self._server, Call(verb="put_part", bucket=self.bucket, key=request.key)):
            self._upload(upload_id).parts[number] = body
            return _etag(body)

    def is_versioned(self) -> bool:
        with _Request(self._server, Call(verb="is_versioned", bucket=self.bucket, key="")):
            self._objects()
            return self._server.versioning.get(self.bucket) == "Enabled"

    def delete_object(self, request: DeleteRequest) -> Deleted:
        with _Request(self._server, Call(verb="delete_object", bucket=self.bucket, key=request.key)):
            if self._server.lacks_conditional_deletes and request.is_conditional:
                raise UnsupportedError("If-Match", code="NotImplemented")
            return self._delete(request)

    def delete_objects(self, requests: Sequence[DeleteRequest]) -> Mapping[str, Deleted | CopyError]:
        assert len(requests) <= DELETES_MAX
        outcomes: dict[str, Deleted | CopyError] = {}
        with _Request(self._server, Call(verb="delete_objects", bucket=self.bucket, key=""), atomic=False):
            self._objects()
            for request in requests:
                try:
                    outcomes[request.key] = self._delete_among_others(request)
                except CopyError as error:
                    outcomes[request.key] = error
        return outcomes

    def list_versions(self, prefix: str, *, after: VersionPlace | None) -> VersionPage:
        with _Request(self._server, Call(verb="list_versions", bucket=self.bucket, key=prefix)):
            rows = [row for key in self._versioned_keys(prefix) for row in self._versions_of(key)]
            places = [VersionPlace(key=row.key, version_id=row.version_id) for row in rows]
            first = 0 if after is None else places.index(after) + 1
            last = first + self._server.page_keys
            following = places[last - 1] if last < len(rows) else None
            return VersionPage(versions=tuple(rows[first:last]), next=following)

    def delete_marker(self, key: str, version_id: str) -> None:
        with _Request(self._server, Call(verb="delete_marker", bucket=self.bucket, key=key)):
            self._objects()
            self._server.remove_marker(self.bucket, key, version_id)

    def _versioned_keys(self, prefix: str) -> list[str]:
        keys = {*self._objects(), *(key for bucket, key in self._server.hidden if bucket == self.bucket)}
        return sorted((key for key in keys if key.startswith(prefix)), key=str.encode)

    def _versions_of(self, key: str) -> list[ListedVersion]:
        """Return what a key has, the newest first."""
        current = self._objects().get(key)
        pairs: list[tuple[str, Stored | None, datetime]] = []
        if current is not None:
            pairs.append(("current", current, current.last_modified))
        for each in self._server.hidden.get((self.bucket, key), []):
            pairs.append((each.marker, None, each.deleted))
            if each.stored is not None:
                pairs.append((f"below-{each.marker}", each.stored, each.stored.last_modified))
        return [
            ListedVersion(
                key=key,
                version_id=version_id,
                is_latest=not number,
                is_marker=stored is None,
                last_modified=date,
                etag="" if stored is None else stored.etag,
            )
            for number, (version_id, stored, date) in enumerate(pairs)
        ]

    def _delete_among_others(self, request: DeleteRequest) -> Deleted:
        """Delete one of many objects: hooks get each as a request of its own."""
        if not can_be_in_xml(request.key):
            raise RequestError("XML can't carry the key", code="ParamValidationError")
        with _Request(self._server, Call(verb="delete_in_objects", bucket=self.bucket, key=request.key)):
            return self._delete(request)

    def _delete(self, request: DeleteRequest) -> Deleted:
        held = self._objects().get(request.key)
        if held is None:
            return Deleted(was_absent=True)
        if request.is_conditional and held.etag.strip('"') != request.etag.strip('"'):
            raise ConditionError("the object has another ETag", code="PreconditionFailed")
        return Deleted(marker_version_id=self._server.delete(self.bucket, request.key))

    def _rows(self, prefix: str, start: str | None, recursive: bool) -> Iterator[tuple[str, bool]]:  # noqa: FBT001
        """Yield keys and common prefixes, and whether each is a key; with recursive, there are only keys."""
        last = None
        for key in sorted(self._objects(), key=str.encode):
            if not key.startswith(prefix):
                continue
            end = -1 if recursive else key.find("/", len(prefix))
            row = key if end < 0 else key[: end + 1]
            if row != last and (start is None or row > start):
                last = row
                yield row, end < 0

    def _upload_rows(self, prefix: str) -> list[ListedUpload]:
        """Return the open uploads below a prefix, by key and then by id."""
        found = (
            ListedUpload(
                key=upload.key,
                upload_id=upload_id,
                initiated=upload.initiated.last_modified,
                initiator=upload.initiator,
            )
            for upload_id, upload in self._server.uploads.items()
            if upload.bucket == self.bucket and upload.key.startswith(prefix)
        )
        return sorted(found, key=lambda row: (row.key, row.upload_id))

    def _objects(self) -> dict[str, Stored]:
        return self._bucket(self.bucket)

    def _bucket(self, name: str) -> dict[str, Stored]:
        if name not in self._server.buckets:
            raise MissingError("the bucket does not exist", code="NoSuchBucket")
        return self._server.buckets[name]

    def _found(self, bucket: str, key: str) -> Stored:
        stored = self._bucket(bucket).get(key)
        if stored is None:
            raise MissingError("the key does not exist", code="NoSuchKey")
        return stored

    def _listed(self, key: str) -> S3Object:
        stored = self._objects()[key]
        return S3Object(
            bucket=self.bucket,
            key=key,
            size=len(stored.content),
            last_modified=stored.last_modified,
            etag=stored.etag,
            storage_class=stored.storage_class,
        )

    def _pinned(self, request: CopyRequest) -> Stored:
        source = self._found(request.source.bucket, request.source.key)
        self._objects()
        if source.etag != request.source.etag:
            raise ConditionError("the source has another ETag", code="PreconditionFailed")
        return source

    def _check_guard(self, request: CopyRequest) -> None:
        held = self._objects().get(request.key)
        if request.guard == ABSENT and held is not None:
            raise ConditionError("the destination has the key", code="PreconditionFailed")
        if request.guard in {None, ABSENT}:
            return
        if held is None:
            raise MissingError("there is nothing to replace", code="NoSuchKey")
        if held.etag != request.guard:
            raise ConditionError("the destination has another ETag", code="PreconditionFailed")

    def _upload(self, upload_id: str) -> Upload:
        upload = self._server.uploads.get(upload_id)
        if upload is None:
            raise RequestError("the upload does not exist", code="NoSuchUpload")
        return upload


class _Request:
    """One request: the hooks before it, the server's lock if it is atomic, the hooks after it."""

    def __init__(self, server: MemoryServer, call: Call, *, atomic: bool = True) -> None:
        self._server = server
        self._call = call
        self._lock = server.lock if atomic else nullcontext()

    def __enter__(self) -> None:
        with self._server.lock:
            self._server.calls.append(self._call)
        for hook in self._server.before:
            hook(self._call)
        self._lock.__enter__()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._lock.__exit__(None, None, None)
        if kind is None:
            for hook in self._server.after:
                hook(self._call)


_THREADS = ThreadPoolExecutor(64)


class _Threaded:
    """A store whose methods run in threads: a hook that blocks only blocks its own request."""

    def __init__(self, store: MemoryStore) -> None:
        self._store = store

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        verb = getattr(self._store, name)

        def call(*args: Any, **options: Any) -> Awaitable[Any]:
            loop = asyncio.get_running_loop()
            return loop.run_in_executor(_THREADS, lambda: verb(*args, **options))

        return call


def threaded(store: MemoryStore) -> Store:
    """Return an asynchronous store, as a run takes it."""
    return cast("Store", _Threaded(store))


def on(
    verb: str,
    act: Callable[[], object],
    *,
    key: str | None = None,
    bucket: str | None = None,
    times: int = 1,
    spare: int = 0,
) -> Hook:
    """Return a hook that acts on some requests.

    Args:
        verb: of the requests that it strikes.
        act: does something, or raises: before the server acts that refuses the request, afterwards it loses
            the reply.
        key: of these, only those of one key.
        bucket: of these, only those to one bucket.
        times: how many requests it strikes.
        spare: how many matching requests it lets pass first.
    """
    lock, seen = threading.Lock(), itertools.count()

    def hook(call: Call) -> None:
        if call.verb == verb and key in {None, call.key} and bucket in {None, call.bucket}:
            with lock:
                strikes = spare <= next(seen) < spare + times
            if strikes:
                act()

    return hook


def fails(error: BaseException) -> Callable[[], None]:
    """Return a hook that raises an error, a new copy each time."""

    def act() -> None:
        raise copy.copy(error)

    return act


def _etag(content: bytes, parts: int = 0) -> str:
    digest = hashlib.md5(content).hexdigest()
    return f'"{digest}-{parts}"' if parts else f'"{digest}"'


def _checksums(content: bytes) -> dict[str, str]:
    return {"ChecksumCRC32": b64encode(zlib.crc32(content).to_bytes(4, "big")).decode()}


def _comes_after(row: ListedUpload, place: UploadMarker) -> bool:
    if place.upload_id is None:
        return row.key > place.key
    return (row.key, row.upload_id) > (place.key, place.upload_id)


def _storage_class(request: CopyRequest) -> str:
    wanted = request.options.storage_class
    return request.source.storage_class if wanted == "preserve" else wanted
