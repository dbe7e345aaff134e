"""What a run would come to: objects, bytes, requests and their price."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from s3copy_tasks.core.multipart import copy_requests
from s3copy_tasks.core.objects import Action, SkipReason

if TYPE_CHECKING:
    from s3copy_tasks.core.objects import Decision

PAGE_KEYS = 1_000
"""Keys in a page of a listing."""
_COPY_OR_LIST_USD = 5.00 / 1_000_000
_HEAD_USD = 0.40 / 1_000_000


_FAILING = frozenset({Action.ARCHIVED, Action.KEY_TOO_LONG, Action.UNSEEN})


@dataclass(slots=True)
class EntryPlan:
    """What one entry of the job comes to. The whole entry, ranges and gaps alike.

    Attributes:
        path: where the entry stands in the config.
        by_key: whether it stands for the single objects, which take a HEAD and no listing.
        found: objects of the source.
        objects: to be copied.
        compare: to be looked at by HEAD, and copied where that shows a change.
        failing: what no run could copy as it is now: archived, with too long a key, gone, or not to be looked
            at. Their batch counts them.
        bytes: size of both.
        skipped: objects by reason.
        batches: how many have a share of it.
        copy_requests: COPY requests, parts of large objects included.
        head_requests: HEAD requests.
    """

    path: str
    source: str
    destination: str
    by_key: bool = False
    found: int = 0
    objects: int = 0
    compare: int = 0
    failing: int = 0
    bytes: int = 0
    batches: int = 0
    copy_requests: int = 0
    head_requests: int = 0
    skipped: Counter[SkipReason] = field(default_factory=Counter)

    @property
    def list_requests(self) -> int:
        """LIST requests, about: both sides for the plan, and again for the batches."""
        pages = 0 if self.by_key else max(1, -(-self.found // PAGE_KEYS))
        return pages * (4 if self.batches else 2)

    @property
    def cost_usd(self) -> float:
        """Price of the requests in us-east-1, without transfer between regions.

        https://aws.amazon.com/s3/pricing/
        """
        dear, cheap = self.copy_requests + self.list_requests, self.head_requests
        return dear * _COPY_OR_LIST_USD + cheap * _HEAD_USD

    def count(self, size: int, decision: Decision) -> None:
        """Take note of one object."""
        self.found += 1
        self.head_requests += 2 if self.by_key else 0
        if isinstance(decision, SkipReason):
            self.skipped[decision] += 1
            return
        if decision in _FAILING:
            self.failing += 1
            return
        self.bytes += size
        if decision is Action.COMPARE:
            self.compare += 1
            self.head_requests += 2
        else:
            self.objects += 1
            self.copy_requests += copy_requests(size)
