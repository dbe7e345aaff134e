"""Requests to S3, counted by kind: how many, what they cost, and the latency of those that copy.

The latencies are a histogram of fixed buckets, 5 % wide: two are added by adding the counts, which is not
possible with quantiles. HDR histograms and DDSketches do the same for unknown ranges and billions of values;
here they would be a dependency in place of three short functions.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import ceil, log
from typing import Final, Literal, TypeAlias, TypeVar

from s3copy_tasks.core.bottleneck import Bottleneck
from s3copy_tasks.core.job import EntryId, entry_number

K = TypeVar("K")

Kind: TypeAlias = Literal[
    "ListObjectsV2",
    "HeadObject",
    "GetObject",
    "GetObjectTagging",
    "CopyObject",
    "PutObject",
    "CreateMultipartUpload",
    "UploadPartCopy",
    "UploadPart",
    "CompleteMultipartUpload",
    "AbortMultipartUpload",
    "ListMultipartUploads",
    "ListObjectVersions",
    "GetBucketVersioning",
    "DeleteObject",
    "DeleteObjects",
]
"""The kinds of requests that a run sends, by S3's names."""

_EXPENSIVE, _CHEAP = 5.00 / 1_000_000, 0.40 / 1_000_000
PRICES_USD: Final[Mapping[str, float]] = {
    "ListObjectsV2": _EXPENSIVE,
    "HeadObject": _CHEAP,
    "GetObject": _CHEAP,
    "GetObjectTagging": _CHEAP,
    "CopyObject": _EXPENSIVE,
    "PutObject": _EXPENSIVE,
    "CreateMultipartUpload": _EXPENSIVE,
    "UploadPartCopy": _EXPENSIVE,
    "UploadPart": _EXPENSIVE,
    "CompleteMultipartUpload": _EXPENSIVE,
    "AbortMultipartUpload": 0.0,
    "ListMultipartUploads": _EXPENSIVE,
    "ListObjectVersions": _EXPENSIVE,
    "GetBucketVersioning": _CHEAP,
    "DeleteObject": 0.0,
    "DeleteObjects": 0.0,
}
"""Price of one request of each kind in us-east-1, storage class STANDARD. https://aws.amazon.com/s3/pricing/"""

COPYING: Final = frozenset({"CopyObject", "PutObject", "UploadPartCopy", "UploadPart"})
"""The kinds that write an object's bytes: their latency is measured."""
QUANTILES: Final[Mapping[str, float]] = {"p50": 0.50, "p95": 0.95, "p99": 0.99}

_FIRST_SECONDS, _LAST_SECONDS, _WIDTH = 0.001, 300.0, 1.05
_PER_LOG = 1 / log(_WIDTH)
_LAST_BUCKET = ceil(log(_LAST_SECONDS / _FIRST_SECONDS) * _PER_LOG)


def find_bucket(seconds: float) -> int:
    """Return the bucket of a latency: the first is for up to 1 ms, the last for 300 s and more."""
    if seconds <= _FIRST_SECONDS:
        return 0
    return min(ceil(log(seconds / _FIRST_SECONDS) * _PER_LOG), _LAST_BUCKET)


def find_quantile(buckets: Mapping[int, int], share: float) -> float | None:
    """Return the latency that this share did not exceed, at most 5 % too high; None without latencies.

    Args:
        buckets: latencies by bucket.
        share: in (0, 1].
    """
    wanted, below = share * sum(buckets.values()), 0
    for bucket, count in sorted(buckets.items()):
        below += count
        if below >= wanted:
            return float(f"{_FIRST_SECONDS * _WIDTH**bucket:.4g}")
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests:
    """Counts of the requests that were sent; each attempt counts.

    Attributes:
        by_kind: requests by S3's name of the operation.
        retried: of these, sent again after an error.
        throttled: of these, answered by S3 with a request to slow down.
        peak_in_flight: the most in flight at the same time in one task.
        latency: successful requests that copied, by bucket.
        limited_milliseconds: in how much time which `Bottleneck` limited a batch; parallel batches add up.
        at_least: whether more were sent, by attempts whose counts are lost.
    """

    by_kind: Mapping[str, int] = field(default_factory=dict)
    retried: int = 0
    throttled: int = 0
    peak_in_flight: int = 0
    latency: Mapping[int, int] = field(default_factory=dict)
    limited_milliseconds: Mapping[str, int] = field(default_factory=dict)
    at_least: bool = False

    def __add__(self, other: Requests) -> Requests:
        return Requests(
            by_kind=add_counts(self.by_kind, other.by_kind),
            retried=self.retried + other.retried,
            throttled=self.throttled + other.throttled,
            peak_in_flight=max(self.peak_in_flight, other.peak_in_flight),
            latency=add_counts(self.latency, other.latency),
            limited_milliseconds=add_counts(self.limited_milliseconds, other.limited_milliseconds),
            at_least=self.at_least or other.at_least,
        )

    @property
    def sent(self) -> int:
        """Number of all requests."""
        return sum(self.by_kind.values())

    @property
    def cost_usd(self) -> float:
        """Price of the requests alone, as if each were charged."""
        return sum((PRICES_USD.get(kind, 0.0) * count for kind, count in self.by_kind.items()), start=0.0)

    @property
    def latency_seconds(self) -> dict[str, float | None]:
        """Quantiles of the latencies, by name."""
        return {name: find_quantile(self.latency, share) for name, share in QUANTILES.items()}

    @property
    def limited_by(self) -> dict[str, float]:
        """Seconds by bottleneck, the longest first."""
        longest_first = sorted(self.limited_milliseconds.items(), key=lambda item: (-item[1], item[0]))
        return {name: milliseconds / 1_000 for name, milliseconds in longest_first}


@dataclass(slots=True)
class Tally:
    """Counts requests while they are sent, in one thread; this code runs for every request."""

    peak_in_flight: int = 0
    _sent: defaultdict[tuple[EntryId, Kind], int] = field(default_factory=lambda: defaultdict(int))
    _retried: defaultdict[EntryId, int] = field(default_factory=lambda: defaultdict(int))
    _throttled: defaultdict[EntryId, int] = field(default_factory=lambda: defaultdict(int))
    _latency: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    _limited: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))

    def sent(self, kind: Kind, entry: EntryId, in_flight: int, *, again: bool) -> None:
        """Count a request that starts, and how many are in flight now."""
        self._sent[entry, kind] += 1
        if again:
            self._retried[entry] += 1
        self.peak_in_flight = max(self.peak_in_flight, in_flight)

    def throttled(self, entry: EntryId) -> None:
        """Count a request that S3 answered with a request to slow down."""
        self._throttled[entry] += 1

    def answered(self, kind: Kind, seconds: float) -> None:
        """Count the latency of a successful request."""
        if kind in COPYING:
            self._latency[find_bucket(seconds)] += 1

    def limited(self, by: Bottleneck, seconds: float) -> None:
        """Add the time in which a bottleneck limited a batch."""
        self._limited[str(by)] += round(1_000 * seconds)

    def requests(self) -> Requests:
        """Return what was counted."""
        by_kind: Counter[str] = Counter()
        for (_, kind), count in self._sent.items():
            by_kind[kind] += count
        return Requests(
            by_kind=dict(sorted(by_kind.items())),
            retried=sum(self._retried.values()),
            throttled=sum(self._throttled.values()),
            peak_in_flight=self.peak_in_flight,
            latency=dict(sorted(self._latency.items())),
            limited_milliseconds=add_counts(self._limited, {}),
        )

    def by_entry(self) -> dict[int, Requests]:
        """Return what was counted by entry; peak, latencies and bottlenecks are of the whole task."""
        kinds: dict[EntryId, dict[str, int]] = {}
        for (entry, kind), count in sorted(self._sent.items(), key=lambda item: item[0][1]):
            kinds.setdefault(entry, {})[kind] = count
        return {
            entry_number(entry): Requests(
                by_kind=by_kind, retried=self._retried.get(entry, 0), throttled=self._throttled.get(entry, 0)
            )
            for entry, by_kind in kinds.items()
        }


def add_counts(left: Mapping[K, int], right: Mapping[K, int]) -> dict[K, int]:
    """Return the sums by key, in the keys' order, without sums of 0."""
    return dict(sorted((Counter(left) + Counter(right)).items()))
