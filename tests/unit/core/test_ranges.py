"""Key ranges that are found while listing: every key once, in order, in few requests and bounded memory."""

from __future__ import annotations

import heapq
import itertools
import random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3copy_tasks.core.ranges import WASTED_PAGES, WASTED_SHARE, Ranges
from s3copy_tasks.core.store import Page
from s3copy_tasks.errors import Code, RequestError
from tests.support.builders.bench import make_object
from tests.support.s3.key_shapes import ListedKeys, keys_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from s3copy_tasks.core.listed_range import ListedRange

PAGE_SECONDS = 0.1
BUFFERED = 160_000

NAMES = st.sampled_from(
    ["a", "b", "aa", "zeta", "Ω", "日本", "\U0001f6f0", "~", " ", "-", "x\x01", "\uffff", "2026"]
)
NUMBERS = st.integers(0, 9_999)
KEYS = st.one_of(
    NUMBERS.map("part-{:05}".format),
    NUMBERS.map("part-{}".format),
    st.integers(0, 2**64).map("{:016x}".format),
    st.lists(NAMES, min_size=1, max_size=5).map("/".join),
    st.builds("2026/{:02}/{:02}/granule-{}".format, st.integers(1, 12), st.integers(1, 31), NUMBERS),
    st.builds("{}/{:04}".format, NAMES, NUMBERS),
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=3),
    st.integers(1, 30).map(lambda size: "a" * size),
)
RUNS = st.builds(
    lambda form, first, count: {form.format(i) for i in range(first, first + count)},
    st.sampled_from(["n/{:06}", "{}", "day-{}/x", "h/{:x}", "\u65e5/{:03}.nc"]),
    NUMBERS,
    st.integers(1, 1_500),
)
KEY_SETS = st.builds(
    lambda some, runs: sorted(set(some).union(*runs)), st.lists(KEYS, max_size=60), st.lists(RUNS, max_size=3)
)


class Listing:
    """Answers the requests of some ranges, each after a given time, and reads the pages in order."""

    def __init__(self, listed: ListedKeys, listers: int, *, buffered: int = BUFFERED) -> None:
        self.listed = listed
        self.ranges = Ranges(
            listed.prefix, after=None, through=None, listers=listers, buffered_keys_max=buffered
        )
        self.seconds = 0.0
        self.keys: list[str] = []
        self.peak = 0
        self._sent: list[tuple[float, int, ListedRange]] = []
        self._numbers = itertools.count()

    def run(self, seconds: Iterator[float]) -> Listing:
        """List to the end; `seconds` is the time that each page takes."""
        while True:
            for page in self.ranges.in_order():
                self.keys += [one.key for one in page]
                self.ranges.taken(len(page))
            if self.ranges.ended:
                return self
            while (one := self.ranges.next_request()) is not None:
                heapq.heappush(self._sent, (self.seconds + next(seconds), next(self._numbers), one))
            self.seconds, _, answered = heapq.heappop(self._sent)
            self.ranges.listed(answered, self.listed.page(answered.position, answered.token))
            self.peak = max(self.peak, self.ranges.buffered_keys)


def made(*keys: str, token: str | None = None) -> Page:
    return Page(objects=tuple(make_object(key) for key in keys), token=token)


def ranges_of(listers: int = 4, **bounds: str | None) -> Ranges:
    return Ranges("", **{"after": None, "through": None, **bounds}, listers=listers, buffered_keys_max=64)


def read(ranges: Ranges) -> list[str]:
    return [one.key for page in ranges.in_order() for one in page]


@settings(max_examples=150)
@given(
    keys=KEY_SETS,
    page_keys=st.integers(3, 7),
    listers=st.integers(1, 16),
    pages=st.integers(4, 200),
    seed=st.integers(0, 2**32),
    bounds=st.tuples(st.none() | KEYS, st.none() | KEYS),
)
def test_every_key_once_in_order(
    keys: list[str],
    page_keys: int,
    listers: int,
    pages: int,
    seed: int,
    bounds: tuple[str | None, str | None],
) -> None:
    """In whatever order pages come: the keys of a serial listing, limited memory, limited requests."""
    listed, (after, through), chance = ListedKeys(keys, page_keys=page_keys), bounds, random.Random(seed)
    inside = [k for k in keys if (after is None or k > after) and (through is None or k <= through)]
    budget = pages * page_keys
    ranges = Ranges("", after=after, through=through, listers=listers, buffered_keys_max=budget)
    sent: list[ListedRange] = []
    waiting: list[list[str]] = []
    found: list[str] = []
    while not ranges.ended or waiting:
        waiting += ([one.key for one in page] for page in ranges.in_order())
        while (one := ranges.next_request()) is not None:
            sent.append(one)
        assert len(sent) <= listers
        assert sent or waiting or ranges.ended
        if waiting and (not sent or chance.random() < 0.5):
            found += waiting[0]
            ranges.taken(len(waiting.pop(0)))
        elif sent:
            answered = sent.pop(chance.randrange(len(sent)))
            ranges.listed(answered, listed.page(answered.position, answered.token))
        assert ranges.buffered_keys <= budget + listers * page_keys
    assert found == inside
    assert ranges.error is None
    assert ranges.buffered_keys == 0
    serial = -(-len(inside) // page_keys) + 1
    most = serial if listers == 1 else serial * (1 + WASTED_SHARE) + WASTED_PAGES
    assert listed.requests == ranges.requests <= most


@pytest.mark.parametrize("shape", ["numbered", "hash names", "dates, 5,000 a day"])
def test_sixteen_listers_are_eight_times_as_fast(shape: str) -> None:
    """At 100 ms a page, 16 listers list half a million keys in an eighth of the time, within the budget."""
    listed = ListedKeys(keys_of(shape, 500_000))
    done = Listing(listed, 16).run(itertools.repeat(PAGE_SECONDS))
    assert done.keys == listed.keys
    assert done.seconds <= listed.pages * PAGE_SECONDS / 8
    assert done.peak <= BUFFERED + listed.page_keys
    assert listed.requests <= listed.pages * (1 + WASTED_SHARE) + WASTED_PAGES


@pytest.mark.parametrize(
    ("shape", "times"),
    [
        ("numbers without zeros", 3),
        ("hashes, then numbers", 4),
        ("one huge directory", 4),
        ("Greek", 4),
        ("1,000 customers", 3),
        ("deep tree of words", 1),
    ],
)
def test_listers_help_with_any_shape(shape: str, times: int) -> None:
    """With worse guesses, 8 listers are still so many times as fast as one, with few requests."""
    listed = ListedKeys(keys_of(shape, 100_000), page_keys=100)
    chance = random.Random(5)
    done = Listing(listed, 8, buffered=12_800).run(chance.uniform(0.05, 0.15) for _ in itertools.count())
    assert done.keys == listed.keys
    assert done.seconds <= listed.pages * PAGE_SECONDS / times
    assert listed.requests <= listed.pages * (1 + WASTED_SHARE) + WASTED_PAGES


@pytest.mark.parametrize("count", [0, 1, 999, 1_000])
def test_a_single_page_costs_one_request(count: int) -> None:
    """A listing of one page is one request, however many listers there are."""
    listed = ListedKeys(keys_of("hash names", count))
    Listing(listed, 16).run(itertools.repeat(PAGE_SECONDS))
    assert listed.requests == 1


@pytest.mark.parametrize("pages", [2, 3, 5, 10])
@pytest.mark.parametrize("shape", ["numbered", "hash names", "dates, 5,000 a day", "1,000 customers"])
def test_a_short_listing_costs_little_more(shape: str, pages: int) -> None:
    """A few pages cost at most four requests more, and no more time than one after another."""
    listed = ListedKeys(keys_of(shape, 10_000)[: pages * 100], page_keys=100)
    done = Listing(listed, 16).run(itertools.repeat(PAGE_SECONDS))
    assert listed.requests <= pages + 4
    assert done.seconds <= (pages + 0.5) * PAGE_SECONDS


def test_one_lister_lists_one_page_after_another() -> None:
    """With one lister nothing is split: as many requests as pages."""
    listed = ListedKeys(keys_of("hash names", 5_000), page_keys=100)
    done = Listing(listed, 1).run(itertools.repeat(PAGE_SECONDS))
    assert (done.keys, listed.requests) == (listed.keys, 50)


def test_a_consumer_that_does_not_read_stops_the_listing() -> None:
    """When the budget is used up, nothing is requested until the consumer has taken something."""
    listed = ListedKeys(keys_of("numbered", 100_000), page_keys=100)
    ranges = Ranges("", after=None, through=None, listers=8, buffered_keys_max=2_000)
    pages = []
    while (one := ranges.next_request()) is not None:
        ranges.listed(one, listed.page(one.position, one.token))
        pages += list(ranges.in_order())
    assert 1_000 <= ranges.buffered_keys <= 2_100
    for page in pages:
        ranges.taken(len(page))
    assert ranges.next_request() is not None


def test_an_empty_page_is_not_the_end() -> None:
    """After a page without keys that has a token, the token's page is requested."""
    ranges = ranges_of()
    first = ranges.next_request()
    assert first is not None
    ranges.listed(first, made(token="more"))
    second = ranges.next_request()
    assert second is first
    assert second.token == "more"
    ranges.listed(second, made("a"))
    assert (read(ranges), ranges.ended) == (["a"], True)


def test_an_empty_page_that_leads_to_itself_is_an_error() -> None:
    """Else it would be requested for ever."""
    ranges = ranges_of()
    for _ in range(2):
        one = ranges.next_request()
        assert one is not None
        ranges.listed(one, made(token="more"))
    assert isinstance(ranges.error, RequestError)
    assert ranges.error.code == Code.NOT_S3


@pytest.mark.parametrize(
    ("after", "keys"),
    [("m", ("a", "n")), ("m", ("m",)), (None, ("b", "a")), (None, ("a", "a"))],
    ids=["before-the-bound", "the-bound", "not-sorted", "twice"],
)
def test_a_page_out_of_order_is_an_error(after: str | None, keys: tuple[str, ...]) -> None:
    """A server that ignores StartAfter, or does not sort, is detected."""
    ranges = ranges_of(after=after)
    one = ranges.next_request()
    assert one is not None
    ranges.listed(one, made(*keys, token="more"))
    assert isinstance(ranges.error, RequestError)
    assert ranges.error.code == Code.NOT_SORTED
    assert (read(ranges), ranges.ended) == ([], True)


def test_a_token_that_goes_back_is_an_error() -> None:
    """The page of a token must begin after the last known key."""
    ranges = ranges_of(listers=1)
    for page in (made("a", "b", token="more"), made("b", "c")):
        one = ranges.next_request()
        assert one is not None
        ranges.listed(one, page)
    assert isinstance(ranges.error, RequestError)
    assert read(ranges) == ["a", "b"]


def under_way(listed: ListedKeys) -> tuple[Ranges, list[ListedRange]]:
    """Return ranges, and those of which pages were requested, in key order."""
    ranges = Ranges("", after=None, through=None, listers=8, buffered_keys_max=10_000)
    asked: list[ListedRange] = []
    for _ in range(5):
        for one in asked:
            ranges.listed(one, listed.page(one.position, one.token))
        asked = list(iter(ranges.next_request, None))
    return ranges, sorted(asked, key=lambda one: one.position or "")


def test_an_error_ends_the_listing_where_it_happened() -> None:
    """Keys before a failed page still come; replies for ranges behind it are ignored."""
    listed = ListedKeys(keys_of("numbered", 20_000), page_keys=100)
    ranges, asked = under_way(listed)
    broken = asked[3]
    start = broken.position
    assert start is not None
    dropped = ranges.failed(broken, OSError("gone"))
    assert set(asked[4:]) <= set(dropped)
    assert len(asked) > 5
    keys: list[str] = []
    pending = [one for one in asked if one is not broken]
    while not ranges.ended:
        for one in pending:
            ranges.listed(one, listed.page(one.position, one.token))
        keys += read(ranges)
        pending = list(iter(ranges.next_request, None))
    assert keys == [key for key in listed.keys if key <= start]
    assert str(ranges.error) == "gone"
    assert ranges.buffered_keys == len(keys)


def test_the_error_nearest_to_the_front_counts() -> None:
    """Of two errors, the one with the smaller key is raised."""
    ranges, asked = under_way(ListedKeys(keys_of("numbered", 20_000), page_keys=100))
    for one in reversed(asked):
        ranges.failed(one, OSError(one.position))
    assert str(ranges.error) == asked[0].position
