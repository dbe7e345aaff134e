"""A server with millions of numbered keys, in a separate process. It stores no key: it generates each page.

A page of 1,000 keys, written as S3 writes it, takes 0.2 ms of its core, a copy 20 microseconds. `SmallS3`
answers all other requests to S3 and STS.
"""

from __future__ import annotations

import asyncio
import re
from bisect import bisect_left, bisect_right
from email.utils import formatdate
from hashlib import md5
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote

from tests.performance.child import Child, obey
from tests.support.s3.proxy import Request
from tests.support.s3.servers import Endpoint
from tests.support.s3.small_s3 import SmallS3

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

KEYS_OF_A_PAGE = 1_000
PREFIX = "data/"
_HEAD, _TAIL = f"{PREFIX}year=2026/part-", ".parquet"
_ETAG = "9b2cf535f27731c974343645a3985328"
_THOUSANDS = b"@@@@@@"
"""Placeholder in a row for all digits of its number except the last three."""
_DECLARED = '<?xml version="1.0" encoding="UTF-8"?>\n'
_XMLNS = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
_COPIED = (
    f"{_DECLARED}<CopyObjectResult {_XMLNS}><LastModified>2026-11-01T12:34:56.000Z</LastModified>"
    f"<ETag>&quot;{_ETAG}&quot;</ETag></CopyObjectResult>"
).encode()
_LENGTH = re.compile(rb"\r\n[Cc]ontent-[Ll]ength: ?([1-9][0-9]*)")


class PageServer(Child):
    """The server, by default on the second core; `call` calls `number` and the methods of `SmallS3`."""

    def __init__(self, *, core: int | None = 1) -> None:
        super().__init__("pages", core=core)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.call('port')}"

    def endpoint(self) -> Endpoint:
        return Endpoint(self.url)


class NumberedBucket:
    """A bucket of numbered keys below `data/`.

    Args:
        keys: how many numbers there are, at most a billion.
        missing_every: one of so many keys is missing, beginning with the first; 0 for none.
        day: day of January 2026 on which all were written; the times of day differ.
        one_etag: whether all have the ETag that copies are confirmed with; otherwise each has its own.
    """

    def __init__(self, *, keys: int, missing_every: int = 0, day: int = 1, one_etag: bool = True) -> None:
        self._numbers = range(keys)
        self._missing_every = missing_every
        rows = [_row(number, day, one_etag=one_etag) for number in range(KEYS_OF_A_PAGE)]
        self._pieces, self._row_bytes = b"".join(rows).split(_THOUSANDS), len(rows[0])
        self._pieces_of_a_row = len(self._pieces) // KEYS_OF_A_PAGE
        self._tail_bytes = len(self._pieces[-1])

    def page(self, query: Mapping[str, str]) -> bytes:
        """Return a page of ListObjectsV2; a key that is missing makes it shorter."""
        prefix, keys = query.get("prefix", ""), int(query.get("max-keys", KEYS_OF_A_PAGE))
        if "continuation-token" in query:
            start = int(query["continuation-token"])
        else:
            start = bisect_right(self._numbers, query.get("start-after", ""), key=_key)
            start = max(start, bisect_left(self._numbers, prefix, key=_key))
        end = bisect_left(self._numbers, prefix + chr(0x10FFFF), key=_key)
        stop = min(start + keys, end)
        rows = b"".join(self._generate(start, stop))
        token = f"<NextContinuationToken>{stop}</NextContinuationToken>" if stop < end else ""
        head = (
            f"{_DECLARED}<ListBucketResult {_XMLNS}><Name>bucket</Name><Prefix>{quote(prefix)}</Prefix>"
            f"{token}<KeyCount>{len(rows) // self._row_bytes}</KeyCount><MaxKeys>{keys}</MaxKeys>"
            f"<EncodingType>url</EncodingType><IsTruncated>{str(stop < end).lower()}</IsTruncated>"
        )
        return head.encode() + rows + b"</ListBucketResult>"

    def _generate(self, start: int, stop: int) -> Iterator[bytes]:
        """Yield rows, hundreds at a time."""
        while start < stop:
            thousand, first = divmod(start, KEYS_OF_A_PAGE)
            end = min(stop, (thousand + 1) * KEYS_OF_A_PAGE)
            if self._missing_every:
                missing = -(-start // self._missing_every) * self._missing_every
                if missing == start:
                    start += 1
                    continue
                end = min(end, missing)
            yield self._rows(thousand, first, end - thousand * KEYS_OF_A_PAGE)
            start = end

    def _rows(self, thousand: int, first: int, stop: int) -> bytes:
        """Return the rows of a range of a thousand: joining pieces is faster than replacing text."""
        each = self._pieces_of_a_row
        rows = (b"%06d" % thousand).join(self._pieces[first * each : stop * each + 1])
        left = self._tail_bytes if first else 0  # of the row before
        return rows[left : left + (stop - first) * self._row_bytes]


def _key(number: int) -> str:
    return f"{_HEAD}{number:09}{_TAIL}"


def _row(number: int, day: int, *, one_etag: bool) -> bytes:
    thousands = _THOUSANDS.decode()
    etag = _ETAG if one_etag else md5(b"%d" % number).hexdigest()[len(thousands) :] + thousands
    key = quote(f"{_HEAD}{thousands}{number:03}{_TAIL}", safe="/@")
    modified = f"2026-01-{day:02}T{number % 24:02}:{number % 60:02}:{number % 59:02}.000Z"
    return (
        f"<Contents><Key>{key}</Key><LastModified>{modified}</LastModified><ETag>&quot;{etag}&quot;</ETag>"
        "<ChecksumAlgorithm>CRC64NVME</ChecksumAlgorithm><ChecksumType>FULL_OBJECT</ChecksumType>"
        f"<Size>{1_000 + number}</Size><StorageClass>STANDARD</StorageClass></Contents>"
    ).encode()


class _Served(SmallS3):
    """The methods that the parent calls, and the answers to clients."""

    def __init__(self) -> None:
        super().__init__()
        self._numbered: dict[str, NumberedBucket] = {}
        self._port = 0

    def port(self) -> int:
        return self._port

    def number(self, bucket: str, **described: Any) -> None:
        """Create a bucket of numbered keys; the first key can be read."""
        self._numbered[bucket] = NumberedBucket(**described)
        self.put(bucket, _key(0), 1_000)

    async def serve(self) -> None:
        """Serve until the parent closes the pipe."""
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", 0, backlog=1_024)
        self._port = server.sockets[0].getsockname()[1]
        await asyncio.to_thread(obey, self)
        server.close()

    def reply(self, head: bytes, body: bytes) -> bytes:
        """Return the reply to a request, as it goes over the wire."""
        method, target, _ = head.split(b"\r\n", 1)[0].decode("latin-1").split(" ")
        path, _, query = target.partition("?")
        bucket, _, key = path[1:].partition("/")
        if bucket in self._numbered:
            if method == "PUT" and not query:
                self._kinds["CopyObject"] += 1
                return _wire(200, {}, _COPIED)
            if method == "GET" and not key and "list-type=2" in query:
                self._kinds["ListObjectsV2"] += 1
                return _wire(200, {}, self._numbered[bucket].page(dict(parse_qsl(query))))
        lines = head.decode("latin-1").split("\r\n")[1:]
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        answer = self.answer(Request(method, target, headers, body))
        return _wire(answer.status, answer.headers, answer.body)


class _Connection(asyncio.Protocol):
    """One connection: replies in the order of the requests, each after the server's delay."""

    def __init__(self, served: _Served) -> None:
        self._served = served
        self._received = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = self._received[:end]
            length = _LENGTH.search(head)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self._received) < whole:
                return
            body, self._received = self._received[end + 4 : whole], self._received[whole:]
            reply = self._served.reply(head, body)
            if self._served.delay:
                asyncio.get_running_loop().call_later(self._served.delay, self._transport.write, reply)
            else:
                self._transport.write(reply)


def _wire(status: int, headers: Mapping[str, str], body: bytes) -> bytes:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return (
        f"HTTP/1.1 {status} -\r\nDate: {formatdate(usegmt=True)}\r\nx-amz-request-id: 0123456789ABCDEF\r\n"
        f"Content-Type: application/xml\r\nContent-Length: {len(body)}\r\n{lines}\r\n"
    ).encode() + body


if __name__ == "__main__":
    asyncio.run(_Served().serve())
