"""libcurl's sockets behind one descriptor that the event loop watches: cheaper than watching each.

`watch` is libcurl's own callback: https://curl.se/libcurl/c/CURLMOPT_SOCKETFUNCTION.html
"""

from __future__ import annotations

import select
import selectors
from typing import TYPE_CHECKING

import pycurl

if TYPE_CHECKING:
    from collections.abc import Iterator

_EPOLL_EVENTS = {
    pycurl.POLL_IN: 1 | 1 << 30,
    pycurl.POLL_OUT: 4 | 1 << 30,
    pycurl.POLL_INOUT: 5 | 1 << 30,
}
"""EPOLLIN and EPOLLOUT, each with EPOLLONESHOT."""
_CURL_EVENTS = [(1 if events & ~4 else 0) | (2 if events & ~1 else 0) for events in range(32)]
"""CSELECT_IN and CSELECT_OUT by epoll's events; an error or a hangup is both."""


class SelectorSockets:
    """Watches sockets with the default selector of the system."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self.fileno = self._selector.fileno
        self.close = self._selector.close

    def watch(self, what: int, descriptor: int, _multi: object = None, _data: object = None) -> None:
        """Watch a socket for `POLL_IN`, `POLL_OUT` or both; `POLL_REMOVE` ends that."""
        if what == pycurl.POLL_REMOVE:
            self._selector.unregister(descriptor)
        elif descriptor in self._selector.get_map():
            self._selector.modify(descriptor, what)
        else:
            self._selector.register(descriptor, what)

    def ready(self) -> Iterator[tuple[int, int]]:
        """Yield the sockets that are ready now, each with its events: `CSELECT_IN`, `CSELECT_OUT`."""
        for key, events in self._selector.select(0):
            yield key.fd, events


class EpollSockets:
    """Watches sockets with epoll, without `selectors`, which would take a tenth of a request's time.

    A socket is reported once, and watched again only if libcurl still waits for it. Most requests end with
    the first packet of their reply, and so cost one system call instead of two. A socket that is closed, or
    idle until its next request, is not watched.
    """

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._watched: dict[int, int] = {}
        self.fileno = self._poll.fileno
        self.close = self._poll.close

    def watch(self, what: int, descriptor: int, _multi: object = None, _data: object = None) -> None:
        """Watch a socket for `POLL_IN`, `POLL_OUT` or both; `POLL_REMOVE` ends that."""
        if what == pycurl.POLL_REMOVE:
            self._watched.pop(descriptor, None)
            return
        events = self._watched[descriptor] = _EPOLL_EVENTS[what]
        try:
            self._poll.modify(descriptor, events)
        except FileNotFoundError:  # a new socket, perhaps with the number of a closed one
            self._poll.register(descriptor, events)

    def ready(self) -> Iterator[tuple[int, int]]:
        """Yield the sockets that are ready now, each with its events: `CSELECT_IN`, `CSELECT_OUT`."""
        watched = self._watched
        for descriptor, events in self._poll.poll(0):
            if descriptor in watched:
                yield descriptor, _CURL_EVENTS[events & 31]
                if descriptor in watched:
                    self._poll.modify(descriptor, watched[descriptor])


Sockets = EpollSockets if hasattr(select, "epoll") else SelectorSockets
