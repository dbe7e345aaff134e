"""A small, fast S3 server for benchmarks, in a separate process: `SmallS3` behind HTTP, with a delay.

It takes 0.15 to 0.2 ms of one core per request, so the client on another core is what is measured.
"""

from __future__ import annotations

import asyncio
from email.utils import formatdate
from typing import TYPE_CHECKING

from tests.performance.child import Child, obey
from tests.support.s3.proxy import Reply, Request
from tests.support.s3.servers import Endpoint
from tests.support.s3.small_s3 import SmallS3

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter


class StubServer(Child):
    """The server, by default on the second core; `call` calls the methods of `SmallS3`."""

    def __init__(self, *, core: int | None = 1) -> None:
        super().__init__("stub", core=core)

    def endpoint(self) -> Endpoint:
        return Endpoint(f"http://127.0.0.1:{self.call('port')}")


class _Served(SmallS3):
    def __init__(self) -> None:
        super().__init__()
        self._port = 0

    def port(self) -> int:
        return self._port

    async def serve(self) -> None:
        """Serve until the parent closes the pipe."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self._port = server.sockets[0].getsockname()[1]
        await asyncio.to_thread(obey, self)
        server.close()

    async def _connected(self, reader: StreamReader, writer: StreamWriter) -> None:
        try:
            while True:
                request = await _request(reader)
                if self.delay:
                    await asyncio.sleep(self.delay)
                writer.write(_wire(self.answer(request)))
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            writer.close()


async def _request(reader: StreamReader) -> Request:
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")[:-2]
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    method, target, _ = first.split(" ")
    return Request(method, target, headers, await reader.readexactly(int(headers.get("content-length", 0))))


def _wire(reply: Reply) -> bytes:
    headers = {"Date": formatdate(usegmt=True), "Content-Length": str(len(reply.body)), **reply.headers}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {reply.status} -\r\n{lines}\r\n".encode() + reply.body


if __name__ == "__main__":
    asyncio.run(_Served().serve())
