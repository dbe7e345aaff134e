"""Estimates a run: objects, bytes, requests and their price."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from s3copy_tasks.core.job import entry_number
from s3copy_tasks.core.key_list import READ_BYTES
from s3copy_tasks.core.multipart import LIMITS, RELAY_LIMITS, count_parts
from s3copy_tasks.core.objects import Action, SkipReason
from s3copy_tasks.core.request_counts import PRICES_USD

if TYPE_CHECKING:
    from s3copy_tasks.core.job import EffectiveJob, EntryId
    from s3copy_tasks.core.objects import Decision

PAGE_KEYS = 1_000
"""Keys in a page of a listing."""
BY_KEY = "(by key)"
"""Shown in place of a prefix: the single objects have none in common."""
_READ_TWICE = 2
"""A list is read by the plan, and again by the batches."""
_COMPARED = frozenset({Action.COMPARE, Action.CHECK})
_FAILING = frozenset({Action.ARCHIVED, Action.KEY_TOO_LONG, Action.UNSEEN})


@dataclass(slots=True)
class EntryPlan:
    """The totals of one entry of the job: inside and outside the batches' ranges.

    Attributes:
        path: of the entry in the config.
        number: of the entry in metrics.
        listed: whether it is listed; single objects and rows of a list are not.
        found: objects of the source.
        objects: to be copied, or named by a list and not checked yet.
        compare: to be checked by HEAD, and copied if that shows a change.
        failing: can't be copied as they are now: archived, with too long a key, gone, or their HEAD failed.
            Their batch counts them.
        bytes: total size of `objects` and `compare`.
        skipped: objects by reason.
        outside: of these, the ones outside all batches' ranges: the plan counts them, while a batch counts
            everything inside its ranges.
        batches: how many batches have objects of it.
        copy_requests: requests that write, parts of large objects included.
        head_requests: HEAD requests.
        get_requests: GET requests: for tags, and for the bytes that a relay reads.
    """

    path: str
    source: str
    destination: str
    number: int
    listed: bool = True
    found: int = 0
    objects: int = 0
    compare: int = 0
    failing: int = 0
    bytes: int = 0
    batches: int = 0
    copy_requests: int = 0
    head_requests: int = 0
    get_requests: int = 0
    skipped: Counter[SkipReason] = field(default_factory=Counter)
    outside: Counter[SkipReason] = field(default_factory=Counter)

    @property
    def list_requests(self) -> int:
        """Approximate number of LIST requests: both sides for the plan, and again for the batches."""
        pages = 0 if not self.listed else max(1, -(-self.found // PAGE_KEYS))
        return pages * (4 if self.batches else 2)

    @property
    def cost_usd(self) -> float:
        """Price of the requests in us-east-1, without transfer between regions."""
        return (
            self.copy_requests * PRICES_USD["CopyObject"]
            + self.list_requests * PRICES_USD["ListObjectsV2"]
            + self.head_requests * PRICES_USD["HeadObject"]
            + self.get_requests * PRICES_USD["GetObject"]
        )

    def count(self, size: int, decision: Decision) -> None:
        """Count one object."""
        self.found += 1
        if decision is Action.COPY:  # first, because a plan may have millions
            self.objects += 1
            self.bytes += size
        elif isinstance(decision, SkipReason):
            self.skipped[decision] += 1
        elif decision in _FAILING:
            self.failing += 1
        elif decision in _COMPARED:
            self.compare += 1
            self.bytes += size
            self.head_requests += 2 if decision is Action.COMPARE else 0
        else:
            self.objects += 1
            self.bytes += size

    def add_requests(self, requests: CopyRequests) -> None:
        """Add the requests that copying one object takes."""
        self.copy_requests += requests.copy
        self.head_requests += requests.head
        self.get_requests += requests.get


class CopyRequests(NamedTuple):
    """Requests that copying one object takes, by price: those that write, HEADs, and GETs."""

    copy: int
    head: int = 0
    get: int = 0


_ONE = CopyRequests(copy=1)


class CopyEstimate:
    """Estimates the requests that copies take, from what a listing says of their sources.

    Args:
        job: the run.
    """

    def __init__(self, job: EffectiveJob) -> None:
        self._relayed = job.relayed
        self._limits = RELAY_LIMITS if job.relayed else LIMITS
        self._tag_requests = int(job.options.tags == "copy")
        self._checksums = job.verify == "checksum"
        self._changes_etags = (job.options.encryption or "").startswith("aws:kms") or bool(
            job.options.kms_key_id
        )
        is_plain = not self._relayed and not (self._checksums and self._changes_etags)
        self._plain_max = self._limits.single_copy_bytes if is_plain else -1

    def count_requests(self, size: int, *, is_multipart: bool) -> CopyRequests:
        """Return the requests that a copy takes.

        Args:
            size: of the source.
            is_multipart: its ETag is not that of its bytes: a copy in one request has another one, which
                proves nothing.
        """
        if size <= self._plain_max and not is_multipart:
            return _ONE
        parts = count_parts(size, self._limits, is_multipart=is_multipart)
        unproven = bool(parts) or is_multipart or self._changes_etags
        verify = int(self._checksums and unproven)
        if not parts and not self._relayed:
            return CopyRequests(copy=1, head=1) if verify else _ONE
        reads = parts if self._relayed else 0
        return CopyRequests(copy=2 + parts if parts else 1, head=1 + verify, get=self._tag_requests + reads)


def make_entry_plans(job: EffectiveJob) -> dict[EntryId, EntryPlan]:
    """Return the empty totals of each entry; rows of a list that belong to no entry have totals, too."""
    listed = job.keys_from is None
    plans: dict[EntryId, EntryPlan] = {
        index: EntryPlan(f"prefixes[{index}]", entry.source, entry.destination, index, listed)
        for index, entry in enumerate(job.prefixes)
    }
    number = entry_number(None)
    if job.keys_from is not None:
        reads = sum(-(-file.size // READ_BYTES) for file in job.key_list.files) if job.key_list else 0
        plans[None] = EntryPlan(
            "from", str(job.keys_from), BY_KEY, number, listed=False, get_requests=_READ_TWICE * reads
        )
    elif job.objects:
        plans[None] = EntryPlan("objects", BY_KEY, BY_KEY, number, listed=False)
    return plans
