"""The sockets that libcurl watches, behind one descriptor that the event loop watches: cheaper than each."""

from __future__ import annotations

import select
import selectors

_EPOLL_EVENTS = (0, 1, 4, 5)
"""EPOLLIN and EPOLLOUT by POLL_IN and POLL_OUT."""
_CURL_EVENTS = [(1 if events & ~4 else 0) | (2 if events & ~1 else 0) for events in range(32)]
"""CSELECT_IN and CSELECT_OUT by what epoll says; an error or the other's end is both."""


class Selected:
    """By whatever the system has."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self.fileno = self._selector.fileno
        self.close = self._selector.close

    def watch(self, descriptor: int, events: int) -> None:
        """Watch a socket for `POLL_IN`, `POLL_OUT` or both; for 0 no more."""
        if not events:
            self._selector.unregister(descriptor)
        elif descriptor in self._selector.get_map():
            self._selector.modify(descriptor, events)
        else:
            self._selector.register(descriptor, events)

    def ready(self) -> list[tuple[int, int]]:
        """Return the sockets that are ready now, each with what for: `CSELECT_IN`, `CSELECT_OUT`."""
        return [(key.fd, events) for key, events in self._selector.select(0)]


class Polled:
    """By epoll, without what `selectors` keeps in Python: that is a tenth of a request's cost."""

    def __init__(self) -> None:
        self._poll = select.epoll()
        self._watched = set[int]()
        self.fileno = self._poll.fileno
        self.close = self._poll.close

    def watch(self, descriptor: int, events: int) -> None:
        """Watch a socket for `POLL_IN`, `POLL_OUT` or both; for 0 no more."""
        if not events:
            self._watched.discard(descriptor)
            self._poll.unregister(descriptor)
        elif descriptor in self._watched:
            self._poll.modify(descriptor, _EPOLL_EVENTS[events])
        else:
            self._watched.add(descriptor)
            self._poll.register(descriptor, _EPOLL_EVENTS[events])

    def ready(self) -> list[tuple[int, int]]:
        """Return the sockets that are ready now, each with what for: `CSELECT_IN`, `CSELECT_OUT`."""
        return [(descriptor, _CURL_EVENTS[events & 31]) for descriptor, events in self._poll.poll(0)]


Sockets = Polled if hasattr(select, "epoll") else Selected
