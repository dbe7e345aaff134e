"""What `SmallS3` keeps of an object: the origin of its bytes, and the bytes only if a body had them."""

from __future__ import annotations

import itertools
from base64 import b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import md5, sha256
from typing import TypeAlias

_REAL_BYTES_MAX = 2**20
"""Up to this size an ETag is the MD5 of the bytes, as in S3; above, the MD5 of the spans."""
_BLOCK = 16


@dataclass(frozen=True, slots=True)
class Span:
    """A range of the bytes of one write, both inclusive."""

    write: int
    first: int
    last: int


Spans: TypeAlias = tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Part:
    """A part of an upload."""

    spans: Spans
    etag: str

    @property
    def size(self) -> int:
        return size_of(self.spans)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """One version of an object.

    Attributes:
        spans: of its bytes, in order.
        by: kind of the request that wrote it; "test" if a test wrote it directly.
        headers: lower-case, user metadata included.
        parts: of which it was made, by number.
        checksum: base64, as S3 would give for CRC64NVME; None where the object has none.
    """

    spans: Spans
    size: int
    etag: str
    modified: float
    version_id: str
    by: str = "test"
    headers: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    storage_class: str = "STANDARD"
    parts: Mapping[int, Part] = field(default_factory=dict)
    checksum: str | None = None


@dataclass(slots=True)
class Upload:
    """An upload that is open; `asked` is the request that started it, `initiator` who sent that."""

    bucket: str
    key: str
    started: float
    asked: Mapping[str, str]
    parts: dict[int, Part] = field(default_factory=dict)
    initiator: str | None = "arn:aws:sts::444455556666:assumed-role/writer/session-1"


def size_of(spans: Spans) -> int:
    return sum(span.last - span.first + 1 for span in spans)


def joined(pieces: Iterable[Spans]) -> Spans:
    """Return pieces in order; neighbours that belong together are joined."""
    whole: list[Span] = []
    for span in (span for spans in pieces for span in spans):
        if whole and (whole[-1].write, whole[-1].last + 1) == (span.write, span.first):
            whole[-1] = Span(span.write, whole[-1].first, span.last)
        else:
            whole.append(span)
    return tuple(whole)


def cut(spans: Spans, first: int, last: int) -> Spans:
    """Return a range, both bytes inclusive."""
    found, start = [], 0
    for span in spans:
        size = span.last - span.first + 1
        low, high = max(first - start, 0), min(last - start, size - 1)
        if low <= high:
            found.append(Span(span.write, span.first + low, span.first + high))
        start += size
    return tuple(found)


class Writes:
    """The bytes of every write: what came in a body, else made up so that each place has its own."""

    def __init__(self) -> None:
        self._count = itertools.count(1)
        self._bodies: dict[int, bytes] = {}
        self._numbers: dict[bytes, int] = {}

    def bytes_of(self, content: bytes | int | Spans) -> Spans:
        """Return the bytes of a body, of a new write of a size, or those that are named already."""
        if isinstance(content, int):
            return self.made_up(content)
        return self.brought(content) if isinstance(content, bytes) else content

    def made_up(self, size: int) -> Spans:
        """Return bytes that no other write has."""
        return (Span(next(self._count), 0, size - 1),) if size else ()

    def brought(self, body: bytes) -> Spans:
        """Return the bytes of a body; the same ones for the same body."""
        if not body:
            return ()
        number = self._numbers.setdefault(body, 0) or next(self._count)
        self._numbers[body], self._bodies[number] = number, body
        return (Span(number, 0, len(body) - 1),)

    def same(self, one: Spans, other: Spans) -> bool:
        return one == other or (size_of(one) == size_of(other) and self.read(one) == self.read(other))

    def read(self, spans: Spans) -> bytes:
        return b"".join(self._read(span) for span in spans)

    def etag(self, spans: Spans) -> str:
        return f'"{self._md5(spans).hex()}"'

    def etag_of_parts(self, parts: Iterable[Part]) -> str:
        digests = [bytes.fromhex(part.etag.strip('"')) for part in parts]
        return f'"{md5(b"".join(digests)).hexdigest()}-{len(digests)}"'

    def checksum(self, spans: Spans) -> str:
        """Return eight bytes that depend on the content alone."""
        return b64encode(sha256(self._md5(spans)).digest()[:8]).decode()

    def _md5(self, spans: Spans) -> bytes:
        content = self.read(spans) if size_of(spans) <= _REAL_BYTES_MAX else repr(spans).encode()
        return md5(content).digest()

    def _read(self, span: Span) -> bytes:
        body = self._bodies.get(span.write)
        if body is not None:
            return body[span.first : span.last + 1]
        begin = span.first // _BLOCK
        made = _blocks(span.write, begin, span.last // _BLOCK + 1)
        return made[span.first - begin * _BLOCK : span.last + 1 - begin * _BLOCK]


def _blocks(write: int, first: int, end: int) -> bytes:
    name = write.to_bytes(8)
    return b"".join(name + number.to_bytes(8) for number in range(first, end))
