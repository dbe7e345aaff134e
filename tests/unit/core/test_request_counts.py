"""Requests by kind and by entry, their price, and the histogram of copy latencies."""

from __future__ import annotations

import json
import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3copy_tasks.core.bottleneck import Bottleneck
from s3copy_tasks.core.request_counts import (
    PRICES_USD,
    Kind,
    Requests,
    Tally,
    find_bucket,
    find_quantile,
)
from s3copy_tasks.dag.xcom import dump, load

LATENCIES = st.floats(0, 400)
KINDS: list[Kind] = ["CopyObject", "ListObjectsV2", "HeadObject", "AbortMultipartUpload"]
SENT = st.lists(
    st.tuples(st.sampled_from(KINDS), st.sampled_from([None, 0, 7]), st.booleans(), st.booleans(), LATENCIES),
    max_size=30,
)


def histogram(latencies: list[float]) -> dict[int, int]:
    tally = Tally()
    for seconds in latencies:
        tally.answered("CopyObject", seconds)
    return dict(tally.requests().latency)


@settings(deadline=None, max_examples=60)
@given(latencies=st.lists(LATENCIES, min_size=1), share=st.floats(0.01, 1))
def test_quantiles(latencies: list[float], share: float) -> None:
    """A quantile is never below the true one (nearest rank), and at most 5 % above, from 1 ms to 300 s."""
    true = sorted(latencies)[math.ceil(share * len(latencies)) - 1]
    found = find_quantile(histogram(latencies), share)
    assert found is not None
    assert min(true, 300) * 0.999 <= found <= max(true * 1.051, 0.001)


def test_no_latency_has_no_quantile() -> None:
    """If nothing was copied, the latency is missing, not 0."""
    assert Requests().latency_seconds == {"p50": None, "p95": None, "p99": None}


def test_quantiles_of_a_sum_are_those_of_all() -> None:
    """Histograms of parts add up to that of the whole; quantiles do not."""
    values = [random.Random(1).expovariate(20) for _ in range(1_000)]
    parts = [Requests(latency=histogram(values[start : start + 70])) for start in range(0, 1_000, 70)]
    assert sum(parts, start=Requests()) == Requests(latency=histogram(values))
    assert find_bucket(0.0) == 0
    assert find_bucket(301) == find_bucket(10**9)


def tallied(sent: list[tuple[Kind, int | None, bool, bool, float]]) -> Tally:
    tally = Tally()
    for kind, entry, again, throttled, seconds in sent:
        tally.sent(kind, entry, 1, again=again)
        if throttled:
            tally.throttled(entry)
        else:
            tally.answered(kind, seconds)
    return tally


@settings(deadline=None, max_examples=60)
@given(sent=SENT, cut=st.integers(0, 30))
def test_tallies_add_up(sent: list[tuple[Kind, int | None, bool, bool, float]], cut: int) -> None:
    """Two tallies together count the same as one, and the entries add up to the whole."""
    whole = tallied(sent)
    assert tallied(sent[:cut]).requests() + tallied(sent[cut:]).requests() == whole.requests()
    shares = sum(whole.by_entry().values(), start=Requests())
    for name in ("by_kind", "retried", "throttled"):
        assert getattr(shares, name) == getattr(whole.requests(), name)
    assert whole.requests().sent == len(sent)
    assert set(whole.by_entry()) == {-1 if entry is None else entry for _, entry, *_ in sent}


@settings(deadline=None, max_examples=30)
@given(sent=SENT)
def test_requests_travel(sent: list[tuple[Kind, int | None, bool, bool, float]]) -> None:
    """Requests stay the same through JSON and back."""
    requests = tallied(sent).requests()
    assert load(Requests, json.loads(json.dumps(dump(requests, sparse=True)))) == requests


def test_bottlenecks_add_up() -> None:
    """The seconds of all batches are added, and the longest is first; what took no time is left out."""
    tallies = Tally(), Tally()
    for tally in tallies:
        tally.limited(Bottleneck.LISTING, 0.5)
        tally.limited(Bottleneck.RATE, 0.05)
    tallies[0].limited(Bottleneck.RATE, 12.0)
    tallies[0].limited(Bottleneck.CPU, 0.0)
    whole = tallies[0].requests() + tallies[1].requests()
    assert list(whole.limited_by.items()) == [("rate", 12.1), ("listing", 1.0)]
    assert load(Requests, json.loads(json.dumps(dump(whole, sparse=True)))) == whole


def test_requests_of_earlier_versions_are_read() -> None:
    """A batch of a run that survives an upgrade may have pushed no bottlenecks."""
    earlier = load(Requests, {"by_kind": {"CopyObject": 2}, "peak_in_flight": 2})
    assert earlier == Requests(by_kind={"CopyObject": 2}, peak_in_flight=2)
    assert earlier.limited_by == {}


def test_only_copies_are_timed() -> None:
    """Only requests that write an object's bytes have a latency."""
    tally = Tally()
    tally.answered("ListObjectsV2", 1.0)
    tally.answered("UploadPartCopy", 1.0)
    assert sum(tally.requests().latency.values()) == 1


def test_price() -> None:
    """A run costs what its requests cost: copies and listings are expensive, HEADs cheap, aborts free."""
    by_kind = {"CopyObject": 1_000_000, "ListObjectsV2": 2, "HeadObject": 10, "AbortMultipartUpload": 5}
    assert Requests(by_kind=by_kind).cost_usd == pytest.approx(5 + 2 * 5e-6 + 10 * 4e-7)
    assert set(KINDS) <= set(PRICES_USD)
