"""What a copy waits for: docs/design/bottlenecks.md."""

from __future__ import annotations

from enum import StrEnum


class Bottleneck(StrEnum):
    """What limits a copy at a moment. The names are promised: they are keys of the metric `limited_by`."""

    RATE = "rate"
    """Requests wait for their time, by `transfer.max_requests_per_second`."""
    S3 = "s3"
    """S3 asked to slow down, and requests wait for that."""
    IN_FLIGHT = "in_flight"
    """As many requests as allowed wait for their answers."""
    LISTING = "listing"
    """Nothing is left to copy until the next page of a listing."""
    CPU = "cpu"
    """The process uses all of a core."""
