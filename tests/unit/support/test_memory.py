"""The in-memory server lists, copies and refuses as S3 does: other tests rely on it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s3copy_tasks.core.options import ObjectOptions
from s3copy_tasks.core.store import ABSENT, CopyRequest
from s3copy_tasks.errors import CopyError, TransientError
from tests.support.builders.bench import DESTINATION, SOURCE, Bench, make_object
from tests.support.s3.memory import MemoryStore, fails, on

KEYS = st.sets(st.text(st.sampled_from("ab/é🛰"), min_size=1, max_size=4), max_size=12)


def list_keys(store: MemoryStore, prefix: str, after: str | None, *, recursive: bool) -> list[str]:
    keys, token = [], None
    while True:
        page = store.list_page(prefix, after=after, token=token, recursive=recursive)
        keys += [found.key for found in page.objects]
        token = page.token
        if token is None:
            return keys


@settings(deadline=None, max_examples=100)
@given(
    keys=KEYS,
    prefix=st.sampled_from(["", "a", "a/"]),
    after=st.none() | st.sampled_from(["a", "a/", "a/b"]),
    page_keys=st.integers(1, 4),
    recursive=st.booleans(),
)
def test_listings(keys: set[str], prefix: str, after: str | None, page_keys: int, recursive: bool) -> None:  # noqa: FBT001
    """A listing has the keys of the prefix after the bound, in UTF-8 order, whatever the page size."""
    bench = Bench(page_keys=page_keys)
    bench.put(*keys)
    expected = [
        key
        for key in sorted(keys, key=str.encode)
        if key.startswith(prefix)
        and (after is None or key > after)
        and (recursive or "/" not in key[len(prefix) :])
    ]
    assert list_keys(bench.source, prefix, after, recursive=recursive) == expected


def request(**changes: object) -> CopyRequest:
    values = {
        "source": make_object("in/a"),
        "source_account": None,
        "key": "out/a",
        "options": ObjectOptions(),
    }
    return CopyRequest(**(values | changes))  # type: ignore[arg-type]


def test_refusals() -> None:
    """Missing buckets and keys, another ETag and a taken key are refused with S3's codes."""
    bench = Bench()
    bench.put("in/a")
    head = bench.source.head_object("in/a")
    assert head is not None
    store = bench.destination
    nowhere = MemoryStore(bench.server, "nowhere")
    fresh = request(source=head.object, guard=ABSENT)
    assert store.copy_object(fresh).etag == head.object.etag
    codes = []
    for target, refused in (
        (store, request(source=make_object("in/b"))),
        (store, request()),
        (store, fresh),
        (nowhere, request(source=head.object)),
    ):
        with pytest.raises(CopyError) as raised:
            target.copy_object(refused)
        codes.append(raised.value.code)
    assert codes == ["NoSuchKey", "PreconditionFailed", "PreconditionFailed", "NoSuchBucket"]


def test_faults() -> None:
    """A hook before a request refuses it; a hook after a request loses its reply."""
    bench = Bench()
    bench.put("in/a")
    head = bench.source.head_object("in/a")
    assert head is not None
    error = TransientError("reset", code="InternalError")
    bench.server.before.append(on("copy_object", fails(error)))
    bench.server.after.append(on("copy_object", fails(error)))
    for arrived in ([], ["out/a"]):
        with pytest.raises(TransientError):
            bench.destination.copy_object(request(source=head.object))
        assert list(bench.written) == arrived
    assert bench.destination.copy_object(request(source=head.object)).etag
    assert bench.server.count("copy_object", DESTINATION) == 3
    assert bench.server.count("copy_object", SOURCE) == 0
