"""A stream of keys from another thread's loop: in order, stopped by errors and by its reader."""

from __future__ import annotations

import asyncio
import random
from contextlib import closing
from threading import Event, Thread
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3copy_tasks.errors import Code, RequestError
from s3copy_tasks.plan.key_stream import KeyStream
from tests.support.s3.key_shapes import ListedKeys, keys_of

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator

    from s3copy_tasks.core.objects import S3Object
    from s3copy_tasks.core.store import Page


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    made = asyncio.new_event_loop()
    thread = Thread(target=made.run_forever)
    thread.start()
    yield made
    made.call_soon_threadsafe(made.stop)
    thread.join()
    made.close()


class Lister:
    """Lists made-up keys; each page takes some turns of the loop, so that pages arrive in any order."""

    def __init__(self, listed: ListedKeys, *, turns: int = 4, seed: int = 1) -> None:
        self.listed = listed
        self.running = 0
        self.peak = 0
        self.fails_from: str | None = None
        self.hangs_from: str | None = None
        self.hangs = Event()
        self._turns = turns
        self._chance = random.Random(seed)

    async def __call__(self, after: str | None, token: str | None) -> Page:
        self.running += 1
        self.peak = max(self.peak, self.running)
        try:
            for _ in range(self._chance.randint(0, self._turns)):
                await asyncio.sleep(0)
            if self.hangs_from is not None and (after or "") >= self.hangs_from:
                self.hangs.set()
                await asyncio.Event().wait()
            if self.fails_from is not None and (after or "") >= self.fails_from:
                raise RequestError(f"after {after}", code="AccessDenied")
            return self.listed.page(after, token)
        finally:
            self.running -= 1


def stream(
    lister: Lister, loop: asyncio.AbstractEventLoop, *, listers: int = 8, buffered: int = 5_000
) -> Generator[S3Object]:
    made = KeyStream(
        lister,
        lister.listed.prefix,
        after=None,
        through=None,
        listers=listers,
        loop=loop,
        buffered_keys_max=buffered,
    )
    return cast("Generator[S3Object]", iter(made))


@settings(max_examples=60)
@given(
    shape=st.sampled_from(["numbered", "hash names", "numbers without zeros", "Greek"]),
    count=st.integers(0, 1_500),
    page_keys=st.integers(3, 40),
    listers=st.integers(1, 16),
    order=st.tuples(st.integers(0, 9), st.integers(0, 99)),
)
def test_the_stream_is_the_listing(
    loop: asyncio.AbstractEventLoop,
    shape: str,
    count: int,
    page_keys: int,
    listers: int,
    order: tuple[int, int],
) -> None:
    """Whatever order pages come in, the consumer reads every key once, in order."""
    listed = ListedKeys(keys_of(shape, count), page_keys=page_keys)
    lister = Lister(listed, turns=order[0], seed=order[1])
    assert [one.key for one in stream(lister, loop, listers=listers)] == listed.keys
    assert lister.running == 0
    assert lister.peak <= listers


def test_listers_work_at_the_same_time(loop: asyncio.AbstractEventLoop) -> None:
    """A long listing has as many requests in flight as allowed."""
    lister = Lister(ListedKeys(keys_of("numbered", 20_000), page_keys=100), turns=20)
    assert sum(1 for _ in stream(lister, loop, buffered=20_000)) == 20_000
    assert lister.peak == 8


def test_bounds(loop: asyncio.AbstractEventLoop) -> None:
    """A stream has the keys after its lower bound, up to and including its upper bound."""
    listed = ListedKeys(keys_of("numbered", 5_000), page_keys=100)
    after, through = listed.keys[1_234], listed.keys[3_456]
    made = KeyStream(Lister(listed), "", after=after, through=through, listers=8, loop=loop)
    assert [one.key for one in made] == listed.keys[1_235:3_457]
    assert [one.key for one in made] == listed.keys[1_235:3_457], "it can be read again"


def test_an_error_comes_after_the_keys_before_it(loop: asyncio.AbstractEventLoop) -> None:
    """Keys before a failed page are read, then its error is raised, and no request is left."""
    lister = Lister(ListedKeys(keys_of("numbered", 20_000), page_keys=100))
    lister.fails_from = lister.listed.keys[12_345]
    found: list[str] = []
    with pytest.raises(RequestError) as caught:
        found.extend(one.key for one in stream(lister, loop))
    assert found == lister.listed.keys[: len(found)]
    assert found[-1] >= lister.fails_from
    assert (
        caught.value.message == f"after {found[-1]}"
        or caught.value.message.removeprefix("after ") > found[-1]
    )
    assert lister.running == 0


def test_the_first_page_fails(loop: asyncio.AbstractEventLoop) -> None:
    """A listing that is refused raises its error at the first key."""
    lister = Lister(ListedKeys([]))
    lister.fails_from = ""
    with pytest.raises(RequestError, match="AccessDenied"):
        next(stream(lister, loop))
    assert lister.running == 0


def test_a_server_that_ignores_start_after_is_detected(loop: asyncio.AbstractEventLoop) -> None:
    """A server that begins again at its first key is refused, after the keys before the guess."""
    listed = ListedKeys(keys_of("numbered", 20_000), page_keys=100)

    async def page(_: str | None, token: str | None) -> Page:
        return listed.page(None, token)

    keys: list[str] = []
    with pytest.raises(RequestError) as caught:
        keys.extend(one.key for one in KeyStream(page, "", after=None, through=None, listers=4, loop=loop))
    assert caught.value.code == Code.NOT_SORTED
    assert keys == listed.keys[: len(keys)]


def test_closing_early_stops_everything(loop: asyncio.AbstractEventLoop) -> None:
    """When the iterator is closed, requests in flight are cancelled before it returns."""
    lister = Lister(ListedKeys(keys_of("numbered", 50_000), page_keys=100))
    lister.hangs_from = lister.listed.keys[3_000]
    with closing(stream(lister, loop)) as keys:
        next(keys)
        lister.hangs.wait()
        assert lister.running > 0
    assert lister.running == 0
    made = lister.listed.requests
    asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result()
    assert lister.listed.requests == made


def test_a_consumer_that_stops_reading(loop: asyncio.AbstractEventLoop) -> None:
    """A consumer that stops reading stops the listing: waiting keys are limited."""
    lister = Lister(ListedKeys(keys_of("numbered", 50_000), page_keys=100), turns=0)
    with closing(stream(lister, loop, buffered=2_000)) as keys:
        next(keys)
        for _ in range(200):
            asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result()
        assert lister.running == 0
        assert 10 <= lister.listed.requests <= 22


def test_a_stream_that_is_not_read_requests_nothing(loop: asyncio.AbstractEventLoop) -> None:
    """The first request is sent when the first key is read."""
    lister = Lister(ListedKeys(["a"]))
    with closing(stream(lister, loop)):
        pass
    assert lister.listed.requests == 0


def test_what_is_begun_waits_for_its_reader(loop: asyncio.AbstractEventLoop) -> None:
    """A stream that is begun requests its first page only; read later, it has every key."""
    lister = Lister(ListedKeys(keys_of("numbered", 5_000), page_keys=100), turns=0)
    made = KeyStream(lister, "", after=None, through=None, listers=8, loop=loop)
    made.begin()
    for _ in range(50):
        asyncio.run_coroutine_threadsafe(asyncio.sleep(0), loop).result()
    assert lister.listed.requests == 1
    assert [one.key for one in made] == lister.listed.keys
    requests = lister.listed.requests
    assert [one.key for one in made] == lister.listed.keys, "the next iteration is a listing of its own"
    assert lister.listed.requests > requests


def test_what_is_begun_and_closed_runs_no_more(loop: asyncio.AbstractEventLoop) -> None:
    """Closing a stream that was begun and never read cancels its request."""
    lister = Lister(ListedKeys(["a"]))
    lister.hangs_from = ""
    made = KeyStream(lister, "", after=None, through=None, listers=8, loop=loop)
    made.begin()
    lister.hangs.wait()
    made.close()
    assert lister.running == 0


def test_a_loop_that_was_closed_ends_the_stream() -> None:
    """Without its loop, a stream ends with an error instead of waiting for ever."""
    closed = asyncio.new_event_loop()
    closed.close()
    with pytest.raises(InterruptedError):
        next(stream(Lister(ListedKeys(["a"])), closed))


def test_tasks_that_are_cancelled_elsewhere_end_the_stream(loop: asyncio.AbstractEventLoop) -> None:
    """When the owner of the loop cancels its tasks, the consumer gets an error."""
    lister = Lister(ListedKeys(["a"]))
    lister.hangs_from = ""

    async def cancel() -> None:
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()

    def cancel_when_it_hangs() -> None:
        lister.hangs.wait()
        asyncio.run_coroutine_threadsafe(cancel(), loop).result()

    thread = Thread(target=cancel_when_it_hangs)
    thread.start()
    with pytest.raises(InterruptedError):
        next(stream(lister, loop))
    thread.join()
    assert lister.running == 0


def test_a_stream_is_not_read_on_its_own_loop(loop: asyncio.AbstractEventLoop) -> None:
    """A consumer in the loop's own thread would wait for itself: it is refused."""

    async def read() -> None:
        next(stream(Lister(ListedKeys(["a"])), loop))

    with pytest.raises(RuntimeError, match="in the thread of its loop"):
        asyncio.run_coroutine_threadsafe(read(), loop).result()
