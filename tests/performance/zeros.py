"""A server with one object of zeros that accepts uploads and discards them, so that only the relay costs."""

from __future__ import annotations

import asyncio
from email.utils import formatdate
from typing import TYPE_CHECKING

from tests.performance.child import Child, obey

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter

_CHUNK = bytes(2**20)
_ETAG = f'"{"0" * 32}-1"'


class ZerosServer(Child):
    """The server, on the second core."""

    def __init__(self) -> None:
        super().__init__("zeros", core=1)


class _Served:
    def __init__(self) -> None:
        self._port, self._size = 0, 0

    def begin(self, size: int) -> str:
        """Set the size of the object; return the server's address."""
        self._size = size
        return f"http://127.0.0.1:{self._port}"

    async def serve(self) -> None:
        """Serve until the parent closes the pipe."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0, limit=2**20)
        self._port = server.sockets[0].getsockname()[1]
        await asyncio.to_thread(obey, self)
        server.close()

    async def _connected(self, reader: StreamReader, writer: StreamWriter) -> None:
        try:
            while True:
                await self._answer(reader, writer)
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            writer.close()

    async def _answer(self, reader: StreamReader, writer: StreamWriter) -> None:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        await _drop(reader, int(headers.get("content-length", 0)))
        method, target, _ = first.split(" ")
        if method == "GET" and "range" in headers:
            begin, _, end = headers["range"].removeprefix("bytes=").partition("-")
            await _zeros(writer, int(end) - int(begin) + 1)
            return
        size, body = (self._size, "") if method == "HEAD" else (None, _reply(method, target))
        _head(writer, "200 OK", len(body) if size is None else size)
        writer.write(body.encode())
        await writer.drain()


def _reply(method: str, target: str) -> str:
    if "tagging" in target:
        return "<Tagging><TagSet></TagSet></Tagging>"
    if method == "POST" and "uploadId" in target:
        return f"<CompleteMultipartUploadResult><ETag>{_ETAG}</ETag></CompleteMultipartUploadResult>"
    if method == "POST":
        return "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
    return ""


def _head(writer: StreamWriter, status: str, size: int) -> None:
    fixed = f"ETag: {_ETAG}\r\nLast-Modified: {formatdate(0, usegmt=True)}\r\n"
    writer.write(f"HTTP/1.1 {status}\r\nContent-Length: {size}\r\n{fixed}\r\n".encode())


async def _zeros(writer: StreamWriter, size: int) -> None:
    _head(writer, "206 Partial Content", size)
    while size:
        writer.write(_CHUNK[:size])
        size -= min(size, len(_CHUNK))
        await writer.drain()


async def _drop(reader: StreamReader, size: int) -> None:
    while size:
        size -= len(await reader.readexactly(min(size, 2**18)))


if __name__ == "__main__":
    asyncio.run(_Served().serve())
