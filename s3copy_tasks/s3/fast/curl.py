"""HTTP by libcurl in the running event loop: hundreds of requests in flight take little of one core.

libcurl re-sends a request if a reused connection turns out to be dead before a byte of the reply has come;
the server may have carried out the first request anyway. That is harmless for most requests. A request that
must not be sent twice is not re-sent: libcurl calls `PREREQFUNCTION` before each sending, which refuses the
second. The caller gets an error instead, and can check the result before a retry, which gets a new
connection: all idle ones may be dead.
https://curl.se/libcurl/c/CURLOPT_PREREQFUNCTION.html
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING

import pycurl

from s3copy_tasks.s3.fast.handles import Handle, Kind, Received, Transport
from s3copy_tasks.s3.fast.sockets import Sockets

if TYPE_CHECKING:
    from collections.abc import Sequence


class Curl:
    """Sends requests over connections that it keeps open; belongs to the event loop that creates it.

    Args:
        transport: how to connect.
        connections: to open at most, and to keep open while idle.
    """

    def __init__(self, transport: Transport, *, connections: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._transport = transport
        self._idle: defaultdict[Kind, list[Handle]] = defaultdict(list)
        self._running: dict[pycurl.Curl, Handle] = {}
        self._not_sent: set[str] = set()
        self._sockets = Sockets()
        self._timer: asyncio.TimerHandle | None = None
        self._deadline = 0.0
        self._is_turn_due = False
        self._multi = multi = pycurl.CurlMulti()
        multi.setopt(pycurl.M_MAXCONNECTS, connections)
        multi.setopt(pycurl.M_PIPELINING, pycurl.PIPE_NOTHING)
        multi.setopt(pycurl.M_SOCKETFUNCTION, self._sockets.watch)
        multi.setopt(pycurl.M_TIMERFUNCTION, self._wake_up_after)
        self._loop.add_reader(self._sockets.fileno(), self._on_sockets)

    async def send(
        self, method: str, url: str, headers: Sequence[str], body: bytes, *, once: bool
    ) -> Received:
        """Send a request and return the whole reply. Cancelling this closes its connection.

        Args:
            method: in capitals.
            url: is sent as it is, not normalised.
            headers: lines.
            body: empty for none.
            once: fail instead of sending it twice.

        Raises:
            TransientError: it could not connect (`ENDPOINT_UNREACHABLE`: nothing was sent), or no whole
                reply (`CONNECTION_CLOSED`, `READ_TIMEOUT`: the request may have been carried out).
            RequestError: TLS did not verify the server (`TLS_REFUSED`).
        """
        kind = method, bool(body), once
        idle = self._idle[kind]
        handle = idle.pop() if idle else Handle(kind, self._transport)
        handle.prepare(url, headers, body, fresh=url in self._not_sent)
        self._not_sent.discard(url)
        future: asyncio.Future[Received] = self._loop.create_future()
        handle.future = future
        curl = handle.curl
        self._running[curl] = handle
        self._multi.add_handle(curl)
        try:
            return await future
        finally:
            if handle.future is future:  # the caller was cancelled
                self._drop(handle)

    def close(self) -> None:
        """Close all connections; requests in flight are cancelled."""
        for handle in list(self._running.values()):
            if handle.future is not None:
                handle.future.cancel()
            self._drop(handle)
        self._loop.remove_reader(self._sockets.fileno())
        if self._timer is not None:
            self._timer.cancel()
        self._multi.close()
        for handles in self._idle.values():
            for handle in handles:
                handle.curl.close()
        self._idle.clear()
        self._sockets.close()

    def _drop(self, handle: Handle) -> None:
        handle.future = None
        del self._running[handle.curl]
        self._multi.remove_handle(handle.curl)
        handle.curl.close()

    def _wake_up_after(self, milliseconds: int) -> None:
        """Set the time when libcurl wants its next turn, whatever the sockets do."""
        if milliseconds == 0:
            self._deadline = 0.0
            if not self._is_turn_due:
                self._is_turn_due = True
                self._loop.call_soon(self._on_turn)
        elif milliseconds < 0:
            self._deadline = 0.0
        else:
            self._deadline = self._loop.time() + milliseconds / 1000
            self._arm()

    def _arm(self) -> None:
        """Make sure that the timer fires by the deadline; resetting it each time would cost more."""
        if self._timer is not None:
            if self._timer.when() <= self._deadline:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(self._deadline, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        if not self._deadline:
            return
        if self._loop.time() < self._deadline:
            self._arm()
        else:
            self._deadline = 0.0
            self._on_turn()

    def _on_turn(self) -> None:
        self._is_turn_due = False
        self._multi.socket_action(pycurl.SOCKET_TIMEOUT, 0)
        self._collect()

    def _on_sockets(self) -> None:
        socket_action = self._multi.socket_action
        for descriptor, events in self._sockets.ready():
            socket_action(descriptor, events)
        self._collect()

    def _collect(self) -> None:
        """Pass finished requests to their callers."""
        queued = 1
        while queued:
            queued, done, failed = self._multi.info_read()
            for curl in done:
                self._end(curl, None)
            for curl, number, message in failed:
                self._end(curl, (number, message))

    def _end(self, curl: pycurl.Curl, failure: tuple[int, str] | None) -> None:
        handle = self._running.pop(curl)
        self._multi.remove_handle(curl)
        future = handle.future
        if failure is None:
            received = handle.take()
            if future is not None and not future.done():
                future.set_result(received)
        else:
            error = handle.error(*failure)
            if failure[0] == pycurl.E_ABORTED_BY_CALLBACK:
                self._not_sent.add(handle.url)
            handle.forget()
            if future is not None and not future.done():
                future.set_exception(error)
        handle.future = None
        self._idle[handle.kind].append(handle)
