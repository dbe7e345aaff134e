"""Estimates a run: objects, bytes, requests and their price."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from s3copy_tasks.core.multipart import copy_requests
from s3copy_tasks.core.objects import Action, SkipReason
from s3copy_tasks.core.request_counts import PRICES_USD

if TYPE_CHECKING:
    from s3copy_tasks.core.objects import Decision

PAGE_KEYS = 1_000
"""Keys in a page of a listing."""
BY_KEY = "(by key)"
"""Shown in place of a prefix: the single objects have none in common."""
_FAILING = frozenset({Action.ARCHIVED, Action.KEY_TOO_LONG, Action.UNSEEN})


@dataclass(slots=True)
class EntryPlan:
    """The totals of one entry of the job: inside and outside the batches' ranges.

    Attributes:
        path: of the entry in the config.
        by_key: whether it is the single objects, which take a HEAD and no listing.
        found: objects of the source.
        objects: to be copied.
        compare: to be checked by HEAD, and copied if that shows a change.
        failing: can't be copied as they are now: archived, with too long a key, gone, or their HEAD failed.
            Their batch counts them.
        bytes: total size of `objects` and `compare`.
        skipped: objects by reason.
        outside: of these, the ones outside all batches' ranges: the plan counts them, while a batch counts
            everything inside its ranges.
        batches: how many batches have objects of it.
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
    outside: Counter[SkipReason] = field(default_factory=Counter)

    @property
    def list_requests(self) -> int:
        """Approximate number of LIST requests: both sides for the plan, and again for the batches."""
        pages = 0 if self.by_key else max(1, -(-self.found // PAGE_KEYS))
        return pages * (4 if self.batches else 2)

    @property
    def cost_usd(self) -> float:
        """Price of the requests in us-east-1, without transfer between regions."""
        return (
            self.copy_requests * PRICES_USD["CopyObject"]
            + self.list_requests * PRICES_USD["ListObjectsV2"]
            + self.head_requests * PRICES_USD["HeadObject"]
        )

    def count(self, size: int, decision: Decision) -> None:
        """Count one object."""
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
