"""Compares the clocks of two servers: dates of one are compared with dates of the other."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

_HALF_SECOND = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockReading:
    """A server's clock beside this machine's.

    Attributes:
        server_time: in whole seconds, from the Date of a reply.
        sent: by this machine's clock, when the request was sent.
        received: by this machine's clock, when the reply came.
    """

    server_time: datetime
    sent: datetime
    received: datetime

    @property
    def ahead_seconds(self) -> float:
        """How far the server's clock is ahead of this machine's."""
        middle = self.sent + (self.received - self.sent) / 2
        return (self.server_time - middle).total_seconds() + _HALF_SECOND

    @property
    def error_seconds(self) -> float:
        """How wrong that may be."""
        return (self.received - self.sent).total_seconds() / 2 + _HALF_SECOND


def find_lag_seconds(source: ClockReading | None, destination: ClockReading | None) -> int:
    """Return how far the source's clock may be behind the destination's; 0 if that can't be measured.

    Rounded up, so that no change is missed; at worst, an object is copied once more.
    """
    if source is None or destination is None:
        return 0
    lag = destination.ahead_seconds - source.ahead_seconds
    error = destination.error_seconds + source.error_seconds
    return ceil(lag + error) if lag > error else 0
