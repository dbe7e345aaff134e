"""HTTP by libcurl for threads that wait for their reply."""

from __future__ import annotations

import select
import time
from typing import TYPE_CHECKING

import pycurl

from s3copy_tasks.s3.fast.handles import Handle, Received, Transport

if TYPE_CHECKING:
    from collections.abc import Sequence

_POST = "POST", True, False
_LONGEST_MILLISECONDS = 1_000
_CONNECTING_MILLISECONDS = 5
"""A connection has no socket to wait for until it is made."""


class BlockingCurl:
    """Posts over connections that it keeps open, as many as there are threads at once.

    A signal interrupts the wait for a reply, as it does not interrupt `pycurl.Curl.perform`: a worker that is
    stopped in a long poll has five seconds to end.

    Args:
        transport: how to connect.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._idle: list[_Line] = []  # its methods are atomic

    def post(self, url: str, headers: Sequence[str], body: bytes) -> Received:
        """Send a request and return the whole reply.

        Args:
            url: is sent as it is.
            headers: lines.
            body: not empty.

        Raises:
            CopyError: see `Curl.send`.
        """
        try:
            line = self._idle.pop()
        except IndexError:
            line = _Line(self._transport)
        received = line.post(url, headers, body)
        self._idle.append(line)
        return received


class _Line:
    """A handle of libcurl with its connection, for one thread at a time; not used again after an error."""

    def __init__(self, transport: Transport) -> None:
        self._handle = Handle(_POST, transport)
        self._multi = pycurl.CurlMulti()

    def post(self, url: str, headers: Sequence[str], body: bytes) -> Received:
        handle, multi = self._handle, self._multi
        handle.prepare(url, headers, body, fresh=False)
        multi.add_handle(handle.curl)
        try:
            while multi.perform()[1]:
                self._wait()
            _, _, failed = multi.info_read()
            if failed:
                raise handle.error(*failed[0][1:])
            return handle.take()
        finally:
            multi.remove_handle(handle.curl)

    def _wait(self) -> None:
        """Wait until a part of the reply comes, or libcurl's time has come.

        Not by libcurl's callback for sockets: if a signal arrives in there, pycurl drops its exception.
        """
        asked = self._multi.timeout()
        milliseconds = _LONGEST_MILLISECONDS if asked < 0 else min(asked, _LONGEST_MILLISECONDS)
        descriptor = self._handle.curl.getinfo(pycurl.ACTIVESOCKET)
        if descriptor < 0:
            time.sleep(min(milliseconds, _CONNECTING_MILLISECONDS) / 1000)
        else:
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            poll.poll(milliseconds)
