"""Counts for how long a batch was limited by what, and lets it open connections while there is CPU time left.

See docs/design/bottlenecks.md and docs/design/in-flight.md.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from s3copy_tasks.core.bottleneck import Bottleneck
from s3copy_tasks.engine.workers import WATCH_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable

    from s3copy_tasks.engine.pacer import Pacer

_BUSY = 0.9
"""Share of a core with which the process can hardly do more: Python runs one thread at a time."""
_LATE_SECONDS = 0.01
"""A loop that is so late is busy, or waits for a core that others use."""
_OF_RATE = {Bottleneck.RATE, Bottleneck.S3}


class BottleneckWatch:
    """Is called by the workers of a batch, and counts what has limited it since the last call.

    Args:
        pacer: of the batch's requests.
        count: adds seconds to a bottleneck.
        cpu_clock: CPU seconds of the process, all threads together.
    """

    def __init__(
        self,
        pacer: Pacer,
        count: Callable[[Bottleneck, float], None],
        cpu_clock: Callable[[], float] = time.process_time,
    ) -> None:
        self._pacer = pacer
        self._count = count
        self._cpu_clock = cpu_clock
        self._now, self._cpu = pacer.clock(), cpu_clock()

    def __call__(self, lacking: Bottleneck | None) -> None:
        """Count the time since the last call.

        Args:
            lacking: what the batch's workers lack, see `Workers`.
        """
        now, cpu = self._pacer.clock(), self._cpu_clock()
        seconds, cpu_seconds = now - self._now, cpu - self._cpu
        self._now, self._cpu = now, cpu
        is_busy = cpu_seconds >= _BUSY * seconds or seconds > WATCH_SECONDS + _LATE_SECONDS
        if not is_busy:
            self._pacer.open_more()
        found = self._pacer.find_bottleneck(lacking)
        if is_busy and found not in _OF_RATE:
            found = Bottleneck.CPU
        if found is not None:
            self._count(found, seconds)
